// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/formula.h"

#include <gtest/gtest.h>

namespace mooring::server::doctor {
namespace {

constexpr Variables kVariables = {.connections = 1000, .memory_bytes = 8192};

TEST(Formula, IsWhatAShellMakesOfIt) {
  struct Case {
    const char* formula;
    uint64_t value;
  };
  for (const Case& each :
       {Case{"4096", 4096}, Case{"N", 1000}, Case{"M", 8192}, Case{"N + N / 4 + 65536", 66786}, Case{"M / 4096 / 2", 1},
        Case{"2 * (N + 1)", 2002}, Case{"1 + 2 * 3", 7}, Case{"(1 + 2) * 3", 9}, Case{"7 - 2 - 1", 4}, Case{"N/4", 250},
        Case{" ( ( 5 ) ) ", 5}, Case{"3 - 5", 0}}) {
    EXPECT_EQ(Evaluate(each.formula, kVariables), each.value) << each.formula;
  }
}

TEST(Formula, WhatIsNoneIsNothing) {
  for (const char* formula :
       {"", " ", "N +", "+ 1", "1 2", "(1", "1)", "n", "N / 0", "1 / (2 - 2)", "0x10", "N * ", "1,000", "()"}) {
    EXPECT_EQ(Evaluate(formula, kVariables), std::nullopt) << formula;
  }
}

}  // namespace
}  // namespace mooring::server::doctor
