// SPDX-License-Identifier: Apache-2.0
// The whole server over the simulated kernel: every decision of the trial and of the kernel is the input's. Its peers check
// each byte that they get, and invariants are looked at after every step (tests/net/trial.h).
//
// Input: decisions, the plan first. When they are used up a generator goes on, so that a trial ends.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/fuzz/fuzz.h"
#include "tests/net/trial.h"
#include "tests/sim/choices.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mooring;
  sim::ByteDecisions decisions(data, size);
  {
    net::Trial trial(&decisions);
    const net::Findings& findings = trial.Run();
    if (!findings.none()) {
      std::fprintf(stderr, "%s\n", trial.plan().ToString().c_str());
      for (const auto& line : findings.lines()) std::fprintf(stderr, "%s\n", line.c_str());
    }
    fuzz::Expect(findings.none(), "a trial finds nothing wrong");
  }
  // What the server's end expects, it expects of GoogleTest.
  fuzz::Expect(!testing::UnitTest::GetInstance()->Failed(), "nothing is left at its end");
  return 0;
}
