// SPDX-License-Identifier: Apache-2.0
#include "net/uring/provider.h"

#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

absl::StatusOr<std::unique_ptr<Transport>> UringProvider::Open(core::Shard* shard, TransportEvents* events,
                                                               const TransportOptions& options) {
  return UringTransport::Open(kernel_, shard, events, options);
}

}  // namespace mooring::net::uring
