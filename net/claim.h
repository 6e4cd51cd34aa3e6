// SPDX-License-Identifier: Apache-2.0
// Claim: an endpoint's listening sockets, one per shard, taken so that no second server can join them by accident.
//
// With SO_REUSEPORT set before bind, a second process of the same user joins the port silently. So the first socket
// binds and listens with SO_REUSEADDR only, which fails when anybody listens there; only then it sets SO_REUSEPORT, and
// its siblings bind and listen. A sibling's EADDRINUSE (a loser inside its failing listen) is retried each millisecond,
// up to 200 times. Restarting over TIME_WAIT works.
//
// Threads:  one.
// Owns:     the sockets until Take.
#ifndef MOORING_NET_CLAIM_H_
#define MOORING_NET_CLAIM_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/kernel.h"
#include "net/address.h"

namespace mooring::net {

struct ClaimOptions {
  int shards = 1;
  int backlog = 4096;                  // as listen(2) is given it; see Backlog
  uint32_t notsent_lowat = 128 << 10;  // TCP_NOTSENT_LOWAT, inherited by what is accepted (tcp(7))
  uint32_t user_timeout_ms = 0;        // TCP_USER_TIMEOUT; only where the service has a write-stall deadline
};

class Claim {
 public:
  // Binds and listens. Errors name the address and say what to do: in use, not a local address, no permission.
  static absl::StatusOr<Claim> Take(core::Kernel* kernel, const Address& endpoint, const ClaimOptions& options);
  Claim(Claim&& other) noexcept;
  Claim& operator=(Claim&& other) noexcept;
  ~Claim();  // closes what Release has not handed out

  const Address& address() const { return address_; }  // with the port that port 0 became
  int backlog() const { return backlog_; }
  int Release(int shard) { return std::exchange(sockets_[shard], -1); }

 private:
  explicit Claim(core::Kernel* kernel) : kernel_(kernel) {}
  core::Kernel* kernel_;
  Address address_;
  int backlog_ = 0;
  std::vector<int> sockets_;  // nonblocking, listening; all of one SO_REUSEPORT group
};

// min(4096, somaxconn, slots / 8 / listeners), at least 1: so the backlogs of a shard can never overfill its table.
int Backlog(uint32_t slots, int listeners, int somaxconn);
int ReadSomaxconn();  // /proc/sys/net/core/somaxconn; 4096 where it cannot be read

}  // namespace mooring::net

#endif  // MOORING_NET_CLAIM_H_
