// SPDX-License-Identifier: Apache-2.0
// UringProvider: makes the io_uring transports of a process, one per shard.
//
// Threads:  Open from any, each on its shard's own thread.
#ifndef MOORING_NET_URING_PROVIDER_H_
#define MOORING_NET_URING_PROVIDER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/kernel.h"
#include "net/transport.h"

namespace mooring::net::uring {

class UringProvider final : public TransportProvider {
 public:
  // kUring or kUringBase. The latter works on newer kernels too.
  explicit UringProvider(core::Kernel* kernel, TransportKind kind = TransportKind::kUring)
      : kernel_(kernel), kind_(kind) {}

  TransportKind kind() const override { return kind_; }
  absl::StatusOr<std::unique_ptr<Transport>> Open(core::Shard* shard, TransportEvents* events,
                                                  const TransportOptions& options) override;

 private:
  core::Kernel* const kernel_;
  const TransportKind kind_;
};

// What this kernel's io_uring is good for, found out with a small ring of the calling thread: kUring or kUringBase. An
// error says why there is none for us, and what to type. `features_off` (core::ForceOff's list): without "modern" the
// answer is kUringBase on any kernel.
absl::StatusOr<TransportKind> ProbeUring(core::Kernel* kernel, const std::string& features_off = {});

}  // namespace mooring::net::uring

#endif  // MOORING_NET_URING_PROVIDER_H_
