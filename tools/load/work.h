// SPDX-License-Identifier: Apache-2.0
// Work: what open connections are to do next, said to all shards alike.
#ifndef MOORING_TOOLS_LOAD_WORK_H_
#define MOORING_TOOLS_LOAD_WORK_H_

#include <cstdint>
#include <limits>

#include "core/clock.h"

namespace mooring::tools::load {

struct Work {
  enum class Kind : uint8_t {
    kUntil,     // closed loop: `depth` messages in flight on each until `until`
    kCount,     // `messages` exchanges on each
    kTogether,  // one message on each, all at `from`
    kPaced,     // open loop: `rate` messages a second, each at its time, from `start` until `until`
  };
  Kind kind = Kind::kUntil;
  // CLOCK_MONOTONIC. What is measured lies in it: answers, with kPaced the times at which messages were to go out. With
  // kTogether latency counts from `from` on.
  core::Nanos from = 0;
  core::Nanos until = std::numeric_limits<core::Nanos>::max();
  uint32_t active = 0;    // so many connections of all shards together, spread evenly; 0: all
  double rate = 0;        // of all shards together
  core::Nanos start = 0;
  uint32_t messages = 1;
  uint32_t ahead = 0;     // so many connections of each shard at it at once; 0: all
};

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_WORK_H_
