// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>

#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace mooring::net {
namespace {

absl::Status Wrong(const std::string& text, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not an address: ", what,
                                                 "; write HOST:PORT, e.g. 127.0.0.1:7000 or [::1]:7000"));
}

}  // namespace

Address::Address(const sockaddr* from) {
  if (from->sa_family == AF_INET) std::memcpy(&storage_.v4, from, sizeof(storage_.v4));
  if (from->sa_family == AF_INET6) std::memcpy(&storage_.v6, from, sizeof(storage_.v6));
}

absl::StatusOr<Address> Address::Parse(std::string_view given) {
  const std::string text(given);
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return Wrong(text, "it has no port");
  if (text.find('\0') != std::string::npos) return Wrong(text, "it has a zero byte");  // where inet_pton(3) would stop
  std::string host = text.substr(0, colon);
  const std::string digits = text.substr(colon + 1);
  uint32_t port = 0;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(digits, &port) || port > 65535) {
    return Wrong(text, "its port is not a number from 0 to 65535");
  }

  Address out;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &out.storage_.v6.sin6_addr) != 1) {
      return Wrong(text, "what is in the brackets is not an IPv6 address");
    }
    out.storage_.v6.sin6_family = AF_INET6;
  } else if (inet_pton(AF_INET, host.c_str(), &out.storage_.v4.sin_addr) == 1) {
    out.storage_.v4.sin_family = AF_INET;
  } else if (host.empty()) {
    return Wrong(text, "it has no host (0.0.0.0 or [::] means every address of this machine)");
  } else if (host.find(':') != std::string::npos) {
    return Wrong(text, "an IPv6 host needs brackets");
  } else if (host.find_first_not_of("0123456789.") == std::string::npos) {
    return Wrong(text, "its host is not an IPv4 address");
  } else {
    return Wrong(text, "its host is a name, and names are not looked up");
  }
  out.set_port(static_cast<uint16_t>(port));
  return out;
}

uint16_t Address::port() const {
  switch (family()) {
    case AF_INET: return ntohs(storage_.v4.sin_port);
    case AF_INET6: return ntohs(storage_.v6.sin6_port);
    default: return 0;
  }
}

void Address::set_port(uint16_t port) {
  if (family() == AF_INET) storage_.v4.sin_port = htons(port);
  if (family() == AF_INET6) storage_.v6.sin6_port = htons(port);
}

std::string Address::ToString() const {
  char host[INET6_ADDRSTRLEN] = {};
  switch (family()) {
    case AF_INET:
      inet_ntop(AF_INET, &storage_.v4.sin_addr, host, sizeof(host));
      return absl::StrCat(host, ":", port());
    case AF_INET6:
      inet_ntop(AF_INET6, &storage_.v6.sin6_addr, host, sizeof(host));
      return absl::StrCat("[", host, "]:", port());
    default: return "none";
  }
}

bool operator==(const Address& a, const Address& b) {
  if (a.family() != b.family() || a.port() != b.port()) return false;
  switch (a.family()) {
    case AF_INET: return a.storage_.v4.sin_addr.s_addr == b.storage_.v4.sin_addr.s_addr;
    case AF_INET6:
      return std::memcmp(&a.storage_.v6.sin6_addr, &b.storage_.v6.sin6_addr, sizeof(in6_addr)) == 0 &&
             a.storage_.v6.sin6_scope_id == b.storage_.v6.sin6_scope_id;
    default: return true;
  }
}

}  // namespace mooring::net
