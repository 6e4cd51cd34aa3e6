// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <atomic>

#include "core/counters.h"

namespace mooring::core {
namespace {

enum class Cause { kEof, kReset, kCount };

void BM_CounterSetAdd(benchmark::State& state) {
  CounterSet<Cause> counters;
  benchmark::DoNotOptimize(&counters);  // it escapes, so every store counts
  for (auto _ : state) {
    counters.Add(Cause::kReset);
    benchmark::ClobberMemory();
  }
  benchmark::DoNotOptimize(counters.Read(Cause::kReset));
}
BENCHMARK(BM_CounterSetAdd);

void BM_AtomicFetchAdd(benchmark::State& state) {  // what a counter with many writers would cost
  std::atomic<uint64_t> counter{0};
  for (auto _ : state) {
    counter.fetch_add(1, std::memory_order_relaxed);
    benchmark::ClobberMemory();
  }
  benchmark::DoNotOptimize(counter.load());
}
BENCHMARK(BM_AtomicFetchAdd);

}  // namespace
}  // namespace mooring::core
