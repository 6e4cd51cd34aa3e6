// SPDX-License-Identifier: Apache-2.0
// ReadAcceptQueues: what the kernel holds for listeners that nobody has accepted yet.
//
// Asked by sock_diag(7): for TCP one dump of the listening sockets at each port, for Unix paths one of the listening
// Unix sockets; connections are not walked. A listener with a socket on each shard gets the sum. Where sock_diag is
// refused (seccomp, a module that is not there), the depth of TCP queues comes from the top of /proc/net/tcp, where
// listening sockets stand first.
//
// Threads:  any. Does not wait.
// Kernel:   Linux 3.3 for unix_diag; idiag_wqueue is a listener's limit since 2.6.18. Drops: SK_MEMINFO_DROPS, 4.6.
// Limits:   O(listening sockets of the network namespace).
#ifndef MOORING_SERVER_METRICS_ACCEPT_QUEUES_H_
#define MOORING_SERVER_METRICS_ACCEPT_QUEUES_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "net/endpoint.h"

namespace mooring::server::metrics {

struct AcceptQueue {
  uint64_t depth = 0;
  std::optional<uint64_t> limit;  // null: not to be had
  // Handshakes dropped at these sockets: the queue was full, or SYNs were dropped for another reason. Unix sockets drop
  // nothing: who connects waits.
  std::optional<uint64_t> overflows;
};

struct AcceptQueues {
  std::vector<std::optional<AcceptQueue>> of;  // of each endpoint; null: it was not found
  bool refused = false;                        // sock_diag was, for some
};

// `open_diag` gives a netlink socket for sock_diag, or -1; null: the machine's.
AcceptQueues ReadAcceptQueues(const std::vector<net::Endpoint>& endpoints, int (*open_diag)() = nullptr);

// The depth of the listeners at `address`, from the text of /proc/net/tcp or tcp6; null: none is there. `complete` says
// that the text has all listening sockets.
std::optional<uint64_t> DepthFromProc(std::string_view text, const net::Address& address, bool* complete);

}  // namespace mooring::server::metrics

#endif  // MOORING_SERVER_METRICS_ACCEPT_QUEUES_H_
