// SPDX-License-Identifier: Apache-2.0
// Plan: how many connections this process can hold and which limit says so, printed at start.
//
// Direct descriptors are counted per ring and not per process, so shards multiply what RLIMIT_NOFILE allows. The
// kernel's table of them is allocated whole, so with a cap a shard gets no more than twice its share.
//
// Threads:  any; a pure function.
#ifndef MOORING_CORE_PLAN_H_
#define MOORING_CORE_PLAN_H_

#include <cstdint>
#include <string>

namespace mooring::core {

inline constexpr uint32_t kDirectSlotsMax = 1u << 20;  // IORING_MAX_FIXED_FILES, io_uring/rsrc.c
inline constexpr uint32_t kDirectSlotsSpare = 1024;    // on top of twice the share: small caps, outbound, half-closes

struct PlanInput {
  int shards;
  uint64_t descriptors_soft;
  uint64_t max_connections;  // 0 = no cap
};

struct Plan {
  uint32_t direct_slots_per_shard;
  uint64_t connections_possible;
  std::string binding_limit;  // "RLIMIT_NOFILE 20000 per shard", "--max-connections 5000", "2^20 slots a ring"
  int shards;

  // Two lines, the second indented, no newline at the end.
  std::string ToString() const;
};

// REQUIRES: input.shards > 0.
Plan MakePlan(const PlanInput& input);

}  // namespace mooring::core

#endif  // MOORING_CORE_PLAN_H_
