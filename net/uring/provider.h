// SPDX-License-Identifier: Apache-2.0
// UringProvider: makes the io_uring transports of a process, one per shard.
//
// Threads:  Open from any, each on its shard's own thread.
#ifndef MOORING_NET_URING_PROVIDER_H_
#define MOORING_NET_URING_PROVIDER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "core/kernel.h"
#include "net/transport.h"

namespace mooring::net::uring {

class UringProvider final : public TransportProvider {
 public:
  explicit UringProvider(core::Kernel* kernel) : kernel_(kernel) {}

  absl::StatusOr<std::unique_ptr<Transport>> Open(core::Shard* shard, TransportEvents* events,
                                                  const TransportOptions& options) override;

 private:
  core::Kernel* const kernel_;
};

}  // namespace mooring::net::uring

#endif  // MOORING_NET_URING_PROVIDER_H_
