// SPDX-License-Identifier: Apache-2.0
// Claim: an endpoint's listening sockets, one per shard, taken so that no second server can join them by accident.
//
// With SO_REUSEPORT set before bind, a second process of the same user joins the port silently. So the first socket
// binds and listens with SO_REUSEADDR only, which fails when anybody listens there; only then it sets SO_REUSEPORT, and
// its siblings bind and listen. A sibling's EADDRINUSE (a loser inside its failing listen) is retried each millisecond,
// up to 200 times. Restarting over TIME_WAIT works.
//
// A server that was killed may hold its endpoints for a moment longer than it lives: accepts that its rings have armed
// keep the sockets open until the kernel takes the rings down, after exit and in the background (io_ring_exit_work). So
// an endpoint that is in use may be asked for again for a while.
//
// A Unix-domain socket, or one that was inherited, cannot exist once per shard: each shard gets a descriptor of its own of
// the one socket. UnixPath keeps others from a path that is ours. What was inherited is not: whoever opened it listens on
// when we have closed it, and its queue is for the next server.
//
// Threads:  one.
// Owns:     the sockets until Release; a Unix path until Withdraw.
#ifndef MOORING_NET_CLAIM_H_
#define MOORING_NET_CLAIM_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/kernel.h"
#include "net/address.h"
#include "net/endpoint.h"
#include "net/unix_path.h"

namespace mooring::net {

struct ClaimOptions {
  int shards = 1;
  int backlog = 4096;                  // of a shard's socket, as listen(2) is given it; see Backlog
  int somaxconn = 4096;                // the most that one socket gets for all shards
  uint32_t notsent_lowat = 128 << 10;  // TCP_NOTSENT_LOWAT, inherited by what is accepted (tcp(7))
  uint32_t user_timeout_ms = 0;        // TCP_USER_TIMEOUT; only where the service has a write-stall deadline
  bool defer_accept = false;           // TCP_DEFER_ACCEPT of a second; see ServiceOptions
  uint32_t patience_ms = 0;            // how long an endpoint that is in use is asked for again, each 10 ms
};

class Claim {
 public:
  // Binds and listens. Errors name the endpoint and say what to do: in use, not a local address, no permission.
  static absl::StatusOr<Claim> Take(core::Kernel* kernel, const Endpoint& endpoint, const ClaimOptions& options);
  // Takes over a socket that listens already, at `endpoint` (empty: at an abstract Unix name), and gives it the options
  // and the backlog of one that Take makes. The claim owns `fd` from now on, whatever the result.
  static absl::StatusOr<Claim> Inherit(core::Kernel* kernel, int fd, const Endpoint& endpoint,
                                       const ClaimOptions& options);
  Claim(Claim&& other) noexcept;
  Claim& operator=(Claim&& other) noexcept;
  ~Claim();  // closes what Release has not handed out

  const Endpoint& endpoint() const { return endpoint_; }  // with the port that port 0 became
  const Address& address() const { return endpoint_.address(); }
  int backlog() const { return backlog_; }
  bool shared() const { return shared_; }  // as Transport::Listen has it
  int Release(int shard) { return std::exchange(sockets_[shard], -1); }
  // Nobody new finds a Unix socket by its path from now on, and another server may claim it; TCP listeners are for
  // Transport::RefuseNew. First in a drain. Nothing, where the path is not ours.
  void Withdraw() { path_.Withdraw(); }

 private:
  Claim(core::Kernel* kernel, const Endpoint& endpoint, int backlog)
      : kernel_(kernel), endpoint_(endpoint), backlog_(backlog) {}
  absl::Status TakePort(const ClaimOptions& options);
  absl::Status TakePath(const ClaimOptions& options);
  absl::Status Share(const ClaimOptions& options);  // sockets_[0] with the other shards

  core::Kernel* kernel_;
  Endpoint endpoint_;
  int backlog_;
  bool shared_ = false;
  UnixPath path_;
  std::vector<int> sockets_;  // nonblocking, listening; all of one SO_REUSEPORT group, or of one shared socket
};

// min(4096, somaxconn, slots / 8 / listeners), at least 1: so the backlogs of a shard can never overfill its table.
int Backlog(uint32_t slots, int listeners, int somaxconn);
int ReadSomaxconn();  // /proc/sys/net/core/somaxconn; 4096 where it cannot be read

}  // namespace mooring::net

#endif  // MOORING_NET_CLAIM_H_
