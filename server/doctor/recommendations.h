// SPDX-License-Identifier: Apache-2.0
// Recommendations: what a machine that serves N connections should have, and why; the table is tools/sysctls.
//
// Threads:  any; pure functions of the text.
#ifndef MOORING_SERVER_DOCTOR_RECOMMENDATIONS_H_
#define MOORING_SERVER_DOCTOR_RECOMMENDATIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/doctor/formula.h"

namespace mooring::server::doctor {

struct Recommendation {
  enum class Rule : uint8_t { kMin, kMax, kIs };
  std::string key;    // "net.core.somaxconn", "limit.nofile"
  size_t field = 0;   // which of its numbers, from 0
  Rule rule = Rule::kMin;
  std::string value;  // Evaluate understands it
  bool warns = false;
  std::string reason;
};

// The text of tools/sysctls, built in.
std::string_view RecommendationsText();

// The error names the line. A table that was parsed can be evaluated.
absl::StatusOr<std::vector<Recommendation>> ParseRecommendations(std::string_view text);

// What the rows of a key, in their order, make of the value that it has.
struct Advice {
  uint64_t has = 0;
  uint64_t should = 0;
  bool warns = false;
  std::vector<std::string> reasons;  // of the rows that change something

  bool fine() const { return has == should; }
};
Advice Advise(const std::vector<Recommendation>& table, const std::string& key, size_t field, uint64_t has,
              const Variables& variables);

}  // namespace mooring::server::doctor

#endif  // MOORING_SERVER_DOCTOR_RECOMMENDATIONS_H_
