// SPDX-License-Identifier: Apache-2.0
#include "net/epoll/provider.h"

#include "net/epoll/epoll_transport.h"

namespace mooring::net::epoll {

absl::StatusOr<std::unique_ptr<Transport>> EpollProvider::Open(core::Shard* shard, TransportEvents* events,
                                                               const TransportOptions& options) {
  return EpollTransport::Open(kernel_, shard, events, options);
}

}  // namespace mooring::net::epoll
