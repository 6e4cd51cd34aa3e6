// SPDX-License-Identifier: Apache-2.0
// What it costs to reach a connection by its id: Post and the turn that delivers it, beside bare mail and a write by
// reference.
#include "net/post.h"

#include <benchmark/benchmark.h>

#include "perf/net/members.h"

namespace mooring::net {
namespace {

// Below the mailbox's capacity; a turn delivers 256.
constexpr int kBatch = 256;

void BM_PostToConnection(benchmark::State& state) {
  Members members(kBatch);
  for (auto _ : state) {
    for (Connection* conn : members.open) Post(conn->id(), [](Connection& to) { to.Write("hello"); });
    members.shard.RunTurn(0);
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_PostToConnection);

// The connection is gone: counted, and nothing else.
void BM_PostToNobody(benchmark::State& state) {
  Members members(1);
  const ConnectionId stale = {members.open[0]->id().value + 1};
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) Post(stale, [](Connection& to) { to.Write("hello"); });
    members.shard.RunTurn(0);
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_PostToNobody);

void BM_MailThatWrites(benchmark::State& state) {
  Members members(kBatch);
  for (auto _ : state) {
    for (Connection* conn : members.open) members.shard.Post([conn] { conn->Write("hello"); });
    members.shard.RunTurn(0);
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_MailThatWrites);

void BM_WriteByReference(benchmark::State& state) {
  Members members(kBatch);
  for (auto _ : state) {
    for (Connection* conn : members.open) conn->Write("hello");
    members.shard.RunTurn(0);
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_WriteByReference);

}  // namespace
}  // namespace mooring::net
