// SPDX-License-Identifier: Apache-2.0
// Found: one of many findings by its name, for tests.
#ifndef MOORING_TESTS_SERVER_DOCTOR_FOUND_H_
#define MOORING_TESTS_SERVER_DOCTOR_FOUND_H_

#include <gtest/gtest.h>

#include <string>

#include "server/doctor/finding.h"

namespace mooring::server::doctor {

// There must be one, and only one. Of several areas: "plan/memory".
inline Finding Found(const Findings& findings, const std::string& name) {
  Finding found;
  int times = 0;
  for (const Finding& finding : findings) {
    if (finding.name != name && finding.area + "/" + finding.name != name) continue;
    found = finding;
    ++times;
  }
  EXPECT_EQ(times, 1) << name;
  return found;
}

inline bool Has(const Findings& findings, const std::string& name) {
  for (const Finding& finding : findings) {
    if (finding.name == name) return true;
  }
  return false;
}

}  // namespace mooring::server::doctor

#endif  // MOORING_TESTS_SERVER_DOCTOR_FOUND_H_
