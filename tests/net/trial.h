// SPDX-License-Identifier: Apache-2.0
// Trial: one whole server over the simulated kernel, its peers, its bad luck and its end, all from one seed.
//
//   plan ──> server, listeners ──> script: at most 20 connections, at most 2,000 steps ──> finish, drain, cut or destroy
//                                    └── after every step: Invariants; at rest and at the end: models, mail, leftovers
//
// Threads:  one.
// Owns:     all of it.
// Limits:   TrialPlan's. What follows the script goes on until nobody has anything to do.
#ifndef MOORING_TESTS_NET_TRIAL_H_
#define MOORING_TESTS_NET_TRIAL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/accept_rate.h"
#include "net/credit.h"
#include "net/dialer.h"
#include "tests/net/broadcasts.h"
#include "tests/net/coverage.h"
#include "tests/net/dice.h"
#include "tests/net/findings.h"
#include "tests/net/invariants.h"
#include "tests/net/mail_storm.h"
#include "tests/net/outbound.h"
#include "tests/net/peer_model.h"
#include "tests/net/peer_names.h"
#include "tests/net/sim_server.h"
#include "tests/net/trial_plan.h"
#include "tests/sim/fault_plan.h"

namespace mooring::net {

class Trial {
 public:
  // The test's own decisions and the kernel's are two streams of the seed.
  explicit Trial(uint64_t seed, std::optional<TransportKind> transport = std::nullopt);
  // All decisions come from there.
  explicit Trial(sim::Decisions* decisions, std::optional<TransportKind> transport = std::nullopt);
  ~Trial();
  Trial(const Trial&) = delete;

  // Once. What was wrong; a mistake that the simulated kernel itself sees aborts.
  const Findings& Run();

  const TrialPlan& plan() const { return plan_; }
  // What has happened in it, after Run.
  const Coverage& coverage() const { return coverage_; }

 private:
  // Time and steps, each followed by the invariants.
  bool Step();
  void RunFor(int64_t ms);
  int64_t now_ms() { return server_->world.now_ms(); }

  void SetUp();
  void Script();
  void Open();
  void Rest();
  void BreakOff();
  void Hoard(size_t shard);
  void GiveBack();
  void Watch();  // that who talks is answered beside those who flood
  void TakeAccepted();
  void Change();     // what serves a listener, to another that does the same
  void TellSome();   // to go
  void InjectFaults();

  void Finish();
  void Drain();
  void Cut();
  void EndAll();  // everybody is gone: what is left over
  void CheckSubmitted();
  void LookAll();
  void Cover();
  void Met(Covered what, uint64_t n = 1) { coverage_.Add(plan_.transport, what, n); }
  std::string DescribeServer() const;

  const uint64_t seed_;
  sim::SeededDecisions own_;
  sim::Decisions* const kernel_decisions_;  // null: the kernel's own, from the seed
  Dice dice_;
  const TrialPlan plan_;
  Findings findings_;
  Coverage coverage_;
  std::vector<std::unique_ptr<Credit>> credits_;  // of listeners
  std::optional<AcceptRate> accept_rate_;
  std::unique_ptr<SimServer> server_;
  std::optional<sim::FaultPlan> faults_;  // of the server's kernel
  std::unique_ptr<Invariants> invariants_;
  std::unique_ptr<PeerNames> names_;
  std::unique_ptr<MailStorm> mail_;
  std::unique_ptr<Broadcasts> broadcasts_;
  std::unique_ptr<Outbound> outbound_;
  std::vector<core::Shard*> shards_;
  std::vector<std::string> at_;  // by service
  std::vector<PeerModel> peers_;
  std::vector<uint64_t> asked_at_;  // by peer: the turn in which what a talker waits for had arrived; 0: nothing has
  size_t hoarder_ = 0;  // whose shard's blocks these are
  std::vector<alloc::Block*> hoard_;
  std::vector<std::unique_ptr<Handler>> changed_;  // what serves listeners since they were changed
  bool scripted_ = true;  // the script goes on
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_TRIAL_H_
