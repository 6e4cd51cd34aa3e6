// SPDX-License-Identifier: Apache-2.0
#include "server/http/request.h"

#include <algorithm>

#include "server/http/outgoing_field.h"
#include "server/http/percent.h"

namespace mooring::server::http {

const net::Address Request::kNobody{};

std::optional<std::string> Request::Query(std::string_view name) const {
  for (std::string_view rest = query_; !rest.empty();) {
    const size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (pair.empty() || PercentDecode(pair.substr(0, equals), true) != name) continue;
    if (auto value = PercentDecode(pair.substr(std::min(equals + 1, pair.size())), true)) return value;
  }
  return std::nullopt;
}

std::string_view Request::RawParam(std::string_view name) const {
  for (uint8_t i = 0; i < parameter_count_; ++i) {
    if (parameters_[i].name == name) return parameters_[i].raw;
  }
  return {};
}

std::string Request::Param(std::string_view name) const {
  return PercentDecode(RawParam(name)).value_or(std::string());  // the router has looked at all escapes
}

bool Request::SetHeader(std::string_view name, std::string_view value) {
  // A second Content-Type beside the response's own would be read in two ways.
  if (!SameIgnoringCase(name, "Content-Type") && AppendField(name, value, &extra_lines_)) return true;
  left_out_ = static_cast<uint8_t>(std::min(left_out_ + 1, 255));
  return false;
}

std::string_view Request::HeaderSet(std::string_view name) const {
  for (std::string_view rest = extra_lines_; !rest.empty();) {
    const size_t end = rest.find("\r\n");
    const size_t colon = rest.find(':');
    if (SameIgnoringCase(rest.substr(0, colon), name)) return rest.substr(colon + 2, end - colon - 2);
    rest.remove_prefix(end + 2);
  }
  return {};
}

}  // namespace mooring::server::http
