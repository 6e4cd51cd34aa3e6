// SPDX-License-Identifier: Apache-2.0
// Limits: the process's descriptor limit and descriptor table, put right once before any thread starts.
//
// Threads:  the main thread, before others exist.
#ifndef MOORING_CORE_LIMITS_H_
#define MOORING_CORE_LIMITS_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace mooring::core {

struct DescriptorLimit {
  uint64_t soft;
  uint64_t hard;
};

// Raises the soft RLIMIT_NOFILE to the hard one and returns what holds now. A limit that cannot be raised (a hard one
// above fs.nr_open, a seccomp filter) is no reason not to start: the old one is returned. Fails only when it cannot be
// read.
absl::StatusOr<DescriptorLimit> RaiseDescriptorLimit();

// Makes the kernel's descriptor table large enough for `descriptors`, or for the soft limit if that is less. Every
// doubling waits for an RCU grace period in a process with threads (fs/file.c, expand_fdtable): 5 to 40 ms in which the
// shard that opened the descriptor stands still. Ask for what the plan needs, never for the raw limit: that may be 2^30
// in a container, and the table takes 8 bytes for each. Does nothing when descriptor 0 is closed.
void GrowDescriptorTable(uint64_t descriptors);

}  // namespace mooring::core

#endif  // MOORING_CORE_LIMITS_H_
