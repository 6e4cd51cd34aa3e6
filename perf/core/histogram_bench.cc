// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "core/histogram.h"

namespace mooring::core {
namespace {

void BM_HistogramRecord(benchmark::State& state) {
  std::mt19937_64 random(7);
  std::vector<uint64_t> values(4096);
  for (uint64_t& value : values) value = random() % 10'000'000;
  Histogram histogram;
  size_t i = 0;
  for (auto _ : state) histogram.Record(values[i++ % values.size()]);
  benchmark::DoNotOptimize(histogram.Max());
}
BENCHMARK(BM_HistogramRecord);

void BM_HistogramMerge(benchmark::State& state) {
  Histogram from, to;
  for (uint64_t i = 1; i < 1'000'000; i += 7) from.Record(i);
  for (auto _ : state) to.Merge(from);
  benchmark::DoNotOptimize(to.Max());
}
BENCHMARK(BM_HistogramMerge);

}  // namespace
}  // namespace mooring::core
