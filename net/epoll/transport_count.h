// SPDX-License-Identifier: Apache-2.0
// TransportCount: what the epoll transport counts, and the names it reports them by: those of the io_uring transport
// where they mean the same.
#ifndef MOORING_NET_EPOLL_TRANSPORT_COUNT_H_
#define MOORING_NET_EPOLL_TRANSPORT_COUNT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mooring::net::epoll {

enum class TransportCount : uint8_t {
  kAccepts,
  kAcceptsNear,      // with credit that was asked for
  kAcceptsRefused,   // the engine had no slot for it
  kAcceptTransient,  // the peer was gone before it was accepted, and the like
  kAcceptErrors,     // no descriptors, no memory
  kRefuseNewErrors,  // new handshakes could not be refused; they are accepted then
  kReceives,
  kReceiveBytes,
  kReceiveEmpty,    // attempts that found nothing
  kReceiveStarved,  // no block to receive into
  kReceiveShared,   // had its share of a Poll and left something for the next
  kSends,
  kSendsBlocked,  // a first attempt that took nothing
  kSendsWaited,   // a further one that had to wait
  kHalfCloses,
  kCloses,
  kAborts,
  kAbortFallbacks,  // connect(2) to AF_UNSPEC was refused
  kConnects,
  kConnectErrors,
  kCommandErrors,  // a question (peer, out queue) failed
  kCloseErrors,
  kStale,  // events that name nobody
  kWakes,
  kWaits,
  kEvents,
  kWaitsFull,    // brought as many events as fit: there may be more
  kWaitErrors,   // but EINTR
  kWaitsSpared,  // Polls that only told results
  kAddErrors,    // a descriptor that epoll did not take
  kCount,
};

inline constexpr std::string_view kTransportCountNames[] = {
    "accepts",
    "accepts_near",
    "accepts_refused",
    "accept_transient",
    "accept_errors",
    "refuse_new_errors",
    "receives",
    "receive_bytes",
    "receive_empty",
    "receive_starved",
    "receive_shared",
    "sends",
    "sends_blocked",
    "sends_waited",
    "half_closes",
    "closes",
    "aborts",
    "abort_fallbacks",
    "connects",
    "connect_errors",
    "command_errors",
    "close_errors",
    "stale",
    "wakes",
    "epoll_waits",
    "epoll_events",
    "epoll_waits_full",
    "epoll_wait_errors",
    "epoll_waits_spared",
    "epoll_add_errors",
};
static_assert(sizeof(kTransportCountNames) / sizeof(kTransportCountNames[0]) ==
              static_cast<size_t>(TransportCount::kCount));

}  // namespace mooring::net::epoll

#endif  // MOORING_NET_EPOLL_TRANSPORT_COUNT_H_
