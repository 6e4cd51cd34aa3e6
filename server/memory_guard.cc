// SPDX-License-Identifier: Apache-2.0
#include "server/memory_guard.h"

namespace mooring::server {

int MemoryGuard::Look(uint64_t resident_bytes) {
  near_ = resident_bytes >= Percent(kWatchFromPercent);
  const auto at_least = [&](int step, uint64_t percent) {
    return resident_bytes >= Percent(step_ >= step ? percent - kLeaveBelowPercent : percent);
  };
  step_ = at_least(2, kShedAtPercent) ? 2 : at_least(1, kRefuseAtPercent) ? 1 : 0;
  return step_;
}

}  // namespace mooring::server
