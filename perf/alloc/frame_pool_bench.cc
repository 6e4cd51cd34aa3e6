// SPDX-License-Identifier: Apache-2.0
#include "alloc/frame_pool.h"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <vector>

namespace mooring::alloc {
namespace {

constexpr int kHeld = 10000;

void BM_FramePoolAcquireRelease(benchmark::State& state) {
  Accounting accounting;
  FramePool pool(&accounting);
  const auto bytes = static_cast<size_t>(state.range(0));
  std::vector<void*> held;
  for (int i = 0; i < kHeld; ++i) held.push_back(pool.Acquire(bytes));
  for (auto _ : state) {
    void* frame = pool.Acquire(bytes);
    benchmark::DoNotOptimize(frame);
    pool.Release(frame, bytes);
  }
  for (void* frame : held) pool.Release(frame, bytes);
}
BENCHMARK(BM_FramePoolAcquireRelease)->Arg(48)->Arg(200)->Arg(4096)->Arg(8192);

// The heap that the pool replaces, for comparison.
void BM_HeapAcquireRelease(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  std::vector<void*> held;
  for (int i = 0; i < kHeld; ++i) held.push_back(std::malloc(bytes));
  for (auto _ : state) {
    void* frame = std::malloc(bytes);
    benchmark::DoNotOptimize(frame);
    std::free(frame);
  }
  for (void* frame : held) std::free(frame);
}
BENCHMARK(BM_HeapAcquireRelease)->Arg(48)->Arg(200)->Arg(4096);

}  // namespace
}  // namespace mooring::alloc
