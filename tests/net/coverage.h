// SPDX-License-Identifier: Apache-2.0
// Coverage: how often the rare things have happened in trials, so that a run of many can show that it met them all.
//
// Threads:  one. Plain numbers, so that it can lie in memory that processes share.
#ifndef MOORING_TESTS_NET_COVERAGE_H_
#define MOORING_TESTS_NET_COVERAGE_H_

#include <cstdint>
#include <string_view>

namespace mooring::net {

// X(name, what)
#define MOORING_COVERAGE(X)                     \
  X(kSubmissionFull, "sq_full")                 \
  X(kCompletionOverflow, "cq_overflow")         \
  X(kOverflowRounds, "overflow_rounds")         \
  X(kStarved, "receive_starved")                \
  X(kTableNear, "accepts_near")                 \
  X(kAcceptErrors, "accept_errors")             \
  X(kAcceptTransient, "accept_transient")       \
  X(kSlabFull, "slab_full")                     \
  X(kEnterRetries, "enter_retries")             \
  X(kReceiveDropped, "receive_dropped")         \
  X(kReceiveRearmed, "receive_rearmed")         \
  X(kSendsBlocked, "sends_blocked")             \
  X(kHalfClosesByWorker, "half_closes_worker")  \
  X(kAborts, "aborts")                          \
  X(kPauses, "pauses")                          \
  X(kLingerExpired, "linger_expired")           \
  X(kIdle, "closed_idle")                       \
  X(kStalled, "closed_stalled")                 \
  X(kPeerReset, "closed_peer_reset")            \
  X(kNoMemory, "closed_no_memory")              \
  X(kDrained, "closed_drained")                 \
  X(kDeadline, "closed_drain_deadline")         \
  X(kTooLong, "closed_too_long")                \
  X(kConnectFailed, "connect_failed")           \
  X(kConnected, "connected")                    \
  X(kMail, "mail")                              \
  X(kMailRefused, "mail_refused")               \
  X(kMailWaited, "mail_waited")                 \
  X(kFaults, "faults")                          \
  X(kTalked, "answers_beside_a_flood")          \
  X(kExactPeers, "exact_peers")                 \
  X(kPrefixPeers, "prefix_peers")               \
  X(kDestroyed, "destroyed")

enum class Covered : uint8_t {
#define MOORING_COVERED(name, text) name,
  MOORING_COVERAGE(MOORING_COVERED)
#undef MOORING_COVERED
      kCount
};

struct Coverage {
  uint64_t counts[static_cast<size_t>(Covered::kCount)] = {};
  uint64_t steps = 0;
  uint64_t turns_waited_max = 0;  // of a shard, until a talker was answered

  void Add(Covered what, uint64_t n = 1) { counts[static_cast<size_t>(what)] += n; }
  void Add(const Coverage& other) {
    for (size_t i = 0; i < static_cast<size_t>(Covered::kCount); ++i) counts[i] += other.counts[i];
    steps += other.steps;
    if (other.turns_waited_max > turns_waited_max) turns_waited_max = other.turns_waited_max;
  }
};

constexpr std::string_view Name(Covered what) {
  constexpr std::string_view kNames[] = {
#define MOORING_COVERED(name, text) text,
      MOORING_COVERAGE(MOORING_COVERED)
#undef MOORING_COVERED
  };
  return kNames[static_cast<size_t>(what)];
}

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_COVERAGE_H_
