// SPDX-License-Identifier: Apache-2.0
#include "net/providers.h"

#include "net/epoll/provider.h"
#include "net/uring/provider.h"

namespace mooring::net {

std::unique_ptr<TransportProvider> MakeProvider(core::Kernel* kernel, TransportKind kind) {
  if (kind == TransportKind::kEpoll) return std::make_unique<epoll::EpollProvider>(kernel);
  return std::make_unique<uring::UringProvider>(kernel, kind);
}

}  // namespace mooring::net
