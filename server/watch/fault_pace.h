// SPDX-License-Identifier: Apache-2.0
// FaultPace: when a fault that is counted gets a line: at once the first time, then once in ten seconds at most, with how
// many more there have been.
//
// Threads:  one.
#ifndef MOORING_SERVER_WATCH_FAULT_PACE_H_
#define MOORING_SERVER_WATCH_FAULT_PACE_H_

#include <cstdint>

#include "core/clock.h"

namespace mooring::server::watch {

class FaultPace {
 public:
  static constexpr core::Nanos kInterval = core::Seconds(10);

  // How many to say now; 0: nothing. `total` has been counted by now; where it has fallen, who counted is gone.
  uint64_t Due(uint64_t total, core::Nanos now) {
    if (total < said_) said_ = total;
    if (total == said_ || (spoken_ && now - spoken_at_ < kInterval)) return 0;
    const uint64_t more = total - said_;
    said_ = total;
    spoken_ = true;
    spoken_at_ = now;
    return more;
  }

 private:
  uint64_t said_ = 0;
  bool spoken_ = false;
  core::Nanos spoken_at_ = 0;
};

}  // namespace mooring::server::watch

#endif  // MOORING_SERVER_WATCH_FAULT_PACE_H_
