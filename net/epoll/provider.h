// SPDX-License-Identifier: Apache-2.0
// EpollProvider: makes the epoll transports of a process, one per shard.
//
// Threads:  Open from any, each on its shard's own thread.
#ifndef MOORING_NET_EPOLL_PROVIDER_H_
#define MOORING_NET_EPOLL_PROVIDER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "core/kernel.h"
#include "net/transport.h"

namespace mooring::net::epoll {

class EpollProvider final : public TransportProvider {
 public:
  explicit EpollProvider(core::Kernel* kernel) : kernel_(kernel) {}

  TransportKind kind() const override { return TransportKind::kEpoll; }
  absl::StatusOr<std::unique_ptr<Transport>> Open(core::Shard* shard, TransportEvents* events,
                                                  const TransportOptions& options) override;

 private:
  core::Kernel* const kernel_;
};

}  // namespace mooring::net::epoll

#endif  // MOORING_NET_EPOLL_PROVIDER_H_
