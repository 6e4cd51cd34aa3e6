// SPDX-License-Identifier: Apache-2.0
#include "alloc/buffer_pool.h"

#include <benchmark/benchmark.h>

#include <utility>

namespace mooring::alloc {
namespace {

// What one small message costs: a block, its lease, moved once, gone.
void BM_BufferPoolLeaseCycle(benchmark::State& state) {
  Accounting accounting;
  BufferPool pool(&accounting);
  const auto bytes = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) {
    Lease received(pool.Acquire(bytes), 0, bytes);
    Lease queued = std::move(received);
    benchmark::DoNotOptimize(queued);
  }
}
BENCHMARK(BM_BufferPoolLeaseCycle)->Arg(256)->Arg(4096)->Arg(65536);

void BM_BufferPoolReceiveCycle(benchmark::State& state) {
  Accounting accounting;
  BufferPool pool(&accounting);
  for (auto _ : state) {
    Lease received(pool.AcquireReceive(), 0, 64);
    benchmark::DoNotOptimize(received);
  }
}
BENCHMARK(BM_BufferPoolReceiveCycle);

// A block that stays (most of the time a receive block goes round without the pool), split into messages.
void BM_LeaseTakeFront(benchmark::State& state) {
  Accounting accounting;
  BufferPool pool(&accounting);
  const Lease whole(pool.AcquireReceive(), 0, BufferPool::kReceiveBlockBytes);
  for (auto _ : state) {
    Lease rest = whole.Share(0, whole.size());
    while (!rest.empty()) {
      const Lease message = rest.TakeFront(64);
      benchmark::DoNotOptimize(message.data());
    }
  }
  state.SetItemsProcessed(state.iterations() * (BufferPool::kReceiveBlockBytes / 64));
}
BENCHMARK(BM_LeaseTakeFront);

}  // namespace
}  // namespace mooring::alloc
