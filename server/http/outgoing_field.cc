// SPDX-License-Identifier: Apache-2.0
#include "server/http/outgoing_field.h"

#include <algorithm>
#include <array>

#include "absl/strings/match.h"

namespace mooring::server::http {
namespace {

// RFC 9110, section 5.6.2.
constexpr std::array<bool, 256> TokenBytes() {
  std::array<bool, 256> is{};
  for (int c = '0'; c <= '9'; ++c) is[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) is[c] = is[c - 'a' + 'A'] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) is[static_cast<unsigned char>(c)] = true;
  return is;
}
constexpr std::array<bool, 256> kTokenByte = TokenBytes();

constexpr std::array<std::string_view, 7> kServers = {"Date",       "Server",     "Content-Length", "Transfer-Encoding",
                                                      "Connection", "Keep-Alive", "Upgrade"};

}  // namespace

bool FitsInHead(std::string_view name, std::string_view value) {
  const auto in_name = [](char c) { return kTokenByte[static_cast<unsigned char>(c)]; };
  const auto in_value = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), in_name) &&
         std::all_of(value.begin(), value.end(), in_value);
}

bool IsTheServers(std::string_view name) {
  return std::any_of(kServers.begin(), kServers.end(), [name](std::string_view own) {
    return absl::EqualsIgnoreCase({own.data(), own.size()}, {name.data(), name.size()});
  });
}

bool AppendField(std::string_view name, std::string_view value, std::string* lines) {
  if (!FitsInHead(name, value) || IsTheServers(name)) return false;
  lines->append(name).append(": ").append(value).append("\r\n");
  return true;
}

}  // namespace mooring::server::http
