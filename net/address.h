// SPDX-License-Identifier: Apache-2.0
// Address: an IPv4 or IPv6 socket address with its port, 28 bytes, and its text form.
//
// Text is HOST:PORT with a numeric host, "127.0.0.1:7000" or "[::1]:7000". Names are not looked up here: a listener
// that depends on a resolver at start is an outage waiting for one.
//
// Threads:  a value.
#ifndef MOORING_NET_ADDRESS_H_
#define MOORING_NET_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mooring::net {

class Address {
 public:
  Address() = default;
  explicit Address(const sockaddr* from);  // AF_INET or AF_INET6; anything else gives an empty address

  // Errors say what was wrong and give an example; a host that is a name is one of them.
  static absl::StatusOr<Address> Parse(std::string_view text);

  bool empty() const { return family() == AF_UNSPEC; }
  int family() const { return storage_.any.sa_family; }
  uint16_t port() const;
  void set_port(uint16_t port);
  const sockaddr* get() const { return &storage_.any; }
  sockaddr* get() { return &storage_.any; }
  socklen_t size() const { return family() == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in); }
  static constexpr socklen_t kSizeMax = sizeof(sockaddr_in6);

  std::string ToString() const;  // what Parse reads; "none" when empty
  friend bool operator==(const Address& a, const Address& b);

 private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6 = {};
  } storage_;
};

}  // namespace mooring::net

#endif  // MOORING_NET_ADDRESS_H_
