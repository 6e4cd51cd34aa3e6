// SPDX-License-Identifier: Apache-2.0
#include "server/http/range.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "server/http/fields.h"

namespace mooring::server::http {
namespace {

// Digits alone; what is too large is the largest number, which is behind the end of every file.
std::optional<uint64_t> Number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
    value = value > (kMax - digit) / 10 ? kMax : value * 10 + digit;
  }
  return value;
}

}  // namespace

Range ParseRange(std::string_view value, uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (size == 0 || !SameIgnoringCase(value.substr(0, kUnit.size()), kUnit)) return {};
  value.remove_prefix(kUnit.size());
  const size_t dash = value.find('-');
  if (dash == std::string_view::npos) return {};
  const std::string_view before = value.substr(0, dash);
  const std::string_view behind = value.substr(dash + 1);
  if (before.empty()) {
    const std::optional<uint64_t> last = Number(behind);
    if (!last) return {};
    if (*last == 0) return {.kind = Range::Kind::kUnsatisfiable};
    const uint64_t bytes = std::min(*last, size);
    return {.kind = Range::Kind::kPart, .offset = size - bytes, .bytes = bytes};
  }
  const std::optional<uint64_t> from = Number(before);
  if (!from) return {};
  uint64_t to = size - 1;
  if (!behind.empty()) {
    const std::optional<uint64_t> last = Number(behind);
    if (!last || *last < *from) return {};
    to = std::min(to, *last);
  }
  if (*from >= size) return {.kind = Range::Kind::kUnsatisfiable};
  return {.kind = Range::Kind::kPart, .offset = *from, .bytes = to - *from + 1};
}

}  // namespace mooring::server::http
