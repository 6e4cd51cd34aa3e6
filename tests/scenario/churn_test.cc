// SPDX-License-Identifier: Apache-2.0
// Slots are reused under churn: many short connections, abrupt ends mixed in, and nothing is left at the end.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scale.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"

namespace mooring::scenario {
namespace {

using alloc::Purpose;
using net::CloseCause;
using net::EngineCount;

// Connections of this machine that a reset ended before their handshake did: two CPUs, the sender having moved from one
// to the other between its last step of the handshake and its reset, have packet queues without a common order. Nobody
// accepts those. (TcpExt EmbryonicRsts.)
uint64_t EmbryonicResets() {
  std::ifstream file("/proc/net/netstat");
  std::string names, values;
  while (std::getline(file, names) && std::getline(file, values)) {
    std::istringstream name(names), value(values);
    for (std::string n, v; name >> n && value >> v;) {
      if (n == "EmbryonicRsts") return std::stoull(v);
    }
  }
  ADD_FAILURE() << "no EmbryonicRsts in /proc/net/netstat";
  return 0;
}

class Churn : public ScenarioOf<int> {};

TEST_P(Churn, LeavesNothingBehind) {
  // Where faults are, one in twenty accepts finds no descriptor, and the listener backs off.
  const bool modern = world().transport == net::TransportKind::kUring;
  const int of_all = world().faults != Faults::kNone ? 5'000 : modern ? 100'000 : 30'000;
  const int connections = Scaled(of_all) / kEchoForms;
  constexpr int kAtOnce = 32;
  LoopbackServer server(EchoForms(Param()).service, In());
  const uint64_t embryonic_before = EmbryonicResets();
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  enum Way { kPolite, kResetAtOnce, kResetAfterSending, kResetAfterAnswer, kCloseUnread, kHalfClose, kWays };
  struct One {
    Client client;
    Way way;
  };
  int made = 0;
  while (made < connections) {
    std::vector<One> batch;
    for (int i = 0; i < kAtOnce; ++i, ++made) {
      // Polite ones leave TIME_WAIT; many sources have many ports.
      const uint32_t source = 0x7f000002u + static_cast<uint32_t>(made % 50);
      batch.push_back({Client(server.port(), {.source = source}), static_cast<Way>(random() % kWays)});
      ASSERT_TRUE(batch.back().client.open());
      if (batch.back().way == kResetAtOnce) batch.back().client.Reset();
    }
    for (One& one : batch) {
      if (one.way == kResetAtOnce) continue;
      one.client.SendWhatFits("0123456789");
      if (one.way == kResetAfterSending) one.client.Reset();
    }
    for (One& one : batch) {
      switch (one.way) {
        case kPolite: ASSERT_EQ(one.client.Receive(10), "0123456789"); break;
        case kResetAfterAnswer:
          ASSERT_EQ(one.client.Receive(10), "0123456789");
          one.client.Reset();
          break;
        case kHalfClose:
          one.client.ShutdownWrite();
          ASSERT_EQ(one.client.ReceiveToFin(), "0123456789");
          break;
        default: break;
      }
    }
  }
  // One that was reset after its handshake and before it was accepted is accepted too, and ends at once.
  const auto embryonic = [&] { return EmbryonicResets() - embryonic_before; };
  server.Await([&] {
    return server.live() == 0 && server.Count(EngineCount::kReleased) + embryonic() >= static_cast<uint64_t>(made);
  });
  EXPECT_LE(server.Count(EngineCount::kAccepted), static_cast<uint64_t>(made));
  EXPECT_EQ(server.Causes(), server.Count(EngineCount::kAccepted));
  EXPECT_EQ(server.live(), 0u);
  EXPECT_EQ(server.Cause(CloseCause::kTransport), 0u);
  std::printf("accepted %llu of %d, %llu reset in mid-handshake, stale completions %llu\n",
              static_cast<unsigned long long>(server.Count(EngineCount::kAccepted)), made,
              static_cast<unsigned long long>(embryonic()),
              static_cast<unsigned long long>(server.TransportCount("stale")));
  EXPECT_EQ(server.TransportCount("close_errors"), 0u);
  // The pools give back what nobody uses: a region or two each are kept.
  server.Await([&] {
    return server.Bytes(Purpose::kConnections) <= 128 << 10 && server.Bytes(Purpose::kFrames) <= 256 << 10;
  });
  std::printf("connections %llu, frames %llu, receive blocks %llu, blocks %llu bytes\n",
              static_cast<unsigned long long>(server.Bytes(Purpose::kConnections)),
              static_cast<unsigned long long>(server.Bytes(Purpose::kFrames)),
              static_cast<unsigned long long>(server.Bytes(Purpose::kReceiveBlocks)),
              static_cast<unsigned long long>(server.Bytes(Purpose::kBlocks)));
}

INSTANTIATE_TEST_SUITE_P(Worlds, Churn, testing::Combine(EveryWorld(), testing::Range(0, kEchoForms)),
                         WorldAnd(+[](int form) { return EchoForms(form).name; }));

}  // namespace
}  // namespace mooring::scenario
