// SPDX-License-Identifier: Apache-2.0
// Report: all that the doctor found, as text for people and as JSON for scripts.
//
// Threads:  values; pure functions.
#ifndef MOORING_SERVER_DOCTOR_REPORT_H_
#define MOORING_SERVER_DOCTOR_REPORT_H_

#include <optional>
#include <string>

#include "server/doctor/capacity.h"
#include "server/doctor/demand.h"
#include "server/doctor/finding.h"

namespace mooring::server::doctor {

// Of `doctor`, for scripts.
inline constexpr int kExitWell = 0;
inline constexpr int kExitAgainst = 1;       // it would serve, but something is against it: a warning
inline constexpr int kExitBadArguments = 2;
inline constexpr int kExitCannot = 3;        // it cannot serve, or not as many as were asked for: a problem

struct Report {
  Demand demand = {};
  Findings findings = {};
  std::optional<Capacity> capacity = {};  // none: a server would not even start

  int ExitCode() const;
};

// A line for each finding under its area, the verdict first; below it what to type. Ends with the verdict on all.
std::string ToText(const Report& report);
// One object, indented, with a line end.
std::string ToJson(const Report& report);

}  // namespace mooring::server::doctor

#endif  // MOORING_SERVER_DOCTOR_REPORT_H_
