// SPDX-License-Identifier: Apache-2.0
#include "server/admin/peer_prefix.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <string>

#include "absl/strings/str_cat.h"

namespace mooring::server::admin {
namespace {

constexpr int kMappedBits = 96;  // of ::ffff:0:0/96, before an IPv4 address

absl::uint128 BitsOf(const in6_addr& address) {
  absl::uint128 bits = 0;
  for (const uint8_t byte : address.s6_addr) bits = (bits << 8) | byte;
  return bits;
}
absl::uint128 BitsOf(const in_addr& address) { return (absl::uint128(0xffff) << 32) | ntohl(address.s_addr); }

absl::Status Wrong(std::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat("peer=", std::string(text),
                                                 ": it is an address without a port, 192.0.2.7 or 2001:db8::1, ",
                                                 "or a block of them, 192.0.2.0/24 or 2001:db8::/32"));
}

}  // namespace

absl::uint128 BitsOf(const net::Address& address) {
  if (address.family() == AF_INET) return BitsOf(reinterpret_cast<const sockaddr_in*>(address.get())->sin_addr);
  if (address.family() == AF_INET6) return BitsOf(reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_addr);
  return 0;
}

absl::StatusOr<PeerPrefix> PeerPrefix::Parse(std::string_view text) {
  std::string host(text.substr(0, text.find('/')));
  if (host.find('\0') != std::string::npos) return Wrong(text);  // where inet_pton(3) would stop
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  PeerPrefix prefix;
  in_addr v4;
  in6_addr v6;
  int first = 0;  // bit of the address that was written
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    prefix.bits_ = BitsOf(v4);
    first = kMappedBits;
  } else if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) {
    prefix.bits_ = BitsOf(v6);
  } else {
    return Wrong(text);
  }
  int length = 128 - first;
  if (const size_t slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc() || end != digits.data() + digits.size() || length < 0 || length > 128 - first)
      return Wrong(text);
  }
  const int ones = first + length;
  prefix.mask_ = ones == 0 ? absl::uint128(0) : absl::Uint128Max() << (128 - ones);
  prefix.bits_ &= prefix.mask_;
  return prefix;
}

}  // namespace mooring::server::admin
