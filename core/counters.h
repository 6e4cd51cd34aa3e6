// SPDX-License-Identifier: Apache-2.0
// CounterSet: counters that one thread writes and any thread reads.
//
// A relaxed load and a relaxed store are plain machine instructions, so counting costs what a local variable costs; a
// locked add would cost about twenty cycles. The price is the single writer.
//
// False sharing: the readers of a counter slow its writer down only while they read, but two writers on one 64-byte
// line slow each other down all the time. So a CounterSet begins on its own line and fills whole ones; a lone Counter
// or Gauge shares its line with its neighbours and belongs next to other fields of the same thread.
//
// Threads:  Add, Set and what changes a Shown: one thread for life (or handed over with synchronisation). Reading: any.
// Ordering: relaxed. Two counters read together may be from different moments: never derive a decision from both.
#ifndef MOORING_CORE_COUNTERS_H_
#define MOORING_CORE_COUNTERS_H_

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>

namespace mooring::core {

// Only rises; wraps at 2^64.
class Counter {
 public:
  void Add(uint64_t n = 1) { value_.store(Read() + n, std::memory_order_relaxed); }
  uint64_t Read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Rises and falls.
class Gauge {
 public:
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(int64_t n) { Set(Read() + n); }
  int64_t Read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// An integer that its thread works with and others may look at. Counting with it costs an instruction more than without.
template <class T>
class Shown {
 public:
  operator T() const { return value_.load(std::memory_order_relaxed); }  // NOLINT: it is one
  Shown& operator+=(T n) { return Set(static_cast<T>(*this + n)); }
  Shown& operator-=(T n) { return Set(static_cast<T>(*this - n)); }
  Shown& operator++() { return *this += 1; }
  Shown& operator--() { return *this -= 1; }

 private:
  Shown& Set(T value) {
    value_.store(value, std::memory_order_relaxed);
    return *this;
  }
  std::atomic<T> value_{0};
};

// One Counter per enumerator. REQUIRES: the enumerators are 0, 1, ... and the last is kCount.
template <class Enum>
class alignas(64) CounterSet {
 public:
  static constexpr size_t size = static_cast<size_t>(Enum::kCount);

  void Add(Enum which, uint64_t n = 1) { counters_[Index(which)].Add(n); }
  uint64_t Read(Enum which) const { return counters_[Index(which)].Read(); }

 private:
  static size_t Index(Enum which) {
    assert(static_cast<size_t>(which) < size);
    return static_cast<size_t>(which);
  }

  Counter counters_[size];
};

}  // namespace mooring::core

#endif  // MOORING_CORE_COUNTERS_H_
