// SPDX-License-Identifier: Apache-2.0
// A turn in which one message goes to all members, over a transport that takes everything and costs nothing: what engine,
// queues and sets cost, without the kernel's part (which is the same for both ways of writing, and larger).
#include "net/connection_set.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "alloc/shared_bytes.h"
#include "perf/net/members.h"

namespace mooring::net {
namespace {

using alloc::SharedBytes;

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
