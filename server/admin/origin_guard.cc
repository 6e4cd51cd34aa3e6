// SPDX-License-Identifier: Apache-2.0
#include "server/admin/origin_guard.h"

#include <netinet/in.h>

#include <string>

#include "absl/status/statusor.h"
#include "server/admin/answers.h"
#include "server/http/authority.h"
#include "server/http/fields.h"

namespace mooring::server::admin {
namespace {

// All that the page needs is its own. Nothing may frame it, and no form of it goes anywhere.
constexpr char kPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri "
    "'none'; "
    "form-action 'none'; frame-ancestors 'none'";

void AddSafety(http::Request* request) {
  request->SetHeader("Cache-Control", "no-store");
  request->SetHeader("X-Content-Type-Options", "nosniff");
  request->SetHeader("Content-Security-Policy", kPolicy);
  request->SetHeader("X-Frame-Options", "DENY");  // for browsers that do not know frame-ancestors
  request->SetHeader("Referrer-Policy", "no-referrer");
  request->SetHeader("Cross-Origin-Resource-Policy", "same-origin");
}

}  // namespace

bool IsLoopback(const net::Address& address) {
  if (address.family() == AF_INET) {
    return (ntohl(reinterpret_cast<const sockaddr_in*>(address.get())->sin_addr.s_addr) >> 24) == 127;
  }
  return address.family() == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_addr);
}

bool IsWildcard(const net::Address& address) {
  if (address.family() == AF_INET) {
    return reinterpret_cast<const sockaddr_in*>(address.get())->sin_addr.s_addr == htonl(INADDR_ANY);
  }
  return address.family() == AF_INET6 &&
         IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_addr);
}

bool OriginGuard::IsOurs(std::string_view host) const {
  if (http::SameIgnoringCase(host, "localhost")) return true;
  const absl::StatusOr<net::Address> address = net::Address::Parse(std::string(host) + ":0");
  if (!address.ok()) return false;  // a name
  if (IsLoopback(*address)) return true;
  if (listening_.is_unix()) return false;
  if (IsWildcard(listening_.address())) return true;
  net::Address own = listening_.address();
  own.set_port(0);
  return *address == own;
}

std::optional<http::Response> OriginGuard::Refuse(const http::Request& request, int status, const char* why) const {
  if (on_refused_) on_refused_(request, status);
  return Error(status, why);
}

std::optional<http::Response> OriginGuard::operator()(http::Request& request) const {
  AddSafety(&request);
  const std::optional<std::string_view> host = request.fields().Find("Host");
  if (host.has_value()) {
    const std::optional<http::Authority> authority = http::Authority::Parse(*host);
    if (!authority.has_value() || !IsOurs(authority->host)) {
      return Refuse(request, 421,
                    "the Host of the request is not an address of this listener: use localhost or its number");
    }
  }
  const std::optional<std::string_view> site = request.fields().Find("Sec-Fetch-Site");
  if (site.has_value() && *site != "same-origin" && *site != "none") {
    return Refuse(request, 403, "the request comes from another site's page");
  }
  const std::optional<std::string_view> origin = request.fields().Find("Origin");
  if (origin.has_value()) {
    const std::string own(host.value_or(std::string_view()));
    if (own.empty() ||
        (!http::SameIgnoringCase(*origin, "http://" + own) && !http::SameIgnoringCase(*origin, "https://" + own))) {
      return Refuse(request, 403, "the request comes from another site's page");
    }
  }
  return std::nullopt;
}

}  // namespace mooring::server::admin
