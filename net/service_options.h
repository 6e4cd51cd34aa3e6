// SPDX-License-Identifier: Apache-2.0
// ServiceOptions: what the connections of a listener are bounded by.
//
// Threads:  a value.
#ifndef MOORING_NET_SERVICE_OPTIONS_H_
#define MOORING_NET_SERVICE_OPTIONS_H_

#include <cstdint>

namespace mooring::net {

// 0 seconds is no deadline.
struct ServiceOptions {
  uint32_t idle_timeout_s = 0;            // without a byte either way; a connection that is being served is not idle
  uint32_t first_byte_s = 0;              // from accept on, until the peer has sent something
  uint32_t max_age_s = 0;                 // then it gets the notice of a drain; up to a tenth less, so that not all come back at once
  uint32_t write_stall_s = 0;             // something to send, and the peer has acknowledged nothing for so long
  uint32_t queue_high_bytes = 64 << 10;   // of a connection's send queue: from here on it is not read
  uint32_t queue_low_bytes = 16 << 10;    // ... until it has fallen to this
  uint32_t queue_cap_bytes = 1 << 20;     // a Write that finds so much queued already is refused
  // Reading does not wait for the queue above its high mark: what is read fills another connection's. A proxy, which
  // would wait in a circle else. Connections that a coroutine owns are always so.
  bool full_duplex = false;
  bool own_deadlines = false;             // the service bounds its waits itself (Connection::SetDeadline): no idle deadline is missed
  // Connection::peer() is known from OnOpen on: each accepted connection is asked for it before its service starts, and it
  // takes 52 bytes beside it: its address, when it began, and its bytes. Else it is empty, and costs nothing.
  bool track_peers = false;
  bool drop_when_full = false;            // at the cap: refuse that Write only (true), or close the connection (false)
  // TCP: a peer is not accepted before it has sent something, or has been silent for a second or more: its first bytes are
  // there with it, and a wake-up is saved (tcp(7), TCP_DEFER_ACCEPT). Not for a service that speaks first.
  bool defer_accept = false;

  friend bool operator==(const ServiceOptions&, const ServiceOptions&) = default;
};

}  // namespace mooring::net

#endif  // MOORING_NET_SERVICE_OPTIONS_H_
