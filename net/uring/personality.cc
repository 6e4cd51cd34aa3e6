// SPDX-License-Identifier: Apache-2.0
#include "net/uring/personality.h"

#include <liburing.h>

#include "absl/strings/str_cat.h"

namespace mooring::net::uring {
namespace {

constexpr uint8_t kBaseOpcodes[] = {IORING_OP_POLL_ADD, IORING_OP_SENDMSG, IORING_OP_ACCEPT,
                                    IORING_OP_ASYNC_CANCEL, IORING_OP_CONNECT, IORING_OP_CLOSE,
                                    IORING_OP_READ, IORING_OP_SEND, IORING_OP_RECV};

}  // namespace

absl::Status CheckPersonality(core::Ring* ring, TransportKind kind) {
  if (kind == TransportKind::kUringBase) {
    const absl::Status has = ring->CheckOpcodes(kBaseOpcodes);
    if (has.ok()) return has;
    return absl::Status(has.code(), absl::StrCat(has.message(), "; use --transport=epoll (or auto)"));
  }
  if (ring->features().modern) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this kernel's io_uring is older than Linux 6.14 (before 6.10 one flooding peer can starve all others of a "
      "multishot receive, before 6.13 one idle peer keeps closed direct descriptors from being freed), or its 'modern' "
      "feature is switched off; use --transport=io_uring-base (or auto), or run 6.14 or newer");
}

}  // namespace mooring::net::uring
