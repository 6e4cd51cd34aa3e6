// SPDX-License-Identifier: Apache-2.0
// RefuseNew: lets a listener ignore new handshakes while those under way finish.
//
// Threads:  a function.
// Kernel:   a socket filter that drops segments with SYN set. Not `listen(fd, 0)`, which resets connected peers.
#ifndef MOORING_NET_REFUSE_NEW_H_
#define MOORING_NET_REFUSE_NEW_H_

#include "core/kernel.h"

namespace mooring::net {

// `family` is the listener's. 0, also on Unix sockets, which have no handshake and are left alone; or -errno: then new
// peers are accepted too.
int RefuseNew(core::Kernel* kernel, int listen_fd, int family);

}  // namespace mooring::net

#endif  // MOORING_NET_REFUSE_NEW_H_
