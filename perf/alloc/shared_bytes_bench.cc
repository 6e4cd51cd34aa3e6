// SPDX-License-Identifier: Apache-2.0
#include "alloc/shared_bytes.h"

#include <benchmark/benchmark.h>

#include <cstring>
#include <string>

#include "alloc/buffer_pool.h"

namespace mooring::alloc {
namespace {

// A body made and gone: the one copy it ever has.
void BM_SharedBytesCopy(benchmark::State& state) {
  const std::string text(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    const SharedBytes body = SharedBytes::Copy(text);
    benchmark::DoNotOptimize(body.view().data());
  }
}
BENCHMARK(BM_SharedBytesCopy)->Arg(256)->Arg(4096)->Arg(65536);

// A hold taken and let go, by one thread and by two at once: what the count's cache line costs.
void BM_SharedBytesHold(benchmark::State& state) {
  static const SharedBytes body = SharedBytes::Copy("body");
  for (auto _ : state) {
    const SharedBytes hold = body;
    benchmark::DoNotOptimize(hold.size());
  }
}
BENCHMARK(BM_SharedBytesHold)->Threads(1)->Threads(2)->UseRealTime();

// What one more connection of a shard costs: a lease on the block that is there already.
void BM_BufferPoolShare(benchmark::State& state) {
  Accounting accounting;
  BufferPool pool(&accounting);
  const SharedBytes body = SharedBytes::Copy(std::string(static_cast<size_t>(state.range(0)), 'x'));
  const Lease first = pool.Share(body);
  for (auto _ : state) {
    const Lease lease = pool.Share(body);
    benchmark::DoNotOptimize(lease.data());
  }
}
BENCHMARK(BM_BufferPoolShare)->Arg(256)->Arg(4096);

// The first of a shard: a descriptor, and a hold on the body.
void BM_BufferPoolShareFirst(benchmark::State& state) {
  Accounting accounting;
  BufferPool pool(&accounting);
  const SharedBytes body = SharedBytes::Copy("body");
  for (auto _ : state) {
    const Lease lease = pool.Share(body);
    benchmark::DoNotOptimize(lease.data());
  }
}
BENCHMARK(BM_BufferPoolShareFirst);

// Instead of sharing: a block of its own, and its bytes.
void BM_BufferPoolCopy(benchmark::State& state) {
  Accounting accounting;
  BufferPool pool(&accounting);
  const auto bytes = static_cast<uint32_t>(state.range(0));
  const std::string text(bytes, 'x');
  for (auto _ : state) {
    Lease lease(pool.Acquire(bytes), 0, bytes);
    std::memcpy(lease.data(), text.data(), bytes);
    benchmark::DoNotOptimize(lease.data());
  }
}
BENCHMARK(BM_BufferPoolCopy)->Arg(256)->Arg(4096);

}  // namespace
}  // namespace mooring::alloc
