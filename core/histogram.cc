// SPDX-License-Identifier: Apache-2.0
#include "core/histogram.h"

#include <algorithm>
#include <cmath>

namespace mooring::core {

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) {
    const uint64_t count = other.buckets_[i].load(std::memory_order_relaxed);
    if (count != 0) Add(&buckets_[i], count);
  }
  AddToSum(other.sum_low_.load(std::memory_order_relaxed), other.sum_high_.load(std::memory_order_relaxed));
  Include(other.min_.load(std::memory_order_relaxed), other.max_.load(std::memory_order_relaxed));
}

void Histogram::Clear() {
  for (auto& bucket : buckets_) bucket.store(0, std::memory_order_relaxed);
  sum_low_.store(0, std::memory_order_relaxed);
  sum_high_.store(0, std::memory_order_relaxed);
  min_.store(std::numeric_limits<uint64_t>::max(), std::memory_order_relaxed);
  max_.store(0, std::memory_order_relaxed);
}

uint64_t Histogram::Count() const {
  uint64_t count = 0;
  for (const auto& bucket : buckets_) count += bucket.load(std::memory_order_relaxed);
  return count;
}

uint64_t Histogram::Min() const {
  const uint64_t min = min_.load(std::memory_order_relaxed);
  return min <= Max() ? min : 0;  // above it only while nothing was recorded
}

uint64_t Histogram::Max() const { return max_.load(std::memory_order_relaxed); }

double Histogram::Mean() const {
  const uint64_t count = Count();
  if (count == 0) return 0;
  return Sum() / static_cast<double>(count);
}

double Histogram::Sum() const {
  return std::ldexp(static_cast<double>(sum_high_.load(std::memory_order_relaxed)), 64) +
         static_cast<double>(sum_low_.load(std::memory_order_relaxed));
}

uint64_t Histogram::Percentile(double percentile) const {
  const uint64_t count = Count();
  if (count == 0) return 0;
  if (!(percentile > 0)) return Min();
  if (percentile >= 100) return Max();
  // The smallest rank, from 1, that covers the percentage.
  const double share = std::ceil(percentile * static_cast<double>(count) / 100);
  const uint64_t rank = share < 1 ? 1 : static_cast<uint64_t>(share);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i].load(std::memory_order_relaxed);
    if (seen >= rank) return std::max(Min(), std::min(HighestIn(i), Max()));
  }
  return Max();
}

}  // namespace mooring::core
