// SPDX-License-Identifier: Apache-2.0
// Finding: one thing that the doctor looked at, what it is, and what to type where it should be otherwise.
//
// Threads:  values.
#ifndef MOORING_SERVER_DOCTOR_FINDING_H_
#define MOORING_SERVER_DOCTOR_FINDING_H_

#include <cstdint>
#include <string>
#include <vector>

namespace mooring::server::doctor {

enum class Verdict : uint8_t {
  kOk,
  kNote,     // it serves as well, but somebody may want to know
  kWarning,  // it serves, but something is against it
  kProblem,  // it does not serve, or not as many as were asked for
};
constexpr const char* Name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk: return "ok";
    case Verdict::kNote: return "note";
    case Verdict::kWarning: return "warning";
    case Verdict::kProblem: return "problem";
  }
  return "?";
}

struct Finding {
  std::string area;  // the heading it is shown under
  std::string name;  // for scripts; unique within its area
  Verdict verdict = Verdict::kOk;
  std::string text;
  std::string mend = {};  // a command, or what to change; empty where nothing has to be
};
using Findings = std::vector<Finding>;

// The worst of them; kOk of none.
inline Verdict Worst(const Findings& findings) {
  Verdict worst = Verdict::kOk;
  for (const Finding& finding : findings) worst = finding.verdict > worst ? finding.verdict : worst;
  return worst;
}

}  // namespace mooring::server::doctor

#endif  // MOORING_SERVER_DOCTOR_FINDING_H_
