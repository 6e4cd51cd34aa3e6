// SPDX-License-Identifier: Apache-2.0
// WatchBed: what the control shard watches: shards with engines that a test drives by hand, and a log that remembers.
//
// Threads:  one.
#ifndef MOORING_TESTS_SERVER_WATCH_WATCH_BED_H_
#define MOORING_TESTS_SERVER_WATCH_WATCH_BED_H_

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/control.h"

namespace mooring::server::watch {

// Remembers lines: "warn message|name=value|name=value".
class FakeLog final : public Log {
 public:
  void Say(Level level, std::string_view message, std::initializer_list<Field> fields) override {
    constexpr const char* kLevels[] = {"debug ", "info ", "warn ", "error "};
    std::string line = kLevels[static_cast<int>(level)];
    line.append(message);
    for (const Field& field : fields) {
      line.append("|").append(field.name).append("=");
      std::visit([&](const auto& value) { Append(&line, value); }, field.value);
    }
    lines.push_back(line);
  }
  absl::Status Reopen() override { return absl::OkStatus(); }
  absl::Status Change(const LogSettings& /*settings*/) override { return absl::OkStatus(); }
  bool Settle(int64_t /*ms*/) override { return true; }
  uint64_t written() const override { return lines.size(); }
  uint64_t dropped() const override { return dropped_now; }

  std::vector<std::string> lines;
  uint64_t dropped_now = 0;

 private:
  static void Append(std::string* line, std::string_view value) { line->append(value); }
  static void Append(std::string* line, bool value) { line->append(value ? "true" : "false"); }
  template <class N>
  static void Append(std::string* line, N value) {
    absl::StrAppend(line, value);
  }
};

class FakeControl final : public Control {
 public:
  const Program& program() const override { return program_; }
  const Settings& settings() const override { return settings_now; }
  const core::Plan& plan() const override { return plan_; }
  core::Shard* control_shard() override { return control_shard_now; }
  Log& log() override { return log_now; }
  int64_t started_wall_s() const override { return 1; }
  ServerState state() const override { return state_now; }
  std::vector<ServedListener> listeners() const override { return listeners_now; }
  const std::vector<ShardView>& shards() const override { return shards_now; }
  absl::Status Drain() override { return absl::OkStatus(); }
  absl::Status DrainListener(const std::string& /*name*/) override { return absl::OkStatus(); }
  absl::Status DrainConnections(const std::string& /*listener*/, uint32_t /*percent*/) override { return absl::OkStatus(); }

  Settings settings_now;
  core::Shard* control_shard_now = nullptr;
  FakeLog log_now;
  ServerState state_now = ServerState::kServing;
  std::vector<ServedListener> listeners_now;
  std::vector<ShardView> shards_now;

 private:
  const Program program_ = {.name = "fake", .version = "0"};
  const core::Plan plan_ = {};
};

// Moves nothing; releases what was closed; counts what a test says.
class StillTransport final : public net::Transport {
 public:
  std::map<std::string, uint64_t> counts;
  net::TransportEvents* events = nullptr;

  void Poll(core::Nanos /*wait*/, Sleeper* sleeper) override {
    sleeper->OnAwake();
    for (const net::ConnId id : std::exchange(leaving_, {})) events->OnReleased(id);
  }
  void Close(net::ConnId id) override { leaving_.push_back(id); }
  void Abort(net::ConnId id) override { leaving_.push_back(id); }
  void Count(absl::FunctionRef<void(std::string_view, uint64_t)> sink) const override {
    for (const auto& [name, value] : counts) sink(name, value);
  }
  int Watch(int, uint32_t, Watcher*) override { return -ENOSYS; }
  void Unwatch(int) override {}
  void Wake() override {}
  void Listen(net::ListenerId, int, int, bool) override {}
  void SetAcceptMode(net::ListenerId, net::AcceptMode) override {}
  void RefuseNew(net::ListenerId) override {}
  void StopAccept(net::ListenerId, bool) override {}
  void Connect(net::ConnId, const net::Address&, const net::Address&) override {}
  void SetReading(net::ConnId, bool) override {}
  void Consumed(net::ConnId, uint32_t) override {}
  void Send(net::ConnId, const iovec*, unsigned, net::SendMode) override {}
  void ShutdownSend(net::ConnId) override {}
  void AskPeer(net::ConnId) override {}
  void AskOutQueue(net::ConnId) override {}
  bool ReadToEnd() const override { return true; }
  std::string Describe() const override { return "still"; }

 private:
  std::vector<net::ConnId> leaving_;
};

// What a service does and counts, as a test says.
class SaidHandler final : public net::Handler {
 public:
  std::map<std::string, uint64_t> counts;
  std::function<void()> on_data = [] {};

  void OnData(net::Connection& /*conn*/, alloc::Lease /*data*/) override { on_data(); }
  void Count(absl::FunctionRef<void(std::string_view, uint64_t)> sink) const override {
    for (const auto& [name, value] : counts) sink(name, value);
  }
};

// A data shard with one listener, "web".
struct WatchedShard {
  WatchedShard(core::Clock* clock, uint32_t id) : shard({.id = id, .clock = clock}), engine(&shard, {.connections_max = 8}) {
    transport.events = engine.events();
    shard.SetPort(&transport);
    engine.SetTransport(&transport);
    core::Shard::Enter enter(&shard);
    web = engine.AddListener("web", &handler, {});
  }
  ~WatchedShard() {
    {
      core::Shard::Enter enter(&shard);
      engine.CutAll();
    }
    for (int i = 0; i < 3; ++i) shard.RunTurn(0);
    EXPECT_EQ(engine.live(), 0u);
  }

  net::ConnId Accept() {
    core::Shard::Enter enter(&shard);
    const net::ConnId id = engine.events()->OnAccept(web, false);
    if (id.generation != 0) engine.events()->OnOpen(id);
    return id;
  }
  void Receive(net::ConnId id, std::string_view text) {
    core::Shard::Enter enter(&shard);
    alloc::Block* block = shard.buffers().AcquireReceive();
    text.copy(block->data, text.size());
    engine.events()->OnReceive(id, alloc::Lease(block, 0, static_cast<uint32_t>(text.size())));
  }
  void FailAccept(int error) {
    core::Shard::Enter enter(&shard);
    engine.events()->OnAcceptError(web, error);
  }

  core::Shard shard;
  StillTransport transport;
  SaidHandler handler;
  net::Engine engine;
  net::ListenerId web = 0;
};

class WatchBed : public testing::Test {
 protected:
  WatchBed() {
    control_.control_shard_now = &control_shard_;
    control_shard_.SetPort(&port_);
    for (uint32_t id = 0; id < 2; ++id) {
      shards_.push_back(std::make_unique<WatchedShard>(&clock_, id));
      WatchedShard& each = *shards_.back();
      control_.shards_now.push_back(
          {.shard = &each.shard, .engine = &each.engine, .transport = &each.transport, .cpu = -1, .handlers = {{"web", &each.handler}}});
    }
    control_.listeners_now = {
        {.name = "web", .service = "http", .endpoint = *net::Endpoint::Parse("127.0.0.1:80"), .id = shards_[0]->web, .open = true}};
  }
  std::vector<std::string> TakeLines() { return std::exchange(control_.log_now.lines, {}); }
  using Lines = std::vector<std::string>;

  core::ManualClock clock_{core::Seconds(1000)};
  StillTransport port_;
  core::Shard control_shard_{{.id = 1000, .clock = &clock_}};
  FakeControl control_;
  std::vector<std::unique_ptr<WatchedShard>> shards_;
};

}  // namespace mooring::server::watch

#endif  // MOORING_TESTS_SERVER_WATCH_WATCH_BED_H_
