// SPDX-License-Identifier: Apache-2.0
// PeerModel: a client that knows what it must get: what it has sent decides it, whatever the kernel, the network, the
// other peers and the server's bounds did meanwhile.
//
// Three degrees of certainty: exact (every byte, the FIN, no reset), prefix (what came is right, but its connection may
// have been ended early, by a fault, a deadline or itself), and nothing else: a wrong byte is wrong always.
//
// Threads:  one.
// Owns:     what it has said. The simulated peer is the kernel's.
#ifndef MOORING_TESTS_NET_PEER_MODEL_H_
#define MOORING_TESTS_NET_PEER_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <string>

#include "net/engine.h"
#include "tests/net/broadcasts.h"
#include "tests/net/dice.h"
#include "tests/net/findings.h"
#include "tests/net/trial_http.h"
#include "tests/net/trial_services.h"
#include "tests/sim/sim_peer.h"

namespace mooring::net {

class PeerModel {
 public:
  enum class Manner : uint8_t {
    kAny,      // says, stalls, breaks off as the dice say
    kFlooder,  // has always more to say, and reads all
    kTalker,   // asks, waits for the answer, asks again
  };
  struct Setting {
    TrialService service = TrialService::kEcho;
    ServiceOptions options = {};
    Manner manner = Manner::kAny;
    size_t budget = 0;       // bytes that it may send
    bool may_break = true;   // close, reset
    bool may_vanish = false;
    bool may_exceed = true;  // a line that is too long
    const Broadcasts* broadcasts = nullptr;  // what a member hears
  };

  PeerModel(sim::SimPeer* peer, const Setting& setting, int64_t now_ms);

  // One thing that it does next.
  void Act(Dice& dice, int64_t now_ms);
  // Says something, if it may still.
  void SayMore(Dice& dice, int64_t now_ms);
  // Half-closes, and reads what comes.
  void Finish();
  // Ends what it has begun, so that a reader can answer it, and reads what comes.
  void FinishMessage();
  // Reads nothing; reads what there is and what comes.
  void Stall(int64_t now_ms);
  void ReadOn();
  // Its connection may be ended by the server before everything is answered.
  void MayEndEarly() { prefix_only_ = true; }
  void MayFail() { prefix_only_ = may_fail_ = true; }  // for want of a frame; HTTP says so
  // ... because time has passed. Called with the time before anybody relies on exactness.
  void Look(int64_t now_ms);
  // ... because the clock jumps, and the network does nothing meanwhile.
  void Jump(int64_t ms);

  // Checks. `what` they find names the peer.
  void CheckPrefix(Findings* findings) const;
  // It has rested: all that was acknowledged is answered, and the FINs that are due have come.
  void CheckAtRest(Findings* findings) const;
  void CheckAtEnd(Findings* findings) const;
  // After a drain that began when `acknowledged` bytes had been acknowledged.
  void CheckDrained(size_t acknowledged, Findings* findings) const;

  sim::SimPeer* peer() const { return peer_; }
  const Setting& setting() const { return setting_; }
  bool exact() const { return !broken_ && !prefix_only_ && !peer_->faulted(); }
  bool ended() const { return ended_; }
  bool broken() const { return broken_; }
  // Only a deadline ends its connection: it has vanished; or, at a path, it sleeps in a write, behind which its close is.
  bool lost() const { return vanished_ || (broken_ && peer_->is_unix() && peer_->unacknowledged() > 0); }
  bool slow() const { return slow_since_ms_ >= 0; }
  size_t acknowledged() const { return sent_.size() - std::min(sent_.size(), peer_->unacknowledged()); }
  // Everything that it has asked is answered, as far as the server is concerned (kTalker, kFlooder).
  bool answered() const { return peer_->received().size() + peer_->under_way() >= due_; }
  bool served() const { return !peer_->received().empty(); }
  std::string Describe() const;

 private:
  bool line() const { return setting_.service == TrialService::kLine; }
  bool http() const { return setting_.service == TrialService::kHttp; }
  bool member() const { return setting_.service == TrialService::kMember; }
  void Send(Dice& dice, size_t bytes, int64_t now_ms);
  void Say(std::string chunk, int64_t now_ms);
  // What the service has to answer to the first `bytes` of what was sent; at_end: FIN follows them.
  std::string Expected(size_t bytes, bool at_end) const;
  // What it was told, as Expected has it.
  std::string Heard() const;
  // Of a member: all that it hears if it stays, and how much is due to it now that it stays, or has ended.
  std::string HeardIfItStays() const;
  size_t DueToMember(bool ended) const;
  uint64_t told() const { return setting_.broadcasts->told(); }
  bool FinDue(size_t acknowledged) const;

  sim::SimPeer* const peer_;
  const Setting setting_;
  std::string sent_;
  HttpScript http_;
  size_t budget_;
  size_t due_ = 0;         // a talker's: bytes of all its answers
  bool too_long_ = false;  // has sent a line over the limit
  bool ended_ = false;     // says nothing more
  bool broken_ = false;    // by itself, in a way that may cost it answers
  bool vanished_ = false;
  bool prefix_only_ = false;
  bool late_ = false;      // with a request: it may be told so
  bool may_fail_ = false;
  int64_t active_ms_;
  int64_t begun_ms_;       // the request that it has not ended
  int64_t slow_since_ms_ = -1;
  int64_t jumped_ms_ = 0;  // since it was connected
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_PEER_MODEL_H_
