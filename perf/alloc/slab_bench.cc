// SPDX-License-Identifier: Apache-2.0
#include "alloc/slab.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>
#include <vector>

namespace mooring::alloc {
namespace {

constexpr uint32_t kSeed = 1;

struct Connection {
  SlabHandle handle;
  char bytes[120];
};

// A slab with n live objects, in random order.
struct Filled {
  explicit Filled(int64_t n) {
    slab.LeaveLive();  // it goes with all that is in it
    for (int64_t i = 0; i < n; ++i) objects.push_back(slab.Acquire());
    std::shuffle(objects.begin(), objects.end(), std::mt19937(kSeed));
  }
  Accounting accounting;
  Slab<Connection> slab{1u << 22, Purpose::kConnections, &accounting};
  std::vector<Connection*> objects;
};

// Churn: the slot that was just left is taken again.
void BM_SlabAcquireRelease(benchmark::State& state) {
  Filled filled(state.range(0));
  for (auto _ : state) {
    Connection* object = filled.slab.Acquire();
    benchmark::DoNotOptimize(object);
    filled.slab.Release(object);
  }
}
BENCHMARK(BM_SlabAcquireRelease)->Arg(100)->Arg(100000);

// Churn among others: a random one goes, a new one comes.
void BM_SlabReleaseAcquireRandom(benchmark::State& state) {
  Filled filled(state.range(0));
  size_t next = 0;
  for (auto _ : state) {
    filled.slab.Release(filled.objects[next]);
    filled.objects[next] = filled.slab.Acquire();
    if (++next == filled.objects.size()) next = 0;
  }
}
BENCHMARK(BM_SlabReleaseAcquireRandom)->Arg(100)->Arg(100000);

void BM_SlabFind(benchmark::State& state) {
  Filled filled(state.range(0));
  std::vector<SlabHandle> handles;
  for (const Connection* object : filled.objects) handles.push_back(object->handle);
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(filled.slab.FindLow(handles[next].slot, handles[next].generation & 0xffffff));
    if (++next == handles.size()) next = 0;
  }
}
BENCHMARK(BM_SlabFind)->Arg(100)->Arg(100000);

// What a periodic Trim costs a shard whose only empty page is the last one.
void BM_SlabTrim(benchmark::State& state) {
  Accounting accounting;
  Slab<Connection> slab(1u << 22, Purpose::kConnections, &accounting);
  slab.LeaveLive();
  while (slab.live() < state.range(0)) slab.Acquire();
  for (auto _ : state) {
    Connection* object = slab.Acquire();
    slab.Release(object);
    benchmark::DoNotOptimize(slab.Trim());
  }
}
BENCHMARK(BM_SlabTrim)->Arg(100000)->Arg(1000000);

}  // namespace
}  // namespace mooring::alloc
