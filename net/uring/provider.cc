// SPDX-License-Identifier: Apache-2.0
#include "net/uring/provider.h"

#include "core/ring.h"
#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

absl::StatusOr<std::unique_ptr<Transport>> UringProvider::Open(core::Shard* shard, TransportEvents* events,
                                                               const TransportOptions& options) {
  return UringTransport::Open(kernel_, shard, events, options);
}

absl::StatusOr<TransportKind> ProbeUring(core::Kernel* kernel) {
  auto ring = core::Ring::Open(kernel, {.sq_entries = 8, .cq_entries = 16});
  if (!ring.ok()) return ring.status();
  return (*ring)->features().modern ? TransportKind::kUring : TransportKind::kUringBase;
}

}  // namespace mooring::net::uring
