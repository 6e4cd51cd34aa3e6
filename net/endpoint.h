// SPDX-License-Identifier: Apache-2.0
// Endpoint: where a listener listens: an IP address with its port, or the path of a Unix-domain socket.
//
// Text is HOST:PORT as Address has it, tcp://HOST:PORT (the same), or unix:PATH. A path is kept as it is given; a
// relative one is of the directory that the process was started in.
//
// Threads:  a value.
// Limits:   a path has 1 to kPathBytesMax bytes.
#ifndef MOORING_NET_ENDPOINT_H_
#define MOORING_NET_ENDPOINT_H_

#include <sys/un.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "net/address.h"

namespace mooring::net {

class Endpoint {
 public:
  // unix(7): sun_path has 108 bytes with the zero at its end. A listener is made as PATH.tmp.
  static constexpr size_t kPathBytesMax = sizeof(sockaddr_un::sun_path) - 1 - sizeof(".tmp") + 1;

  Endpoint() = default;
  Endpoint(const Address& address) : address_(address) {}  // NOLINT: an address is one

  // Errors say what was wrong and give an example.
  static absl::StatusOr<Endpoint> Parse(std::string_view text);

  bool is_unix() const { return !path_.empty(); }
  bool empty() const { return path_.empty() && address_.empty(); }
  const std::string& path() const { return path_; }   // empty unless is_unix()
  const Address& address() const { return address_; }  // empty if is_unix()

  std::string ToString() const;  // what Parse reads; "none" when empty
  friend bool operator==(const Endpoint& a, const Endpoint& b) {
    return a.path_ == b.path_ && a.address_ == b.address_;
  }

 private:
  Address address_;
  std::string path_;
};

}  // namespace mooring::net

#endif  // MOORING_NET_ENDPOINT_H_
