// SPDX-License-Identifier: Apache-2.0
// Clock: where a shard reads the time, so that tests and the simulation can own it.
//
// A shard reads its clock once a turn, after the wait. Wall time is for the Date header and for logs, and never comes
// from here.
//
// Threads:  MonotonicClock any; ManualClock one.
#ifndef MOORING_CORE_CLOCK_H_
#define MOORING_CORE_CLOCK_H_

#include <time.h>

#include <cassert>
#include <cstdint>

namespace mooring::core {

using Nanos = int64_t;  // CLOCK_MONOTONIC nanoseconds

inline constexpr Nanos kNanosPerMs = 1'000'000;
inline constexpr Nanos kNanosPerSecond = 1'000'000'000;

constexpr Nanos Millis(int64_t ms) { return ms * kNanosPerMs; }
constexpr Nanos Seconds(int64_t s) { return s * kNanosPerSecond; }

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Nanos Now() = 0;
};

class MonotonicClock final : public Clock {
 public:
  Nanos Now() override {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);  // cannot fail for this clock (clock_gettime(2), ERRORS)
    return now.tv_sec * kNanosPerSecond + now.tv_nsec;
  }
};

// Stands still until told to move.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Nanos now = 0) : now_(now) {}

  Nanos Now() override { return now_; }

  // REQUIRES: by >= 0; the clock is monotonic.
  void Advance(Nanos by) {
    assert(by >= 0);
    now_ += by;
  }

  // REQUIRES: now >= Now().
  void Set(Nanos now) {
    assert(now >= now_);
    now_ = now;
  }

 private:
  Nanos now_;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_CLOCK_H_
