// SPDX-License-Identifier: Apache-2.0
// CloseCause: the one enum of why a connection ended. Each has a counter; a connection has exactly one, the first.
#ifndef MOORING_NET_CLOSE_CAUSE_H_
#define MOORING_NET_CLOSE_CAUSE_H_

#include <cerrno>
#include <cstdint>

namespace mooring::net {

enum class CloseCause : uint8_t {
  kNone,           // still open
  kService,        // the service closed it, or its task returned
  kServiceAbort,   // the service aborted it
  kServiceFailed,  // the service threw, or found no memory
  kPeerClosed,     // EOF, and the service had nothing more to say
  kPeerReset,      // ECONNRESET, EPIPE and the like
  kPeerTimedOut,   // the kernel gave up on the peer: ETIMEDOUT, EHOSTUNREACH
  kIdle,           // no byte for the idle deadline
  kNoFirstByte,    // nothing came for the first-byte deadline
  kMaxAge,         // as old as a connection may get
  kWriteStalled,   // queued bytes, and the peer acknowledged nothing for the write-stall deadline
  kQueueFull,      // more queued than the hard cap
  kTooSlow,        // a member of a ConnectionSet, slower than its messages may be
  kTooLong,        // a line or message over its limit
  kProtocol,       // what the peer sent is against the protocol
  kDrained,        // said goodbye in a drain
  kDrainDeadline,  // cut by the drain's deadline
  kOperator,       // closed by hand (POST /connections/ID/close), or by POST /drain
  kShed,           // idle, while the process was at its memory ceiling
  kRefused,        // before its service started: RefuseCause says why
  kConnectFailed,  // an outbound connection that did not come about
  kNoMemory,       // the runtime found no memory for it
  kTransport,      // any other failure that the transport reported
  kCount
};

// "service", "peer_reset", ...: the label of its counter.
constexpr const char* Name(CloseCause cause) {
  switch (cause) {
    case CloseCause::kNone: return "none";
    case CloseCause::kService: return "service";
    case CloseCause::kServiceAbort: return "service_abort";
    case CloseCause::kServiceFailed: return "service_failed";
    case CloseCause::kPeerClosed: return "peer_closed";
    case CloseCause::kPeerReset: return "peer_reset";
    case CloseCause::kPeerTimedOut: return "peer_timed_out";
    case CloseCause::kIdle: return "idle";
    case CloseCause::kNoFirstByte: return "no_first_byte";
    case CloseCause::kMaxAge: return "max_age";
    case CloseCause::kWriteStalled: return "write_stalled";
    case CloseCause::kQueueFull: return "queue_full";
    case CloseCause::kTooSlow: return "too_slow";
    case CloseCause::kTooLong: return "too_long";
    case CloseCause::kProtocol: return "protocol_error";
    case CloseCause::kDrained: return "drained";
    case CloseCause::kDrainDeadline: return "drain_deadline";
    case CloseCause::kOperator: return "operator";
    case CloseCause::kShed: return "shed";
    case CloseCause::kRefused: return "refused";
    case CloseCause::kConnectFailed: return "connect_failed";
    case CloseCause::kNoMemory: return "no_memory";
    case CloseCause::kTransport: return "transport";
    case CloseCause::kCount: break;
  }
  return "?";
}

// What an errno of the transport says about a connection.
constexpr CloseCause CauseOfError(int error) {
  switch (error) {
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ECONNABORTED: return CloseCause::kPeerReset;
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN: return CloseCause::kPeerTimedOut;
    case ENOMEM:
    case ENOBUFS: return CloseCause::kNoMemory;
    default: return CloseCause::kTransport;
  }
}

}  // namespace mooring::net

#endif  // MOORING_NET_CLOSE_CAUSE_H_
