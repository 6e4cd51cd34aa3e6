// SPDX-License-Identifier: Apache-2.0
// OriginGuard: whose requests the admin interface answers: those of programs, and of its own page in a browser.
//
// A browser runs other people's scripts next to what listens on loopback. So a request is answered only if
//   - its Host is an address of this listener: numeric loopback, `localhost`, or the one that it listens on, with any
//     port; any number where it listens on a wildcard. Else 421: a name that an attacker's DNS answers with our address
//     (rebinding) makes a foreign page ours for the browser, but its Host tells;
//   - Sec-Fetch-Site, if there is one, is same-origin or none; else 403;
//   - Origin, if there is one, is that Host with http or https before it; else 403. `null` is nobody's.
// What has neither Host nor the others is no browser's (HTTP/1.0 probes) and passes.
//
// A filter (Router::Use). It also adds to every answer what keeps browsers from caching, framing or guessing.
//
// Threads:  one shard.
// Owns:     a copy of where it listens.
#ifndef MOORING_SERVER_ADMIN_ORIGIN_GUARD_H_
#define MOORING_SERVER_ADMIN_ORIGIN_GUARD_H_

#include <functional>
#include <optional>
#include <string_view>

#include "net/endpoint.h"
#include "server/http/request.h"
#include "server/http/response.h"

namespace mooring::server::admin {

class OriginGuard {
 public:
  using OnRefused = std::function<void(const http::Request& request, int status)>;

  explicit OriginGuard(const net::Endpoint& listening, OnRefused on_refused = nullptr)
      : listening_(listening), on_refused_(std::move(on_refused)) {}
  std::optional<http::Response> operator()(http::Request& request) const;

 private:
  bool IsOurs(std::string_view host) const;  // an Authority's
  std::optional<http::Response> Refuse(const http::Request& request, int status, const char* why) const;

  net::Endpoint listening_;
  OnRefused on_refused_;
};

// 127.0.0.0/8 or ::1.
bool IsLoopback(const net::Address& address);
// 0.0.0.0 or ::.
bool IsWildcard(const net::Address& address);

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_ORIGIN_GUARD_H_
