// SPDX-License-Identifier: Apache-2.0
#include "server/http/safe_path.h"

#include "server/http/percent.h"

namespace mooring::server::http {
namespace {

constexpr size_t kNameBytesMax = 255;  // NAME_MAX (limits.h, Linux)

// What may stand in a path besides slashes and escapes (RFC 3986, section 3.3).
bool IsPathByte(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("-._~!$&'()*+,;=:@").find(c) != std::string_view::npos;
}

}  // namespace

std::optional<std::string> SafePath(std::string_view raw) {
  std::string path;
  path.reserve(raw.size());
  while (!raw.empty()) {
    const size_t slash = raw.find('/');
    const std::string_view sent = raw.substr(0, slash);
    raw.remove_prefix(slash == std::string_view::npos ? raw.size() : slash + 1);
    if (sent.empty()) continue;
    const std::optional<std::string> name = PercentDecode(sent);
    if (!name || name->size() > kNameBytesMax || name->front() == '.') return std::nullopt;
    if (name->find('/') != std::string::npos || name->find('\0') != std::string::npos) return std::nullopt;
    path.append(*name);
    if (slash != std::string_view::npos) path.push_back('/');
  }
  return path;
}

std::optional<std::string_view> VerbatimPath(std::string_view raw) {
  if (raw.find('%') != std::string_view::npos) return std::nullopt;
  if (!raw.empty() && raw.front() == '/') raw.remove_prefix(1);
  return raw;
}

std::string LocationOfFolder(std::string_view raw) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string location = "/";
  for (const char c : raw) {
    if (c == '/') {
      if (location.back() != '/') location.push_back(c);
    } else if (c == '%' || IsPathByte(c)) {
      location.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      location.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  if (location.back() != '/') location.push_back('/');
  return location;
}

}  // namespace mooring::server::http
