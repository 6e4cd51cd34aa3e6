// SPDX-License-Identifier: Apache-2.0
// Every: ticks at a fixed rate.
//
//   Every tick(Millis(100));
//   while (co_await tick.Next()) Refresh();  // ends when the task is cancelled
//
// Tick n is due n intervals after the start, on the shard's clock, however long the work between them takes; what is
// late by less than an interval does not move the next. Ticks that came while nobody waited are skipped, not made up
// for in a burst.
//
// Threads:  one shard, inside its turn.
// Owns:     nothing.
// Limits:   the wheel's millisecond: a tick comes up to 1 ms late, and a shorter interval is one of 1 ms.
#ifndef MOORING_CORE_EVERY_H_
#define MOORING_CORE_EVERY_H_

#include <algorithm>
#include <limits>

#include "core/clock.h"
#include "core/shard.h"
#include "core/sleep.h"

namespace mooring::core {

class Every {
 public:
  // The first tick is due one interval from now.
  explicit Every(Nanos interval)
      : interval_(std::clamp(interval, kNanosPerMs, std::numeric_limits<Nanos>::max() / 4)),
        last_(Shard::Current()->now()) {}

  class [[nodiscard]] TickAwaiter : public Sleep {
   public:
    using Sleep::Sleep;
    bool await_resume() noexcept { return Sleep::await_resume() == Woken::kTimer; }
  };
  // co_await: true when the next tick is due; false when the task is cancelled.
  TickAwaiter Next() {
    const Nanos now = Shard::Current()->now();
    last_ += (1 + std::max<Nanos>(now - last_, 0) / interval_) * interval_;  // the first that is still to come
    return TickAwaiter(last_ - now);
  }

 private:
  const Nanos interval_;
  Nanos last_;  // when the tick is or was due that was asked for last
};

}  // namespace mooring::core

#endif  // MOORING_CORE_EVERY_H_
