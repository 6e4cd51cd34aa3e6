// SPDX-License-Identifier: Apache-2.0
// Deadlines that count from accept on, over the simulated kernel and on every transport: the first byte, and how old a
// connection may get.
//
// MOORING_SEED=n replays one seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "server/echo.h"
#include "server/line.h"
#include "tests/net/kinds_and_seeds.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

class SimAges : public KindsAndSeeds {};
INSTANTIATE_TEST_SUITE_P(KindsAndSeeds, SimAges, OfKindsAndSeeds(4), KindAndSeed);

// Greets, and says something every second: neither is a byte of its peer's.
core::Task<> Banner(Connection& conn) {
  conn.Write("hello\n");
  for (;;) {
    auto line = co_await conn.ReadLine({.deadline = core::kNanosPerSecond});
    if (!line && line.reason != ReadReason::kDeadline) co_return;
    conn.Write(line ? "OK\n" : "well?\n");
  }
}

TEST_P(SimAges, WhoSaysNothingIsClosedAndWhoHasSpokenIsNot) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Coroutine(Banner), {.first_byte_s = 5});
  server.world.RunFor(1'700);  // not at a whole second
  auto* silent = server.ConnectNow(at);
  auto* late = server.ConnectNow(at);
  auto* half_closed = server.ConnectNow(at);
  half_closed->HalfClose();
  server.world.RunFor(4'900);
  EXPECT_FALSE(silent->ended());
  late->Send("x");
  server.world.RunFor(2'100);
  EXPECT_TRUE(silent->saw_fin()) << "the deadline, and up to 2 s more";
  EXPECT_FALSE(silent->saw_reset());
  EXPECT_EQ(server.Count(EngineCount::kAccepted), 3u);
  server.world.RunFor(60'000);
  EXPECT_FALSE(late->ended());
  EXPECT_EQ(server.Cause(CloseCause::kNoFirstByte), 1u);
}

TEST_P(SimAges, TheFirstByteIsHeardWhileTheAddressIsAsked) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<server::Echo>(), {.first_byte_s = 2, .track_peers = true});
  auto* peer = server.Connect(at);
  peer->Send("x");
  auto* silent = server.Connect(at);
  server.world.RunFor(10'000);
  EXPECT_EQ(peer->received(), "x");
  EXPECT_FALSE(peer->ended());
  EXPECT_TRUE(silent->saw_fin());
  EXPECT_EQ(server.Cause(CloseCause::kNoFirstByte), 1u);
}

TEST_P(SimAges, NobodyGetsOlderThanItMayAndNotAllGoAtOnce) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Coroutine(server::Line), {.max_age_s = 100});
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 60; ++i) {
    peers.push_back(server.Connect(at));
    peers.back()->CloseOnEof();
  }
  server.world.RunUntilIdle();
  const int64_t begin_ms = server.world.now_ms();
  const auto ended = [](auto* peer) { return peer->ended(); };
  std::vector<int64_t> at_s;
  while (at_s.size() < peers.size() && server.world.now_ms() - begin_ms < 110'000) {
    for (auto* peer : peers) {  // busy, but never with half a line
      if (!peer->ended()) peer->Send("a\n");
    }
    server.world.RunFor(500);
    const auto count = static_cast<size_t>(std::count_if(peers.begin(), peers.end(), ended));
    while (at_s.size() < count) at_s.push_back((server.world.now_ms() - begin_ms) / 1000);
  }
  ASSERT_EQ(at_s.size(), peers.size());
  EXPECT_GE(at_s.front(), 90);
  EXPECT_LE(at_s.back(), 102);
  EXPECT_GE(std::set<int64_t>(at_s.begin(), at_s.end()).size(), 6u) << "spread over a tenth of it";
  server.world.RunFor(1'000);
  EXPECT_EQ(server.Cause(CloseCause::kMaxAge), 60u);
  for (auto* peer : peers) EXPECT_FALSE(peer->saw_reset());
}

// Says nothing to a notice, as one that has work to finish.
struct Deaf final : Handler {
  void OnData(Connection& conn, alloc::Lease data) override { conn.Write(std::move(data)); }
  void OnDrain(Connection&) override {}
};

TEST_P(SimAges, WhoNeverBecomesQuietIsClosedAWhileLater) {
  SimServer server(seed(), Over());
  const std::string deaf_at = server.Listen(Callbacks<Deaf>(), {.max_age_s = 20});
  const std::string line_at = server.Listen(Coroutine(server::Line), {.max_age_s = 20});
  auto* deaf = server.ConnectNow(deaf_at);
  auto* half = server.ConnectNow(line_at);  // in the middle of a line
  auto* whole = server.ConnectNow(line_at);
  half->Send("begun");
  whole->Send("begun");
  server.world.RunFor(25'000);
  EXPECT_FALSE(deaf->ended());
  EXPECT_FALSE(half->ended());
  whole->Send(" and done\n");
  server.world.RunFor(1'000);
  EXPECT_EQ(whole->received(), "OK\n");
  EXPECT_TRUE(whole->saw_fin()) << "it had its notice";
  server.world.RunFor((20 + Engine::kMaxAgeGraceSeconds + 2 - 26) * 1000);
  EXPECT_TRUE(deaf->saw_fin());
  EXPECT_TRUE(half->saw_fin());
  EXPECT_FALSE(deaf->saw_reset());
  EXPECT_FALSE(half->saw_reset());
  server.world.RunFor(60'000);
  EXPECT_EQ(server.Cause(CloseCause::kMaxAge), 3u);
  EXPECT_EQ(server.live(), 0u);
}

// What had come before the notice is answered, also what the kernel still has of it: here it hands over crumbs.
TEST_P(SimAges, NoLineThatCameBeforeTheNoticeIsLost) {
  SimServer server(seed(), Over());
  server.world.kernel().choices().SetReceives(sim::Choices::Receives::kCrumbs);
  const std::string at = server.Listen(Coroutine(server::Line), {.max_age_s = 20});
  auto* peer = server.ConnectNow(at);
  server.world.RunFor(17'000);
  std::string answers;
  for (int i = 0; i < 100; ++i) {
    peer->Send("a\n");
    answers += "OK\n";
  }
  server.world.kernel().network().DeliverAll();
  EXPECT_EQ(peer->unacknowledged(), 0u);
  server.world.clock().Advance(5 * core::kNanosPerSecond);  // the process was stopped
  server.world.RunFor(1'000);
  EXPECT_EQ(peer->received(), answers);
  EXPECT_TRUE(peer->saw_fin());
}

TEST_P(SimAges, TablesOfDeadlinesGoWithTheirConnections) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<server::Echo>(), {.first_byte_s = 60, .max_age_s = 600});
  const auto other = [&] { return server.shard().accounting().Bytes(alloc::Purpose::kOther); };
  const uint64_t before = other();
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 10; ++i) peers.push_back(server.ConnectNow(at));
  EXPECT_GT(other(), before);
  for (auto* peer : peers) peer->Close();
  server.world.RunFor(10'000);
  EXPECT_EQ(server.live(), 0u);
  EXPECT_EQ(other(), before);
}

}  // namespace
}  // namespace mooring::net
