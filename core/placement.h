// SPDX-License-Identifier: Apache-2.0
// Placement: which shard runs on which CPU.
//
// Shards are dealt out to the CPUs in turn, so neighbouring shard numbers sit on different CPUs and no CPU has two more
// than another.
//
// Threads:  any; a pure function.
// Limits:   1,023 shards, because a ConnectionId has 10 bits for the shard and the control shard takes one value.
#ifndef MOORING_CORE_PLACEMENT_H_
#define MOORING_CORE_PLACEMENT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace mooring::core {

inline constexpr int kShardsMax = 1023;

struct PlacementOptions {
  std::string cpus;  // as in "0-3,8"; "" = all allowed
  int shards = 0;    // 0 = one per CPU
  double quota = 0;  // CPU seconds a second that the process may use (core/cgroup.h); 0: it has no quota
};

struct Placement {
  std::vector<int> cpu_of_shard;
  std::vector<std::string> notes;  // to be said aloud at start; empty when all is as one would expect
};

// `allowed` is what AllowedCpus() returns. Fails when a CPU asked for is not allowed (the message names both), or the
// number of shards is impossible.
absl::StatusOr<Placement> Place(const PlacementOptions& options, const std::vector<int>& allowed);

}  // namespace mooring::core

#endif  // MOORING_CORE_PLACEMENT_H_
