// SPDX-License-Identifier: Apache-2.0
// OpenOutgoing: the socket of a connection that is going to be made, with its options, bound where that is asked for.
//
// Threads:  a function.
#ifndef MOORING_NET_OUTGOING_SOCKET_H_
#define MOORING_NET_OUTGOING_SOCKET_H_

#include "core/kernel.h"
#include "net/address.h"

namespace mooring::net {

// A descriptor, or -errno. `flags` are socket(2)'s beside SOCK_CLOEXEC; an empty `from` is any address, its port 0 any
// port.
int OpenOutgoing(core::Kernel* kernel, const Address& to, const Address& from, int flags);

}  // namespace mooring::net

#endif  // MOORING_NET_OUTGOING_SOCKET_H_
