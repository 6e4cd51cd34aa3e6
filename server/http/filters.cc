// SPDX-License-Identifier: Apache-2.0
#include "server/http/filters.h"

#include <sys/random.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "server/http/outgoing_field.h"

namespace mooring::server::http {
namespace {

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

bool IsSaneId(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

// The user and the password, with a ':' between them, that the field's value says; empty where it is no such thing.
std::string CredentialsOf(std::string_view value) {
  constexpr std::string_view kScheme = "basic ";
  std::string credentials;
  if (value.size() < kScheme.size() || !SameIgnoringCase(value.substr(0, kScheme.size()), kScheme)) return credentials;
  value.remove_prefix(std::min(value.find_first_not_of(' ', kScheme.size()), value.size()));
  if (!absl::Base64Unescape(View(value), &credentials)) credentials.clear();
  const auto control = [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); };
  if (std::any_of(credentials.begin(), credentials.end(), control)) credentials.clear();  // RFC 7617, section 2
  return credentials;
}

}  // namespace

std::optional<Response> RequestId::operator()(Request& request) {
  if (const std::string_view id = request.Header(kField); IsSaneId(id)) {
    request.SetHeader(kField, id);
    return std::nullopt;
  }
  if (used_ == sizeof(random_)) {
    // So few bytes come whole and at once, except before the machine has gathered any; no id is better than a bad one.
    if (getrandom(random_.data(), sizeof(random_), GRND_NONBLOCK) != sizeof(random_)) return std::nullopt;
    used_ = 0;
  }
  const absl::string_view bits(reinterpret_cast<const char*>(random_.data()) + used_, kIdBytes);
  used_ += kIdBytes;
  request.SetHeader(kField, absl::BytesToHexString(bits));
  return std::nullopt;
}

bool SameSecret(std::string_view a, std::string_view b) {
  size_t difference = a.size() ^ b.size();
  for (size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference |= static_cast<unsigned char>(a[i] ^ other);
  }
  return difference == 0;
}

BasicAuth::BasicAuth(std::string_view realm, Check check) : challenge_("Basic realm=\""), check_(std::move(check)) {
  assert(FitsInHead("WWW-Authenticate", realm));
  assert(check_ != nullptr);
  for (const char c : realm) {
    if (c == '"' || c == '\\') challenge_ += '\\';
    challenge_ += c;
  }
  challenge_ += "\", charset=\"UTF-8\"";
}

std::optional<Response> BasicAuth::operator()(Request& request) const {
  if (request.fields().Count("Authorization") == 1) {
    const std::string credentials = CredentialsOf(request.Header("Authorization"));
    const size_t colon = credentials.find(':');
    if (colon != std::string::npos) {
      const std::string_view user = std::string_view(credentials).substr(0, colon);
      if (check_(user, std::string_view(credentials).substr(colon + 1))) {
        request.note = user;
        return std::nullopt;
      }
    }
  }
  return Response::Plain(401).Header("WWW-Authenticate", challenge_);
}

core::Task<Response> ConcurrencyLimit::operator()(Request& request, const Next& next) {
  if (requests_ >= requests_max_) {
    co_return Response::Plain(503).Header("Retry-After", std::to_string(retry_after_s_));
  }
  struct Place {  // given back however the rest ends
    explicit Place(uint32_t* requests) : requests(requests) { ++*requests; }
    Place(const Place&) = delete;
    ~Place() { --*requests; }
    uint32_t* const requests;
  } place(&requests_);
  co_return co_await next(request);
}

}  // namespace mooring::server::http
