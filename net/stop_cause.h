// SPDX-License-Identifier: Apache-2.0
// StopCause: why a listener accepts nobody although peers wait. Each has a counter of stops and one of milliseconds.
#ifndef MOORING_NET_STOP_CAUSE_H_
#define MOORING_NET_STOP_CAUSE_H_

#include <cstdint>

namespace mooring::net {

enum class StopCause : uint8_t {
  kConnections,          // the process holds as many as it may
  kListenerConnections,  // the listener does
  kRate,                 // the process has accepted as many as it may for now
  kListenerRate,         // the listener has
  kCount
};

// The label of its counters.
constexpr const char* Name(StopCause cause) {
  switch (cause) {
    case StopCause::kConnections: return "connections";
    case StopCause::kListenerConnections: return "listener_connections";
    case StopCause::kRate: return "rate";
    case StopCause::kListenerRate: return "listener_rate";
    case StopCause::kCount: break;
  }
  return "?";
}

}  // namespace mooring::net

#endif  // MOORING_NET_STOP_CAUSE_H_
