// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/recommendations.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/host_tree.h"

namespace mooring::server::doctor {
namespace {

using Rule = Recommendation::Rule;

std::optional<Rule> RuleOf(std::string_view name) {
  if (name == "min") return Rule::kMin;
  if (name == "max") return Rule::kMax;
  if (name == "is") return Rule::kIs;
  return std::nullopt;
}

// "tcp_rmem:3" is field 2 of tcp_rmem.
bool SetKey(std::string_view text, Recommendation* row) {
  const size_t colon = text.find(':');
  row->key = std::string(text.substr(0, colon));
  if (colon == text.npos) return !row->key.empty();
  const std::optional<uint64_t> field = core::ParseNumber(text.substr(colon + 1));
  if (row->key.empty() || !field.has_value() || *field < 1 || *field > 9) return false;
  row->field = *field - 1;
  return true;
}

// None: the row is not one.
std::optional<Recommendation> RowOf(const std::vector<std::string>& parts) {
  Recommendation row;
  if (parts.size() != 5 || !SetKey(parts[0], &row)) return std::nullopt;
  const std::optional<Rule> rule = RuleOf(parts[1]);
  const bool known = rule.has_value() && (parts[3] == "warning" || parts[3] == "note");
  if (!known || parts[4].empty() || !Evaluate(parts[2], {.connections = 1, .memory_bytes = 1}).has_value()) {
    return std::nullopt;
  }
  row.rule = *rule;
  row.value = parts[2];
  row.warns = parts[3] == "warning";
  row.reason = parts[4];
  return row;
}

}  // namespace

absl::StatusOr<std::vector<Recommendation>> ParseRecommendations(std::string_view text) {
  std::vector<Recommendation> table;
  for (absl::string_view line : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    if (line.empty() || line[0] == '#') continue;
    std::optional<Recommendation> row = RowOf(absl::StrSplit(line, '|'));
    if (!row.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", line, "\" is not key|min, max or is|value|warning or note|reason"));
    }
    table.push_back(*std::move(row));
  }
  return table;
}

Advice Advise(const std::vector<Recommendation>& table, const std::string& key, size_t field, uint64_t has,
              const Variables& variables) {
  Advice advice = {.has = has, .should = has, .warns = false, .reasons = {}};
  for (const Recommendation& row : table) {
    if (row.key != key || row.field != field) continue;
    const uint64_t value = Evaluate(row.value, variables).value_or(advice.should);
    const uint64_t before = advice.should;
    switch (row.rule) {
      case Rule::kMin: advice.should = std::max(before, value); break;
      case Rule::kMax: advice.should = std::min(before, value); break;
      case Rule::kIs: advice.should = value; break;
    }
    if (advice.should == before) continue;
    advice.warns |= row.warns;
    advice.reasons.push_back(row.reason);
  }
  if (advice.fine()) advice = {.has = has, .should = has, .warns = false, .reasons = {}};
  return advice;
}

}  // namespace mooring::server::doctor
