// SPDX-License-Identifier: Apache-2.0
// TransportCount: what the io_uring transport counts, and the names it reports them by.
#ifndef MOORING_NET_URING_TRANSPORT_COUNT_H_
#define MOORING_NET_URING_TRANSPORT_COUNT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mooring::net::uring {

enum class TransportCount : uint8_t {
  kAccepts,
  kAcceptsParked,      // past the bound of one Poll
  kAcceptsNear,        // one by one, near a bound or while stopping
  kAcceptsRefused,     // the engine had no slot for it
  kAcceptModeChanges,  // from multishot to one by one or back
  kAcceptRearmed,      // a multishot accept ended by itself
  kAcceptTransient,    // the peer was gone before it was accepted, and the like
  kAcceptErrors,       // no descriptors, no memory
  kAcceptTableFull,    // must stay 0: it costs a connection
  kRefuseNewErrors,    // new handshakes could not be refused; they are accepted then
  kReceives,
  kReceiveBytes,
  kReceiveStarved,
  kReceiveRearmed,  // a multishot receive ended by itself with data
  kReceiveLooksBehind,  // armed anew after a whole batch
  kReceiveDropped,  // blocks that came after Close or Abort
  kIdlePolls,       // a silent connection's receive became a poll
  kIdleWakes,       // and such a poll a receive again, because something had come
  kSends,
  kSendsBlocked,     // a first attempt that took nothing
  kHalfCloses,
  kHalfClosesQueued,
  kHalfClosesByWorker,  // by the SHUTDOWN operation, which costs a worker thread
  kCloses,
  kAborts,
  kAbortFallbacks,  // CONNECT to AF_UNSPEC was refused
  kConnects,
  kConnectErrors,
  kCommandErrors,  // a socket command (peer, out queue) failed
  kCancelMissed,   // a receive that should have been there was not found
  kCloseErrors,
  kStale,  // completions that name nobody
  kWakes,
  kOverflowRounds,
  kCount,
};

inline constexpr std::string_view kTransportCountNames[] = {
    "accepts",
    "accepts_parked",
    "accepts_near",
    "accepts_refused",
    "accept_mode_changes",
    "accept_rearmed",
    "accept_transient",
    "accept_errors",
    "accept_table_full",
    "refuse_new_errors",
    "receives",
    "receive_bytes",
    "receive_starved",
    "receive_rearmed",
    "receive_looks_behind",
    "receive_dropped",
    "idle_polls",
    "idle_wakes",
    "sends",
    "sends_blocked",
    "half_closes",
    "half_closes_queued",
    "half_closes_by_worker",
    "closes",
    "aborts",
    "abort_fallbacks",
    "connects",
    "connect_errors",
    "command_errors",
    "cancel_missed",
    "close_errors",
    "stale",
    "wakes",
    "overflow_rounds",
};
static_assert(sizeof(kTransportCountNames) / sizeof(kTransportCountNames[0]) ==
              static_cast<size_t>(TransportCount::kCount));

}  // namespace mooring::net::uring

#endif  // MOORING_NET_URING_TRANSPORT_COUNT_H_
