// SPDX-License-Identifier: Apache-2.0
#include "net/epoll/provider.h"

namespace mooring::net::epoll {

absl::StatusOr<std::unique_ptr<Transport>> EpollProvider::Open(core::Shard*, TransportEvents*,
                                                               const TransportOptions&) {
  (void)kernel_;
  return absl::UnimplementedError("the epoll transport is not there yet");
}

}  // namespace mooring::net::epoll
