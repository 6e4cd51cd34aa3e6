// SPDX-License-Identifier: Apache-2.0
// RunOnBoth: one script on the real kernel and on the simulated one; what it noted down must be the same, so that the
// model cannot drift away from what it stands for.
//
// Threads:  one.
#ifndef MOORING_TESTS_SIM_BOTH_H_
#define MOORING_TESTS_SIM_BOTH_H_

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/machine.h"

namespace mooring::sim {

using Script = std::function<void(Hands&)>;
inline const core::Ring::Options kRing = {.sq_entries = 64, .cq_entries = 1024, .features_off = {}};

inline void RunOnBoth(const Script& script, const core::Ring::Options& options = kRing, unsigned slots = 16) {
  std::vector<std::string> real, simulated;
  {
    const auto machine = RealMachine();
    Hands hands(machine.get(), options, slots);
    if (!hands.ok()) GTEST_SKIP() << "no real ring to compare with: " << hands.why_not();
    script(hands);
    real = hands.log();
  }
  {
    const auto machine = SimMachine(/*seed=*/1, /*calm=*/true);
    Hands hands(machine.get(), options, slots);
    ASSERT_TRUE(hands.ok()) << hands.why_not();
    script(hands);
    simulated = hands.log();
  }
  EXPECT_EQ(simulated, real);
  if (::testing::Test::HasFailure()) {
    for (const std::string& line : real) std::printf("real       %s\n", line.c_str());
    for (const std::string& line : simulated) std::printf("simulated  %s\n", line.c_str());
  }
}

// Accepts one connection into a slot; 1 is the accept's user_data.
inline std::unique_ptr<Client> Accepted(Hands& hands, int* slot) {
  uint16_t port = 0;
  const int listener = hands.Listen(&port);
  auto client = hands.machine().Connect(port);
  hands.OneAccept(listener, 1);
  const auto done = hands.Collect(1, "accept");
  *slot = done.empty() ? -1 : done[0].res;
  return client;
}

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_BOTH_H_
