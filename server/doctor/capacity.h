// SPDX-License-Identifier: Apache-2.0
// Capacity: how many connections this machine can hold, which limit says so first, and what N of them take.
//
// Each limit is taken by itself, as if the others were none; the least of them binds. What a connection takes are our
// own measurements of idle ones that have done an exchange (perf/results); bytes on their way come on top.
//
// Threads:  any; pure functions.
#ifndef MOORING_SERVER_DOCTOR_CAPACITY_H_
#define MOORING_SERVER_DOCTOR_CAPACITY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/doctor/demand.h"
#include "server/doctor/finding.h"
#include "server/doctor/host_facts.h"
#include "server/doctor/recommendations.h"
#include "server/doctor/transport_facts.h"

namespace mooring::server::doctor {

struct Bound {
  std::string name;  // for scripts
  std::string what;  // "RLIMIT_NOFILE 20000 per shard"
  uint64_t connections = 0;
  std::string mend = {};  // what lets the demanded number in
};

struct Capacity {
  std::vector<Bound> bounds = {};   // the least first; never empty
  uint64_t memory_bytes = 0;        // 0: not known
  uint64_t server_bytes = 0;        // user memory before the first connection
  uint64_t user_bytes = 0;          // of a connection
  uint64_t kernel_bytes = 0;        // of a connection
  std::optional<uint64_t> pages_queued = {};  // tcp_mem's second mark

  const Bound& first() const { return bounds.front(); }
  uint64_t UserBytes(uint64_t connections) const { return server_bytes + connections * user_bytes; }
  uint64_t KernelBytes(uint64_t connections) const { return connections * kernel_bytes; }
};

// REQUIRES: transport.kind is there (a server that starts).
Capacity MakeCapacity(const HostFacts& host, const TransportFacts& transport, const std::vector<Recommendation>& table,
                      const Demand& demand);

// Of the process's limit alone; none where it or the transport is not known.
std::optional<Bound> DescriptorBound(const HostFacts& host, const TransportFacts& transport,
                                     const std::vector<Recommendation>& table, const Demand& demand);

// "plan".
void JudgeCapacity(const Capacity& capacity, const Demand& demand, Findings* findings);

}  // namespace mooring::server::doctor

#endif  // MOORING_SERVER_DOCTOR_CAPACITY_H_
