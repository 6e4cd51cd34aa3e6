// SPDX-License-Identifier: Apache-2.0
// MakeProvider: the provider of a kind of transport.
//
// Threads:  any.
#ifndef MOORING_NET_PROVIDERS_H_
#define MOORING_NET_PROVIDERS_H_

#include <memory>

#include "core/kernel.h"
#include "net/transport.h"

namespace mooring::net {

std::unique_ptr<TransportProvider> MakeProvider(core::Kernel* kernel, TransportKind kind);

}  // namespace mooring::net

#endif  // MOORING_NET_PROVIDERS_H_
