// SPDX-License-Identifier: Apache-2.0
#include "server/http/percent.h"

namespace mooring::server::http {
namespace {

constexpr int HexOf(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  const char small = static_cast<char>(digit | 0x20);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

// The byte that the escape at the beginning of `text` stands for; -1 where there is no whole one.
int ByteOf(std::string_view text) {
  if (text.size() < 3) return -1;
  const int high = HexOf(text[1]);
  const int low = HexOf(text[2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

}  // namespace

std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string plain;
  plain.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%') {
      const int byte = ByteOf(text.substr(at));
      if (byte < 0) return std::nullopt;
      plain += static_cast<char>(byte);
      at += 2;
    } else {
      plain += plus_is_space && text[at] == '+' ? ' ' : text[at];
    }
  }
  return plain;
}

}  // namespace mooring::server::http
