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
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/server/fake_control.h"

namespace mooring::server::watch {

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
