// SPDX-License-Identifier: Apache-2.0
#include "net/outgoing_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cstdint>

namespace mooring::net {
namespace {

constexpr uint32_t kNotSentLowat = 128 << 10;  // as on what listeners accept

}  // namespace

int OpenOutgoing(core::Kernel* kernel, const Address& to, const Address& from, int flags) {
  const int fd = kernel->Socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) return fd;
  int result = 0;
  const auto set = [&](int level, int name, uint32_t value) {
    if (result >= 0) result = kernel->SetOption(fd, level, name, &value, sizeof(value));
  };
  const bool tcp = to.family() != AF_UNIX;
  if (tcp) set(IPPROTO_TCP, TCP_NODELAY, 1);
  if (tcp) set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, kNotSentLowat);
  if (!from.empty()) {
    // The port is then chosen by connect(2), which may share it between destinations (ip(7)).
    if (tcp && from.port() == 0) set(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (result >= 0) result = kernel->Bind(fd, from.get(), from.size());
  }
  if (result >= 0) return fd;
  kernel->Close(fd);
  return result;
}

}  // namespace mooring::net
