// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/doctor/rules.h"

namespace mooring::server::doctor {

void JudgeSysctls(const HostFacts& host, const std::vector<Recommendation>& table, const Demand& demand,
                  Findings* findings) {
  // They are the machine's, whatever part of it a cgroup has.
  const Variables variables = {.connections = demand.connections, .memory_bytes = host.machine_memory_bytes};
  std::set<std::string> seen;
  for (const Recommendation& row : table) {
    const auto found = host.sysctls.find(row.key);
    if (found == host.sysctls.end() || !seen.insert(row.key).second) continue;

    std::vector<uint64_t> should = found->second;
    std::vector<std::string> reasons;
    Verdict verdict = Verdict::kOk;
    for (size_t field = 0; field < should.size(); ++field) {
      const Advice advice = Advise(table, row.key, field, should[field], variables);
      if (advice.fine()) continue;
      should[field] = advice.should;
      verdict = std::max(verdict, advice.warns ? Verdict::kWarning : Verdict::kNote);
      for (const std::string& reason : advice.reasons) {
        if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) reasons.push_back(reason);
      }
    }
    Finding finding = {"sysctls", row.key, verdict, absl::StrCat(row.key, " = ", absl::StrJoin(found->second, " "))};
    if (verdict != Verdict::kOk) {
      const std::string wanted = absl::StrJoin(should, " ");
      absl::StrAppend(&finding.text, ", better ", wanted, ": ", absl::StrJoin(reasons, "; "));
      const char* const quote = should.size() > 1 ? "'" : "";
      finding.mend = absl::StrCat("sysctl -w ", row.key, "=", quote, wanted, quote);
    }
    findings->push_back(std::move(finding));
  }
}

}  // namespace mooring::server::doctor
