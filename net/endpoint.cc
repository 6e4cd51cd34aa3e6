// SPDX-License-Identifier: Apache-2.0
#include "net/endpoint.h"

#include "absl/strings/str_cat.h"

namespace mooring::net {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kTcp = "tcp://";

absl::Status Wrong(std::string_view text, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("'", absl::string_view(text.data(), text.size()),
                                                 "' is not an endpoint: ", what, "; write unix:PATH, e.g. "
                                                 "unix:/run/mooring/echo.sock"));
}

}  // namespace

absl::StatusOr<Endpoint> Endpoint::Parse(std::string_view text) {
  if (text.substr(0, kUnix.size()) != kUnix) {
    if (text.substr(0, kTcp.size()) == kTcp) text.remove_prefix(kTcp.size());
    absl::StatusOr<Address> address = Address::Parse(text);
    if (!address.ok()) return address.status();
    return Endpoint(*address);
  }
  const std::string_view path = text.substr(kUnix.size());
  if (path.empty()) return Wrong(text, "it has no path");
  if (path.find('\0') != std::string_view::npos) return Wrong(text, "its path has a zero byte");
  if (path.back() == '/') return Wrong(text, "its path is a directory");
  if (path.size() > kPathBytesMax) {
    return Wrong(text, absl::StrCat("its path has ", path.size(), " bytes, and at most ", kPathBytesMax, " are possible"));
  }
  Endpoint out;
  out.path_ = path;
  return out;
}

std::string Endpoint::ToString() const {
  return is_unix() ? absl::StrCat("unix:", path_) : address_.ToString();
}

}  // namespace mooring::net
