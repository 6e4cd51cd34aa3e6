// SPDX-License-Identifier: Apache-2.0
// ConnectionRow: one connection as a list shows it.
//
// Threads:  a value; it crosses shards.
#ifndef MOORING_SERVER_ADMIN_CONNECTION_ROW_H_
#define MOORING_SERVER_ADMIN_CONNECTION_ROW_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/address.h"
#include "net/connection.h"
#include "net/transport.h"

namespace mooring::server::admin {

enum class ConnectionState : uint8_t {
  kOpening,   // connecting, or before its service has heard of it
  kOpen,
  kDraining,  // open, and it has had the notice of a drain
  kClosing,   // what is queued is being sent, or the peer's end is waited for
  kCount
};
constexpr const char* Name(ConnectionState state) {
  switch (state) {
    case ConnectionState::kOpening: return "opening";
    case ConnectionState::kOpen: return "open";
    case ConnectionState::kDraining: return "draining";
    case ConnectionState::kClosing: return "closing";
    case ConnectionState::kCount: break;
  }
  return "?";
}

struct ConnectionRow {
  net::ConnectionId id;
  net::Address peer;       // empty where it is not known
  net::ListenerId listener = 0;
  ConnectionState state = ConnectionState::kOpen;
  bool outbound = false;
  bool tracked = false;    // what follows up to bytes_out is known
  int64_t age_s = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  int64_t idle_s = 0;      // without a byte either way
  uint64_t queued = 0;
};

// SHARD-SLOT-GENERATION: numbers of 64 bits would lose digits in JavaScript.
std::string TextOf(net::ConnectionId id);
// None where it is not one that TextOf gives.
std::optional<net::ConnectionId> ConnectionIdOf(std::string_view text);

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_CONNECTION_ROW_H_
