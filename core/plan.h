// SPDX-License-Identifier: Apache-2.0
// Plan: how many connections this process can hold and which limit says so, printed at start.
//
// Direct descriptors (the io_uring transport) are counted per ring and not per process, so shards multiply what
// RLIMIT_NOFILE allows. The kernel's table of them is allocated whole, so with a cap a shard gets no more than twice its
// share. On the other transports each connection takes one of the process's descriptors, all shards together, and any
// shard may hold them all.
//
// Threads:  any; a pure function.
#ifndef MOORING_CORE_PLAN_H_
#define MOORING_CORE_PLAN_H_

#include <cstdint>
#include <string>

namespace mooring::core {

inline constexpr uint32_t kDirectSlotsMax = 1u << 20;    // IORING_MAX_FIXED_FILES, io_uring/rsrc.c
inline constexpr uint32_t kDirectSlotsSpare = 1024;      // on top of twice the share: small caps, outbound, half-closes
inline constexpr uint32_t kDescriptorsReserved = 256;    // of the process: what is open besides connections
inline constexpr uint32_t kDescriptorsPerShard = 4;      // of those: ring or epoll, eventfd, and two in passing

struct PlanInput {
  int shards;
  uint64_t descriptors_soft;
  uint64_t max_connections;  // 0 = no cap
  // The transport whose connections take one of the process's descriptors each, by its name; empty: they take none.
  std::string descriptor_taker = {};
  int listeners = 0;         // on each shard; a descriptor each
};

struct Plan {
  uint32_t slots_per_shard;       // room for connections on one shard
  uint64_t connections_possible;  // on all together
  uint64_t credit;                // what all together may take in (net::Credit); 0: the shards' slots are bound enough
  uint64_t descriptors;           // for GrowDescriptorTable
  std::string binding_limit;      // "RLIMIT_NOFILE 20000 per shard", "--max-connections 5000", "2^20 slots a ring"
  std::string slots;              // what becomes of them: "6024 direct slots per shard"
  int shards;

  // Two lines, the second indented, no newline at the end.
  std::string ToString() const;
};

// REQUIRES: input.shards > 0.
Plan MakePlan(const PlanInput& input);

}  // namespace mooring::core

#endif  // MOORING_CORE_PLAN_H_
