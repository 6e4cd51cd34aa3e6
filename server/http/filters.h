// SPDX-License-Identifier: Apache-2.0
// Filters: what many services want in front of their routes or around them. For Router::Use.
//
//   router.Use(RequestId())
//       .Use(BasicAuth("ledger", [](auto user, auto password) { return SameSecret(password, PasswordOf(user)); }))
//       .Use(ConcurrencyLimit(64));
//
// Threads:  made by one; a router's copy has its own, which is one shard's: what they count is counted by shard.
#ifndef MOORING_SERVER_HTTP_FILTERS_H_
#define MOORING_SERVER_HTTP_FILTERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/task.h"
#include "server/http/request.h"
#include "server/http/response.h"
#include "server/http/router.h"

namespace mooring::server::http {

// Gives each request an id, which goes out as X-Request-Id; routes find it by request.HeaderSet(RequestId::kField). One
// that came with the request is kept where it is 1 to 128 of A-Z a-z 0-9 . _ -, so that a request can be followed
// through several servers; else it is 128 random bits in hexadecimal.
class RequestId {
 public:
  static constexpr std::string_view kField = "X-Request-Id";

  RequestId() = default;
  RequestId(const RequestId& /*other*/) {}  // no two give the same ids
  std::optional<Response> operator()(Request& request);

 private:
  static constexpr size_t kIdBytes = 16;

  std::array<unsigned char, 16 * kIdBytes> random_;  // one call to the kernel for 16 requests
  size_t used_ = sizeof(random_);
};

// Whether they are equal, in a time that says nothing of where they differ: for passwords and tokens. It does say
// something of their lengths.
bool SameSecret(std::string_view a, std::string_view b);

// HTTP's Basic authentication (RFC 7617): 401 where there is no user, or none that `check` knows. Who it is goes to
// request.note. The password crosses the network as it is: for loopback, or behind something that does TLS.
class BasicAuth {
 public:
  using Check = std::function<bool(std::string_view user, std::string_view password)>;

  // REQUIRES: a realm without control bytes; a check, which is not to wait.
  BasicAuth(std::string_view realm, Check check);
  std::optional<Response> operator()(Request& request) const;

 private:
  std::string challenge_;
  Check check_;
};

// At most so many requests at once on a shard, from here until their responses are made (a stream's own time is not
// counted); those beyond it are answered 503 with Retry-After. It makes all routes behind it coroutines: say it for
// those that wait for something.
class ConcurrencyLimit {
 public:
  explicit ConcurrencyLimit(uint32_t requests_max, uint32_t retry_after_s = 1)
      : requests_max_(requests_max), retry_after_s_(retry_after_s) {}
  // As many, none of which runs.
  ConcurrencyLimit(const ConcurrencyLimit& other) : ConcurrencyLimit(other.requests_max_, other.retry_after_s_) {}
  core::Task<Response> operator()(Request& request, const Next& next);

 private:
  const uint32_t requests_max_;
  const uint32_t retry_after_s_;
  uint32_t requests_ = 0;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_FILTERS_H_
