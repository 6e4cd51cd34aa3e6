// SPDX-License-Identifier: Apache-2.0
// RingFeatures: what the running kernel's io_uring offers, found out once and branched on by name.
//
// Each member that has a fallback in the tree can be forced off, so that the fallback is tested on every kernel.
#ifndef MOORING_CORE_RING_FEATURES_H_
#define MOORING_CORE_RING_FEATURES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace mooring::core {

struct RingFeatures {
  bool modern = false;           // 6.14: direct descriptors, bounded multishot receive. Fallback: plain, one-shot
  bool no_iowait = false;        // 6.15: a sleeping ring does not show as iowait. Fallback: it does
  bool registered_ring = false;  // 5.18: enter by a registered index. Fallback: by descriptor
  bool fd_install = false;       // 6.8: half-close by FIXED_FD_INSTALL. Fallback: the SHUTDOWN operation
  bool idle_poll = false;        // with modern: silent connections wait with a poll. Fallback: with their receive

  std::string ToString() const;  // "modern no_iowait registered_ring fd_install idle_poll"
};

// Takes from `found` what `off`, a comma-separated list of member names, says. An unknown name is InvalidArgument and
// lists the known ones. Without "modern" there is neither "fd_install" nor "idle_poll".
absl::Status ForceOff(const std::string& off, RingFeatures* found);

// Why setting up a ring failed with `error` (an errno), and what to type. `disabled` is the value of
// kernel.io_uring_disabled, or -1 where the kernel has no such sysctl; `memlock` is the soft RLIMIT_MEMLOCK in bytes.
absl::Status ExplainRingSetup(int error, int disabled, uint64_t memlock);

// The same, with the two values read from this machine.
absl::Status ExplainRingSetup(int error);

}  // namespace mooring::core

#endif  // MOORING_CORE_RING_FEATURES_H_
