// SPDX-License-Identifier: Apache-2.0
#include "server/admin/query_keys.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/http/percent.h"

namespace mooring::server::admin {
namespace {

absl::Status Unknown(const std::string& key, std::initializer_list<std::string_view> known) {
  if (known.size() == 0) {
    return absl::InvalidArgumentError(absl::StrCat("'", key, "' is not known: this path takes no query"));
  }
  const std::vector<std::string> names(known.begin(), known.end());
  return absl::InvalidArgumentError(
      absl::StrCat("'", key, "' is not known: the query may have ", absl::StrJoin(names, ", ")));
}

}  // namespace

absl::StatusOr<QueryKeys> QueryKeys::Parse(std::string_view query, std::initializer_list<std::string_view> known) {
  QueryKeys keys;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view raw_value = pair.substr(std::min(equals + 1, pair.size()));
    std::optional<std::string> key = http::PercentDecode(pair.substr(0, equals), true);
    std::optional<std::string> value = http::PercentDecode(raw_value, true);
    if (!key.has_value() || !value.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("'", std::string(pair), "' has a % that is no %XX"));
    }
    if (std::find(known.begin(), known.end(), *key) == known.end()) return Unknown(*key, known);
    if (!keys.values_.emplace(*key, *std::move(value)).second) {
      return absl::InvalidArgumentError(absl::StrCat("'", *key, "' is there twice"));
    }
  }
  return keys;
}

std::optional<std::string> QueryKeys::Text(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

absl::StatusOr<std::optional<uint64_t>> QueryKeys::Number(std::string_view key, uint64_t min, uint64_t max) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  const std::string& text = found->second;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < min || number > max) {
    const std::string range =
        max == UINT64_MAX ? absl::StrCat("from ", min, " on") : absl::StrCat("from ", min, " to ", max);
    return absl::InvalidArgumentError(absl::StrCat(std::string(key), "=", text, ": it is a whole number ", range));
  }
  return number;
}

}  // namespace mooring::server::admin
