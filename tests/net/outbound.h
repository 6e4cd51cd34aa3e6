// SPDX-License-Identifier: Apache-2.0
// Outbound: connections that the server opens: to a peer that answers, to one that is slow to, to nobody.
//
// The books are the Dialer's and the test's own: each connect opens or fails, and each is closed once.
//
// Threads:  one.
// Owns:     its dialers and the peers' listener. Outlives the server's last turn.
#ifndef MOORING_TESTS_NET_OUTBOUND_H_
#define MOORING_TESTS_NET_OUTBOUND_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "core/task.h"
#include "net/dialer.h"
#include "tests/net/dice.h"
#include "tests/net/findings.h"
#include "tests/net/sim_server.h"

namespace mooring::net {

class Outbound {
 public:
  Outbound(SimServer* server, const ServiceOptions& options, Findings* findings);

  // One connect of one shard, to the listener or to where nobody listens: by a Dialer, or by a task that owns what it
  // gets.
  void Dial(Dice& dice);
  // Who has been accepted on the peers' side since the last call.
  std::vector<sim::SimPeer*> TakeAccepted();
  // Everybody is gone.
  void CheckBooks();

  uint32_t dialled() const { return dialled_; }    // connections begun; of the tasks, those that are over
  uint32_t begun() const { return dialled_ + calling_; }
  uint32_t owned() const { return owned_; }
  ListenerId profile() const { return profile_; }

 private:
  // Passes what happens on to the dialer of its shard, which is the one that is right at that time.
  struct Caller;
  static core::Task<> Call(Outbound* self, bool good, core::Nanos patience);

  struct OfShard {
    std::unique_ptr<Dialer> good;
    std::unique_ptr<Dialer> bad;  // to nobody
  };

  SimServer* const server_;
  Findings* const findings_;
  ListenerId profile_ = 0;
  ListenerId profile_bad_ = 0;
  int listener_ = -1;
  std::vector<OfShard> shards_;
  const ServiceOptions options_;
  uint32_t calling_ = 0;  // tasks under way
  uint32_t owned_ = 0;    // connections that tasks have owned
  uint32_t owned_failed_ = 0;
  uint32_t dialled_ = 0;
  uint32_t opened_ = 0;
  uint32_t closed_ = 0;
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_OUTBOUND_H_
