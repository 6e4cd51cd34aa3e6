// SPDX-License-Identifier: Apache-2.0
// SimAddress: an IPv4 or IPv6 address with a port, or the path of a Unix socket, as the simulated network compares them.
//
// IPv4 is kept in its mapped form, so that a dual-stack listener and an IPv4 peer meet in one comparison.
//
// Threads:  a value.
#ifndef MOORING_TESTS_SIM_SIM_ADDRESS_H_
#define MOORING_TESTS_SIM_SIM_ADDRESS_H_

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace mooring::sim {

struct SimAddress {
  sa_family_t family = AF_UNSPEC;
  std::array<uint8_t, 16> ip = {};
  uint16_t port = 0;
  std::string path = {};  // AF_UNIX; empty: unnamed

  static SimAddress FromSockaddr(const sockaddr* from, socklen_t size);  // AF_UNSPEC for what it does not know
  static SimAddress Parse(std::string_view text);  // "127.0.0.1:80", "[::1]:80", "unix:/a"; else AF_UNSPEC
  static SimAddress Any(sa_family_t family);

  bool any() const;     // the wildcard, of either family
  bool mapped() const;  // an IPv4 address
  bool SameIp(const SimAddress& other) const { return ip == other.ip; }

  // As getsockname(2) gives it to a socket of `as`: an IPv4 address on an AF_INET6 socket is mapped.
  socklen_t ToSockaddr(sa_family_t as, sockaddr_storage* to) const;
  std::string ToString() const;
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_SIM_ADDRESS_H_
