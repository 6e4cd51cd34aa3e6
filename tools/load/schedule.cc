// SPDX-License-Identifier: Apache-2.0
#include "tools/load/schedule.h"

#include <algorithm>
#include <cmath>

namespace mooring::tools::load {

// 64 bits of mantissa: exact to the nanosecond for centuries.
core::Nanos Schedule::TimeOf(uint64_t k) const {
  const long double after = (static_cast<long double>(k) + options_.offset) * core::kNanosPerSecond / options_.rate;
  const core::Nanos time = options_.start + static_cast<core::Nanos>(std::ceil(after));
  return (time + options_.grain - 1) / options_.grain * options_.grain;
}

uint64_t Schedule::DueBy(core::Nanos now) const {
  now = std::min(now, options_.until - 1);
  if (now < options_.start) return 0;
  const core::Nanos slot = now / options_.grain * options_.grain;
  const long double passed = static_cast<long double>(slot - options_.start) * options_.rate / core::kNanosPerSecond;
  auto due = static_cast<uint64_t>(std::max(0.0L, passed - options_.offset));
  while (due > 0 && TimeOf(due - 1) > now) --due;
  while (TimeOf(due) <= now) ++due;
  return due;
}

}  // namespace mooring::tools::load
