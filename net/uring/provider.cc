// SPDX-License-Identifier: Apache-2.0
#include "net/uring/provider.h"

#include "core/ring.h"
#include "net/uring/personality.h"
#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

absl::StatusOr<std::unique_ptr<Transport>> UringProvider::Open(core::Shard* shard, TransportEvents* events,
                                                               const TransportOptions& options) {
  return UringTransport::Open(kernel_, kind_, shard, events, options);
}

absl::StatusOr<TransportKind> ProbeUring(core::Kernel* kernel, const std::string& features_off) {
  auto ring = core::Ring::Open(kernel, {.sq_entries = 8, .cq_entries = 16, .features_off = features_off});
  if (!ring.ok()) return ring.status();
  const TransportKind kind = (*ring)->features().modern ? TransportKind::kUring : TransportKind::kUringBase;
  if (absl::Status status = CheckPersonality(ring->get(), kind); !status.ok()) return status;
  return kind;
}

}  // namespace mooring::net::uring
