// SPDX-License-Identifier: Apache-2.0
// ConnectionState: how far a connection is in its life, see connection.h.
#ifndef MOORING_NET_CONNECTION_STATE_H_
#define MOORING_NET_CONNECTION_STATE_H_

#include <cstdint>

namespace mooring::net {

enum class ConnectionState : uint8_t {
  kConnecting,  // begun by this side; or accepted a moment ago
  kNaming,      // its peer's address is being asked for
  kOpen,
  kClosing,     // ended; what is queued is being sent
  kLingering,   // our FIN is out, the peer's is awaited
  kReleasing,   // the transport's last operations
  kReleased,    // its service holds the slot still
  kCount
};

// "open", ...: as lists and metrics spell it.
constexpr const char* Name(ConnectionState state) {
  switch (state) {
    case ConnectionState::kConnecting: return "connecting";
    case ConnectionState::kNaming: return "naming";
    case ConnectionState::kOpen: return "open";
    case ConnectionState::kClosing: return "closing";
    case ConnectionState::kLingering: return "lingering";
    case ConnectionState::kReleasing: return "releasing";
    case ConnectionState::kReleased: return "released";
    case ConnectionState::kCount: break;
  }
  return "?";
}

}  // namespace mooring::net

#endif  // MOORING_NET_CONNECTION_STATE_H_
