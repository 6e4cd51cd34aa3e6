// SPDX-License-Identifier: Apache-2.0
#include "server/http/authority.h"

#include "server/http/byte_scan.h"
#include "server/http/fields.h"

namespace mooring::server::http {
namespace {

// Behind the '['. The address itself is not taken apart: what matters is that its end cannot be seen elsewhere.
const char* SkipBracketed(const char* p, const char* end) {
  const char* const begin = p;
  while (p != end && (Is(*p, kHexByte) || *p == ':' || *p == '.')) ++p;
  return p != end && *p == ']' && p != begin ? p + 1 : nullptr;
}

const char* SkipName(const char* p, const char* end) {
  for (;;) {
    p = Skip<kHostByte>(p, end);
    if (p == end || *p != '%') return p;
    if (end - p < 3 || !Is(p[1], kHexByte) || !Is(p[2], kHexByte)) return nullptr;
    p += 3;
  }
}

}  // namespace

std::optional<Authority> Authority::Parse(std::string_view text) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  if (text.empty()) return std::nullopt;
  const char* p = *begin == '[' ? SkipBracketed(begin + 1, end) : SkipName(begin, end);
  if (p == nullptr || p == begin) return std::nullopt;
  Authority authority{.host = {begin, static_cast<size_t>(p - begin)}, .port = std::nullopt};
  if (p == end) return authority;
  if (*p != ':') return std::nullopt;
  ++p;
  if (p == end) return authority;  // "host:" is allowed, and is as without
  uint32_t port = 0;
  for (; p != end; ++p) {
    if (!Is(*p, kDigitByte)) return std::nullopt;
    port = port * 10 + static_cast<uint32_t>(*p - '0');
    if (port > 65535) return std::nullopt;
  }
  authority.port = static_cast<uint16_t>(port);
  return authority;
}

bool Authority::Same(const Authority& other, uint16_t default_port) const {
  return port.value_or(default_port) == other.port.value_or(default_port) && SameIgnoringCase(host, other.host);
}

}  // namespace mooring::server::http
