// SPDX-License-Identifier: Apache-2.0
// TrialPlan: what a seed has chosen for its trial, all that is decided before the first step.
//
// Threads:  one.
#ifndef MOORING_TESTS_NET_TRIAL_PLAN_H_
#define MOORING_TESTS_NET_TRIAL_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/engine.h"
#include "net/transport.h"
#include "tests/net/dice.h"
#include "tests/sim/sim_ring.h"
#include "tests/net/trial_services.h"

namespace mooring::net {

struct TrialPlan {
  static constexpr uint64_t kPeersMax = 20;
  static constexpr uint64_t kStepsMax = 2000;

  enum class End : uint8_t {
    kFinish,   // every peer says its last word, and is answered
    kDrain,    // BeginDrain at some step, everybody is answered
    kCut,      // BeginDrain, and CutAll before everybody is
    kDestroy,  // the process gives up in mid-air
  };
  struct Service {
    TrialService service;
    ServiceOptions options;
    bool at_path = false;  // of a Unix socket, which all shards share
  };

  TransportKind transport = TransportKind::kUring;
  sim::KernelAge age = sim::KernelAge::k6_18;
  uint32_t shards = 1;
  std::vector<Service> services;
  uint64_t peers = 1;
  uint64_t steps = 100;

  // Bounds of the server.
  uint32_t slots = 512;
  uint32_t slab = 0;    // 0: enough
  int64_t credit = 0;   // 0: none
  int64_t listener_credit = 0;   // of each listener; 0: none
  uint32_t accept_rate = 0;      // 0: none
  uint64_t block_bytes = 0;      // of each shard; 0: none. Little: who needs more ends
  int backlog = 16;
  unsigned sq_entries = 1024;
  unsigned cq_entries = 8192;
  uint32_t mailbox = 1024;
  uint32_t receive_blocks = 8192;
  uint32_t frames = 0;  // 0: enough

  // What happens in it.
  bool flood = false;     // some peers flood, some talk; one shard, so that who waits for whom is known
  bool storms = false;    // of mail
  bool closes_slow = false;  // members whose peer is slow to take what they are told
  bool outbound = false;
  bool jumps = false;     // of the clock
  bool vanishing = false;
  bool crumbs = false;    // few bytes a receive, many blocks
  bool faults = false;    // sim::FaultPlan
  bool aborts = false;    // by the server, of connections that have something to send
  bool hoards = false;    // somebody else takes all receive blocks of a shard for a while
  bool changes = false;   // of listeners, to another handler of the same service
  bool notices = false;   // some connections are told to go while the server goes on
  End end = End::kFinish;
  bool retires = false;   // not the server drains, but each of its listeners by itself
  int64_t spread_ms = 0;  // of a drain's notices
  int64_t cut_after_ms = 0;

  static TrialPlan Draw(Dice& dice, std::optional<TransportKind> transport);

  bool has(TrialService service) const;
  // Peers may have to wait until others have gone.
  bool tight() const;
  std::string ToString() const;
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_TRIAL_PLAN_H_
