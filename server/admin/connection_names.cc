// SPDX-License-Identifier: Apache-2.0
#include "server/admin/connection_names.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"

namespace mooring::server::admin {
namespace {

constexpr std::string_view kDraining = "draining";

// The digits up to `text`'s next '-' or its end, which go. None where they are no number up to `max`.
std::optional<uint64_t> TakeNumber(std::string_view* text, uint64_t max) {
  const size_t end = std::min(text->find('-'), text->size());
  uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text->data(), text->data() + end, number);
  if (error != std::errc() || stop != text->data() + end || number > max) return std::nullopt;
  text->remove_prefix(end);
  return number;
}

}  // namespace

std::string TextOf(net::ConnectionId id) { return absl::StrCat(id.shard(), "-", id.slot(), "-", id.generation()); }

std::optional<net::ConnectionId> ConnectionIdOf(std::string_view text) {
  uint64_t parts[3];
  constexpr uint64_t kMax[3] = {0x3ff, 0x3fffff, UINT32_MAX};
  for (int i = 0; i < 3; ++i) {
    if (i > 0) {
      if (text.empty()) return std::nullopt;
      text.remove_prefix(1);  // TakeNumber stops at '-' only
    }
    const std::optional<uint64_t> number = TakeNumber(&text, kMax[i]);
    if (!number.has_value()) return std::nullopt;
    parts[i] = *number;
  }
  if (!text.empty()) return std::nullopt;
  return net::ConnectionId{parts[0] << 54 | parts[1] << 32 | parts[2]};
}

std::string_view StateOf(const net::ConnectionFigures& figures) {
  return figures.draining && figures.state == net::ConnectionState::kOpen ? kDraining : Name(figures.state);
}

std::vector<std::string_view> States() {
  std::vector<std::string_view> states;
  for (int i = 0; i < static_cast<int>(net::ConnectionState::kCount); ++i) {
    const auto state = static_cast<net::ConnectionState>(i);
    states.push_back(Name(state));
    if (state == net::ConnectionState::kOpen) states.push_back(kDraining);
  }
  return states;
}

}  // namespace mooring::server::admin
