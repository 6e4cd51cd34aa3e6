// SPDX-License-Identifier: Apache-2.0
// A turn in which one message goes to all members, over a transport that takes everything and costs nothing: what engine,
// queues and sets cost, without the kernel's part (which is the same for both ways of writing, and larger).
#include "net/connection_set.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "alloc/shared_bytes.h"
#include "core/clock.h"
#include "core/shard.h"
#include "net/address.h"
#include "net/engine.h"
#include "net/handler.h"
#include "net/transport.h"

namespace mooring::net {
namespace {

using alloc::SharedBytes;

// Takes all that is sent, in the Poll that follows.
class TakingTransport final : public Transport {
 public:
  TransportEvents* events = nullptr;

  void Send(ConnId id, const iovec* pieces, unsigned count, SendMode) override {
    int bytes = 0;
    for (unsigned i = 0; i < count; ++i) bytes += static_cast<int>(pieces[i].iov_len);
    sends_.emplace_back(id, bytes);
  }
  void Poll(core::Nanos, Sleeper* sleeper) override {
    sleeper->OnAwake();
    for (const auto& [id, bytes] : sends_) events->OnSend(id, bytes);
    sends_.clear();
    for (const ConnId id : std::exchange(releasing_, {})) events->OnReleased(id);
  }
  void Close(ConnId id) override { releasing_.push_back(id); }
  void Abort(ConnId id) override { releasing_.push_back(id); }

  std::string Describe() const override { return "takes all"; }
  int Watch(int, uint32_t, Watcher*) override { return 0; }
  void Unwatch(int) override {}
  void Wake() override {}
  void Listen(ListenerId, int, int, bool) override {}
  void SetAcceptMode(ListenerId, AcceptMode) override {}
  void RefuseNew(ListenerId) override {}
  void StopAccept(ListenerId, bool) override {}
  void Connect(ConnId, const Address&, const Address&) override {}
  void SetReading(ConnId, bool) override {}
  void Consumed(ConnId, uint32_t) override {}
  void ShutdownSend(ConnId) override {}
  void AskPeer(ConnId) override {}
  void AskOutQueue(ConnId) override {}
  bool ReadToEnd() const override { return true; }
  void Count(absl::FunctionRef<void(std::string_view, uint64_t)>) const override {}

 private:
  std::vector<std::pair<ConnId, int>> sends_;
  std::vector<ConnId> releasing_;
};

// A shard, and connections on it.
class Members final : private Handler {
 public:
  explicit Members(int64_t connections) {
    transport_.events = engine_.events();
    shard.SetPort(&transport_);
    engine_.SetTransport(&transport_);
    const ListenerId listener = engine_.AddListener("members", this, {});
    for (int64_t i = 0; i < connections; ++i) {
      engine_.events()->OnOpen(engine_.events()->OnAccept(listener, /*credit_taken=*/true));
    }
  }
  ~Members() override {
    engine_.CutAll();
    shard.RunTurn(0);
    shard.RunTurn(0);
  }
  Members(const Members&) = delete;

  std::vector<Connection*> open;

 private:
  void OnOpen(Connection& conn) override { open.push_back(&conn); }
  void OnData(Connection&, alloc::Lease) override {}

  core::ManualClock clock_;

 public:
  core::Shard shard{{.clock = &clock_}};

 private:
  core::Shard::Enter enter_{&shard};
  Engine engine_{&shard, {.connections_max = 200'000}};
  TakingTransport transport_;
};

// What is queued beside the bytes themselves, for each member.
void ReportMemory(benchmark::State& state, const Members& members, uint64_t bytes) {
  state.counters["queued_B/member"] = static_cast<double>(bytes) / static_cast<double>(members.open.size());
}

void BM_ConnectionSetWriteAll(benchmark::State& state) {
  Members members(state.range(0));
  ConnectionSet set;
  for (Connection* conn : members.open) set.Join(*conn);
  const std::string text(static_cast<size_t>(state.range(1)), 'x');
  const uint64_t before = members.shard.accounting().Total();
  uint64_t queued = 0;
  for (auto _ : state) {
    set.WriteAll(SharedBytes::Copy(text), SlowPolicy::kClose);
    queued = members.shard.accounting().Total() - before;
    members.shard.RunTurn(0);
  }
  ReportMemory(state, members, queued);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ConnectionSetWriteAll)->ArgsProduct({{100, 10'000, 100'000}, {256}})->Args({10'000, 4096});

// The same with a copy for each.
void BM_ConnectionWriteToAll(benchmark::State& state) {
  Members members(state.range(0));
  const std::string text(static_cast<size_t>(state.range(1)), 'x');
  const uint64_t before = members.shard.accounting().Total();
  uint64_t queued = 0;
  for (auto _ : state) {
    for (Connection* conn : members.open) conn->Write(text);
    queued = members.shard.accounting().Total() - before;
    members.shard.RunTurn(0);
  }
  ReportMemory(state, members, queued);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ConnectionWriteToAll)->ArgsProduct({{100, 10'000, 100'000}, {256}})->Args({10'000, 4096});

// One connection joins and leaves, which is in so many other sets.
void BM_ConnectionSetJoinLeave(benchmark::State& state) {
  Members members(1000);
  std::vector<std::unique_ptr<ConnectionSet>> others(static_cast<size_t>(state.range(0)));
  for (auto& each : others) {
    each = std::make_unique<ConnectionSet>();
    each->Join(*members.open[500]);
  }
  ConnectionSet set;
  for (Connection* conn : members.open) {
    if (conn != members.open[500]) set.Join(*conn);
  }
  for (auto _ : state) {
    set.Join(*members.open[500]);
    set.Leave(*members.open[500]);
  }
}
BENCHMARK(BM_ConnectionSetJoinLeave)->Arg(0)->Arg(10)->Arg(100);

void BM_ConnectionSetForEach(benchmark::State& state) {
  Members members(state.range(0));
  ConnectionSet set;
  for (Connection* conn : members.open) set.Join(*conn);
  for (auto _ : state) {
    uint64_t queued = 0;
    set.ForEach([&](Connection& conn) { queued += conn.queued_bytes(); });
    benchmark::DoNotOptimize(queued);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ConnectionSetForEach)->Arg(10'000);

}  // namespace
}  // namespace mooring::net
