// SPDX-License-Identifier: Apache-2.0
// Authority: the host and port of a Host field or of a target (RFC 3986, section 3.2), without userinfo.
#ifndef MOORING_SERVER_HTTP_AUTHORITY_H_
#define MOORING_SERVER_HTTP_AUTHORITY_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace mooring::server::http {

struct Authority {
  std::string_view host;  // not empty; an address of IPv6 with its brackets
  std::optional<uint16_t> port;

  // None where `text` is not one. Stricter than the RFC in two things, because no client needs them: a host is not
  // empty (no http URI has that, RFC 9110, section 4.2.1), and has no ',', which is what two Host lines look like once
  // something on the way has joined them.
  static std::optional<Authority> Parse(std::string_view text);

  // The same host, in any case, and the same port, where none means `default_port`.
  bool Same(const Authority& other, uint16_t default_port) const;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_AUTHORITY_H_
