// SPDX-License-Identifier: Apache-2.0
// MemoryGuard: how near the process is to its memory ceiling, in the two steps that shards act on.
//
//   below 95 %  0: all is well
//   95 %        1: new connections are accepted and reset
//   98 %        2: idle ones are closed as well
//
// A step is left two per cent below where it was reached, so that it does not flap. 95 and 98 are Envoy's overload
// manager's in its guide for the edge of a network.
//
// Threads:  one.
#ifndef MOORING_SERVER_MEMORY_GUARD_H_
#define MOORING_SERVER_MEMORY_GUARD_H_

#include <cstdint>

namespace mooring::server {

class MemoryGuard {
 public:
  static constexpr uint64_t kRefuseAtPercent = 95;
  static constexpr uint64_t kShedAtPercent = 98;
  static constexpr uint64_t kLeaveBelowPercent = 2;
  static constexpr uint64_t kWatchFromPercent = 80;

  explicit MemoryGuard(uint64_t ceiling_bytes) : ceiling_bytes_(ceiling_bytes) {}

  // The step for so many bytes of resident memory.
  int Look(uint64_t resident_bytes);
  int step() const { return step_; }
  uint64_t ceiling_bytes() const { return ceiling_bytes_; }
  // So near that one look a second is too few.
  bool near() const { return near_; }

 private:
  uint64_t Percent(uint64_t percent) const { return ceiling_bytes_ / 100 * percent; }

  const uint64_t ceiling_bytes_;
  int step_ = 0;
  bool near_ = false;
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_MEMORY_GUARD_H_
