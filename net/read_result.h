// SPDX-License-Identifier: Apache-2.0
// ReadResult: what a read gives: a view of bytes, or the reason why there are none. 16 bytes.
#ifndef MOORING_NET_READ_RESULT_H_
#define MOORING_NET_READ_RESULT_H_

#include <cstdint>
#include <string_view>

#include "core/clock.h"

namespace mooring::net {

enum class ReadReason : uint8_t {
  kNone,       // something was read
  kEof,        // the peer has sent its FIN; an unfinished tail is in Partial()
  kReset,      // the peer or the network broke the connection
  kTooLong,    // no terminator within max_bytes; reading again says the same until the connection is closed
  kDeadline,   // the read's own deadline passed; no byte is lost
  kDraining,   // the server is draining, and nothing of a next message had come; said once
  kCancelled,  // the task's scope was cancelled; no byte is lost
  kClosed,     // closed or aborted on this side
};

enum class ReadMode : uint8_t { kNone, kAny, kExactly, kLine, kUntil1, kUntil2, kUntil3, kUntil4, kDone, kDeadline };

struct ReadOptions {
  uint32_t max_bytes = 8192;  // of one result, without the terminator; ReadExactly does not look at it
  core::Nanos deadline = 0;   // from now; 0 is none. Rounds up to a whole second
};

struct ReadResult {
  const char* data = nullptr;
  uint32_t size = 0;
  ReadReason reason = ReadReason::kNone;

  // True when something was read, an empty line too.
  explicit operator bool() const { return reason == ReadReason::kNone; }
  // Lives until the next read on the connection.
  std::string_view operator*() const { return {data, size}; }
};
static_assert(sizeof(ReadResult) == 16);

}  // namespace mooring::net

#endif  // MOORING_NET_READ_RESULT_H_
