// SPDX-License-Identifier: Apache-2.0
// StallsOf: the longest recent turns of all shards, and those that still go on: what /debug/stalls shows.
//
// Threads:  the control shard; reads atomics of others, so it answers when a shard hangs.
// Limits:   core::TurnTimes::kLongest of each shard.
#ifndef MOORING_SERVER_WATCH_STALLS_H_
#define MOORING_SERVER_WATCH_STALLS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.h"
#include "server/control.h"

namespace mooring::server::watch {

struct Stall {
  uint32_t shard = 0;
  int64_t began_wall_ms = 0;  // since 1970
  core::Nanos took = 0;       // so far, of one that goes on
  bool goes_on = false;       // ... since a millisecond at least
  std::string ran;            // listeners and "mail", "timers" and so on, as core::TurnTimes names them; may be empty
};

// The longest first. `now` by the shards' clock, `wall_ms` at the same moment.
std::vector<Stall> StallsOf(const Control& control, core::Nanos now, int64_t wall_ms);
std::vector<Stall> StallsOf(const Control& control);  // now, by the machine's clocks

// "http", "mail", ...: what TurnTimes::Running::work is.
std::string WorkName(const Control& control, uint32_t work);

}  // namespace mooring::server::watch

#endif  // MOORING_SERVER_WATCH_STALLS_H_
