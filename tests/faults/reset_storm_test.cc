// SPDX-License-Identifier: Apache-2.0
// Storms of resets: thousands of peers that connect and reset at once, some with a word before. The polite ones between
// them notice nothing.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scale.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"

namespace mooring::scenario {
namespace {

using net::CloseCause;
using net::EngineCount;

class ResetStorm : public ScenarioOf<int> {};

TEST_P(ResetStorm, LeavesThePoliteOnesServedAndNothingBehind) {
  LoopbackServer server(EchoForms(Param()).service, In({.shards = 2}));
  std::vector<Client> polite;
  for (int i = 0; i < 20; ++i) polite.emplace_back(server.port());
  const int waves = Scaled(world().faults == Faults::kNone ? 20 : 5);
  constexpr int kPeers = 150;
  uint64_t connected = polite.size();
  for (int wave = 0; wave < waves; ++wave) {
    std::vector<Client> storm;
    for (int i = 0; i < kPeers; ++i, ++connected) {
      storm.emplace_back(server.port(), ClientOptions{.source = 0x7f000002u + static_cast<uint32_t>(i)});
      if (i % 3 == 1) storm.back().SendWhatFits(std::string(5000, 's'));
    }
    for (Client& client : polite) ASSERT_TRUE(client.Send("amid the storm"));
    for (Client& client : storm) client.Reset();
    for (Client& client : polite) ASSERT_EQ(client.Receive(14), "amid the storm");
  }
  server.Await([&] { return server.Count(EngineCount::kAccepted) == connected && server.live() == polite.size(); });
  EXPECT_EQ(server.Cause(CloseCause::kPeerReset), connected - polite.size());
}
INSTANTIATE_TEST_SUITE_P(Worlds, ResetStorm, testing::Combine(EveryWorld(), testing::Values(0, 1)),
                         WorldAnd(+[](int form) { return EchoForms(form).name; }));

}  // namespace
}  // namespace mooring::scenario
