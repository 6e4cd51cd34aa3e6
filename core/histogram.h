// SPDX-License-Identifier: Apache-2.0
// Histogram: a mergeable log-linear histogram of uint64 values, accurate to 1/64 at any size.
//
// Each power of two is cut into 64 equal buckets (as in HdrHistogram), so latencies from nanoseconds to hours fit into
// one fixed table without a range to choose, and the histograms of all shards add up to exactly the histogram of all
// values.
//
// Threads:  one thread records, clears and merges into it; any thread may read or merge from it at the same time, and
//           may then miss the values being recorded.
// Owns:     its table, 30 KB; nothing is allocated.
// Limits:   Percentile() is at most 1/64 above the true value and never below it; values under 128 are exact. Min, Max,
//           Count and Mean are exact (the sum has 128 bits).
// Ordering: relaxed; a reader sees each field as of some moment, not all as of one.
#ifndef MOORING_CORE_HISTOGRAM_H_
#define MOORING_CORE_HISTOGRAM_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace mooring::core {

class Histogram {
 public:
  Histogram() = default;
  Histogram(const Histogram& other) { Merge(other); }
  Histogram& operator=(const Histogram&) = delete;

  void Record(uint64_t value) { RecordMany(value, 1); }

  // As `times` calls of Record(value), in one step.
  void RecordMany(uint64_t value, uint64_t times);

  // Adds all values of `other`, which may be recording meanwhile. REQUIRES: &other != this.
  void Merge(const Histogram& other);

  void Clear();

  // 0 when nothing was recorded, here and below.
  uint64_t Count() const;
  uint64_t Min() const;
  uint64_t Max() const;
  double Mean() const;
  double Sum() const;

  // Calls f(highest, count) for each bucket that is not empty, from the lowest on; `highest` is the largest value in it.
  template <class F>
  void ForEachBucket(F&& f) const {
    for (size_t i = 0; i < kBuckets; ++i) {
      const uint64_t count = buckets_[i].load(std::memory_order_relaxed);
      if (count != 0) f(HighestIn(i), count);
    }
  }

  // The value below or at which `percentile` percent of all values lie: 50 is the median, 0 the minimum, 100 the
  // maximum. Anything outside 0..100 counts as the nearer end.
  uint64_t Percentile(double percentile) const;

 private:
  static constexpr int kSubBits = 6;
  static constexpr uint64_t kSubBuckets = uint64_t{1} << kSubBits;
  static constexpr size_t kBuckets = kSubBuckets * (64 - kSubBits + 1);

  static size_t BucketOf(uint64_t value) {
    const int shift = static_cast<int>(std::bit_width(value | kSubBuckets)) - kSubBits - 1;
    return static_cast<size_t>(shift) * kSubBuckets + (value >> shift);
  }

  static uint64_t HighestIn(size_t bucket) {
    if (bucket < 2 * kSubBuckets) return bucket;
    const int shift = static_cast<int>(bucket / kSubBuckets) - 1;
    return ((kSubBuckets + bucket % kSubBuckets + 1) << shift) - 1;
  }

  // One writer, so a load and a store do; a locked add would cost ten times as much.
  static void Add(std::atomic<uint64_t>* to, uint64_t n) {
    to->store(to->load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  void AddToSum(uint64_t low, uint64_t high);
  void Include(uint64_t min, uint64_t max);

  std::atomic<uint64_t> min_{std::numeric_limits<uint64_t>::max()};
  std::atomic<uint64_t> max_{0};
  std::atomic<uint64_t> sum_low_{0};
  std::atomic<uint64_t> sum_high_{0};
  std::atomic<uint64_t> buckets_[kBuckets] = {};
};

inline void Histogram::AddToSum(uint64_t low, uint64_t high) {
  const uint64_t sum = sum_low_.load(std::memory_order_relaxed) + low;
  sum_low_.store(sum, std::memory_order_relaxed);
  high += sum < low ? 1 : 0;
  if (high != 0) Add(&sum_high_, high);
}

inline void Histogram::Include(uint64_t min, uint64_t max) {
  if (min < min_.load(std::memory_order_relaxed)) min_.store(min, std::memory_order_relaxed);
  if (max > max_.load(std::memory_order_relaxed)) max_.store(max, std::memory_order_relaxed);
}

inline void Histogram::RecordMany(uint64_t value, uint64_t times) {
  if (times == 0) return;
  const auto sum = static_cast<unsigned __int128>(value) * times;
  AddToSum(static_cast<uint64_t>(sum), static_cast<uint64_t>(sum >> 64));
  Include(value, value);
  Add(&buckets_[BucketOf(value)], times);
}

}  // namespace mooring::core

#endif  // MOORING_CORE_HISTOGRAM_H_
