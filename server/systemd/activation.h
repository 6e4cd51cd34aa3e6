// SPDX-License-Identifier: Apache-2.0
// Activation: the listening sockets that the service manager opened for this process (sd_listen_fds(3)), without
// libsystemd.
//
// They are named by FileDescriptorName= of their .socket unit, or like the unit itself; several may have one name. Each
// is checked before anything is done with it: what cannot be listened on is an error, not a surprise later.
//
// Threads:  before there are any (it changes the environment).
// Owns:     InheritedSockets owns what has not been taken.
#ifndef MOORING_SERVER_SYSTEMD_ACTIVATION_H_
#define MOORING_SERVER_SYSTEMD_ACTIVATION_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "net/endpoint.h"

namespace mooring::server::systemd {

struct InheritedSocket {
  int fd;                  // close-on-exec, nonblocking, of SOCK_STREAM, listening
  std::string name;        // "unknown" where the manager says none
  net::Endpoint endpoint;  // where it listens; empty: an abstract Unix socket
};

class InheritedSockets {
 public:
  // LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, which are then unset. None of them, or those of another process: no
  // sockets. `first`: the descriptor at which they begin; only tests have others than 3.
  static absl::StatusOr<InheritedSockets> FromEnvironment(int first = 3);

  InheritedSockets() = default;
  InheritedSockets(InheritedSockets&& other) noexcept { sockets_.swap(other.sockets_); }
  InheritedSockets& operator=(InheritedSockets&& other) noexcept;
  ~InheritedSockets();  // closes what nobody took

  const std::vector<InheritedSocket>& left() const { return sockets_; }
  // The first socket of that name, or, if none has it, that listens there; it is the caller's. nullopt: neither.
  std::optional<InheritedSocket> Take(std::string_view name, const net::Endpoint& endpoint);

 private:
  std::vector<InheritedSocket> sockets_;
};

}  // namespace mooring::server::systemd

#endif  // MOORING_SERVER_SYSTEMD_ACTIVATION_H_
