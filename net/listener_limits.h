// SPDX-License-Identifier: Apache-2.0
// ListenerLimits: how many connections a listener takes, on all shards together. 0 is no limit.
//
// Threads:  a value.
#ifndef MOORING_NET_LISTENER_LIMITS_H_
#define MOORING_NET_LISTENER_LIMITS_H_

#include <cstdint>

namespace mooring::net {

struct ListenerLimits {
  uint64_t connections_max = 0;   // at it the listener accepts nobody: peers wait in its backlog
  uint32_t accepts_per_s = 0;     // likewise
  // From one source: an IPv4 address, or the first 64 bits of an IPv6 one. Further ones are accepted and reset, counted.
  // Off by default: behind NAT or a proxy many clients share an address.
  uint32_t per_address_max = 0;

  friend bool operator==(const ListenerLimits&, const ListenerLimits&) = default;
};

}  // namespace mooring::net

#endif  // MOORING_NET_LISTENER_LIMITS_H_
