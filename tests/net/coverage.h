// SPDX-License-Identifier: Apache-2.0
// Coverage: how often the rare things have happened in trials, on which transport, so that a run of many can show that
// it met them all.
//
// Threads:  one. Plain numbers, so that it can lie in memory that processes share.
#ifndef MOORING_TESTS_NET_COVERAGE_H_
#define MOORING_TESTS_NET_COVERAGE_H_

#include <cstdint>
#include <iterator>
#include <string_view>

#include "net/transport.h"

namespace mooring::net {

// Where a run of 500 seeds has to have met it: on each of these transports, or, kSomewhere, on any, where only a few
// seeds bring it about.
enum class Where : uint8_t { kSomewhere, kEverywhere, kRings, kModern, kEpoll };

// X(name, what, where)
#define MOORING_COVERAGE(X)                                       \
  X(kSubmissionFull, "sq_full", kRings)                           \
  X(kCompletionOverflow, "cq_overflow", kRings)                   \
  X(kOverflowRounds, "overflow_rounds", kRings)                   \
  X(kEnterRetries, "enter_retries", kRings)                       \
  X(kStarved, "receive_starved", kEverywhere)                     \
  X(kReceiveDropped, "receive_dropped", kRings)                   \
  X(kReceiveRearmed, "receive_ended_with_data", kModern)          \
  X(kIdlePolls, "idle_polls", kModern)                            \
  X(kIdleWakes, "idle_wakes", kModern)                            \
  X(kCancelsLate, "cancels_too_late", kRings)                     \
  X(kSendsAfterCancel, "sends_done_when_cancelled", kSomewhere)   \
  X(kHalfClosesByWorker, "half_closes_worker", kModern)           \
  X(kAcceptsLost, "accepts_lost_to_enfile", kModern)              \
  X(kTableNear, "accepts_near", kEverywhere)                      \
  X(kAcceptErrors, "accept_errors", kEverywhere)                  \
  X(kAcceptTransient, "accept_transient", kEverywhere)            \
  X(kAtPaths, "accepts_at_paths", kEverywhere)                    \
  X(kSlabFull, "slab_full", kSomewhere)                           \
  X(kSendsBlocked, "sends_blocked", kEverywhere)                  \
  X(kAborts, "aborts", kEverywhere)                               \
  X(kAbortFallbacks, "aborts_without_reset", kSomewhere)          \
  X(kPauses, "pauses", kEverywhere)                               \
  X(kLingerExpired, "linger_expired", kEverywhere)                \
  X(kIdle, "closed_idle", kEverywhere)                            \
  X(kStalled, "closed_stalled", kSomewhere)                       \
  X(kPeerReset, "closed_peer_reset", kEverywhere)                 \
  X(kPeerTimedOut, "closed_peer_timed_out", kSomewhere)           \
  X(kNoMemory, "closed_no_memory", kEverywhere)                   \
  X(kDrained, "closed_drained", kEverywhere)                      \
  X(kByOperator, "closed_by_operator", kEverywhere)               \
  X(kForgotten, "handlers_forgotten", kEverywhere)                \
  X(kDeadline, "closed_drain_deadline", kEverywhere)              \
  X(kTooLong, "closed_too_long", kSomewhere)                      \
  X(kConnectFailed, "connect_failed", kEverywhere)                \
  X(kConnected, "connected", kEverywhere)                         \
  X(kOwned, "connected_and_owned", kEverywhere)                   \
  X(kTooSlow, "closed_too_slow", kSomewhere)                      \
  X(kSubmitted, "submitted", kEverywhere)                         \
  X(kSubmittedGivenUp, "submitted_given_up", kEverywhere)         \
  X(kPostsStale, "posts_stale", kSomewhere)                       \
  X(kPostsRefused, "posts_refused", kSomewhere)                   \
  X(kBroadcasts, "broadcasts", kEverywhere)                       \
  X(kHttpResponses, "http_responses", kEverywhere)                \
  X(kHttpContinued, "http_continued", kSomewhere)                 \
  X(kHttpFailed, "http_handlers_failed", kEverywhere)             \
  X(kHttpExpired, "http_keepalive_expired", kSomewhere)           \
  X(kHttpGrace, "http_drain_grace_expired", kSomewhere)           \
  X(kHttpLate, "http_requests_late", kSomewhere)                  \
  X(kMail, "mail", kEverywhere)                                   \
  X(kMailRefused, "mail_refused", kEverywhere)                    \
  X(kMailWaited, "mail_waited", kEverywhere)                      \
  X(kFaultEnter, "fault_io_uring_enter", kRings)                  \
  X(kFaultSocket, "fault_socket", kSomewhere)                     \
  X(kFaultFilter, "fault_filter", kSomewhere)                     \
  X(kFaultAccept, "fault_accept", kEverywhere)                    \
  X(kFaultInstall, "fault_install", kModern)                      \
  X(kFaultReceive, "fault_receive", kEverywhere)                  \
  X(kFaultSend, "fault_send", kEverywhere)                        \
  X(kFaultConnect, "fault_connect", kSomewhere)                   \
  X(kFaultPeerName, "fault_peer_name", kEverywhere)               \
  X(kFaultEpollAdd, "fault_epoll_add", kEpoll)                    \
  X(kFaultEpollWait, "fault_epoll_wait", kEpoll)                  \
  X(kPeersNamed, "peers_named", kEverywhere)                      \
  X(kPeersNameless, "peers_nameless", kEverywhere)                \
  X(kTalked, "answers_beside_a_flood", kEverywhere)               \
  X(kExactPeers, "exact_peers", kEverywhere)                      \
  X(kPrefixPeers, "prefix_peers", kEverywhere)                    \
  X(kDestroyed, "destroyed", kEverywhere)

enum class Covered : uint8_t {
#define MOORING_COVERED(name, text, where) name,
  MOORING_COVERAGE(MOORING_COVERED)
#undef MOORING_COVERED
      kCount
};

constexpr std::string_view Name(Covered what) {
  constexpr std::string_view kNames[] = {
#define MOORING_COVERED(name, text, where) text,
      MOORING_COVERAGE(MOORING_COVERED)
#undef MOORING_COVERED
  };
  return kNames[static_cast<size_t>(what)];
}

struct Coverage {
  static constexpr size_t kTransports = std::size(kTransportKinds);
  static constexpr size_t kThings = static_cast<size_t>(Covered::kCount);

  uint64_t counts[kTransports][kThings] = {};
  uint64_t steps = 0;
  uint64_t turns_waited_max = 0;  // of a shard, until a talker was answered

  uint64_t Read(TransportKind on, Covered what) const {
    return counts[static_cast<size_t>(on)][static_cast<size_t>(what)];
  }
  void Add(TransportKind on, Covered what, uint64_t n) {
    counts[static_cast<size_t>(on)][static_cast<size_t>(what)] += n;
  }
  void Add(const Coverage& other) {
    for (size_t i = 0; i < kTransports; ++i) {
      for (size_t j = 0; j < kThings; ++j) counts[i][j] += other.counts[i][j];
    }
    steps += other.steps;
    if (other.turns_waited_max > turns_waited_max) turns_waited_max = other.turns_waited_max;
  }

  // Calls f(what, on) for each thing that should have happened and has not; `on` is empty where that means anywhere.
  template <class F>
  void ForEachMissing(F&& f) const {
    constexpr Where kWheres[] = {
#define MOORING_COVERED(name, text, where) Where::where,
        MOORING_COVERAGE(MOORING_COVERED)
#undef MOORING_COVERED
    };
    for (size_t i = 0; i < kThings; ++i) {
      const auto what = static_cast<Covered>(i);
      uint64_t sum = 0;
      for (const TransportKind on : kTransportKinds) {
        sum += Read(on, what);
        if (Due(kWheres[i], on) && Read(on, what) == 0) f(what, Name(on));
      }
      if (sum == 0 && kWheres[i] == Where::kSomewhere) f(what, std::string_view());
    }
  }

 private:
  static bool Due(Where where, TransportKind on) {
    switch (where) {
      case Where::kSomewhere: return false;
      case Where::kEverywhere: return true;
      case Where::kRings: return on != TransportKind::kEpoll;
      case Where::kModern: return on == TransportKind::kUring;
      case Where::kEpoll: return on == TransportKind::kEpoll;
    }
    return false;
  }
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_COVERAGE_H_
