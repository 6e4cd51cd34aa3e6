// SPDX-License-Identifier: Apache-2.0
// Invariants: what holds in a server between any two steps, whatever it is doing.
//
//   engine     each connection that waits has somebody who goes on with it (Engine::Validate)
//   slots      each operation in flight in a ring names a connection that lives, and no more than it counts
//   receiving  each connection that is to be read has a receive armed, or waits for a block in line
//   bounds     connections never exceed slots or credit; queues, parked leases and retained blocks their caps
//
// Threads:  one.
// Owns:     nothing.
#ifndef MOORING_TESTS_NET_INVARIANTS_H_
#define MOORING_TESTS_NET_INVARIANTS_H_

#include <cstdint>
#include <vector>

#include "tests/net/findings.h"
#include "tests/net/sim_server.h"

namespace mooring::net {

class Invariants {
 public:
  struct Bounds {
    uint32_t slots = 0;       // of a shard
    int64_t credit = 0;       // 0: none
    uint32_t outbound = 0;    // they take no credit
    std::vector<uint64_t> queue_bytes;  // of a connection, by its listener
  };
  Invariants(SimServer* server, TransportKind kind, const Bounds& bounds, Findings* findings);

  // After a step of `shard`; -1: of the network, in which nothing of the server moves.
  void Check(int shard);
  // Everything, also what costs more.
  void CheckAll();

 private:
  void CheckEngine(size_t shard);
  void CheckBounds(size_t shard);
  void CheckUring(size_t shard);

  SimServer* const server_;
  const TransportKind kind_;
  const Bounds bounds_;
  Findings* const findings_;
  std::vector<uint32_t> in_flight_;  // by slot: of the ring that is looked at
  uint64_t checks_ = 0;
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_INVARIANTS_H_
