// SPDX-License-Identifier: Apache-2.0
// Services that wait for foreign work (core/blocking.h), over the simulated kernel: whenever a job runs, whatever ends
// meanwhile.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/blocking.h"
#include "core/sleep.h"
#include "net/providers.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

using core::kNanosPerMs;

core::Task<> Reverse(Connection& conn) {
  while (auto line = co_await conn.ReadLine({.max_bytes = 100})) {
    std::string text(*line);
    auto work = [text = std::move(text)] { return std::string(text.rbegin(), text.rend()); };
    auto turned = co_await core::Blocking(std::move(work));
    switch (turned.end()) {
      case core::JobEnd::kDone: conn.Write(*turned + "\n"); break;
      case core::JobEnd::kRefused: conn.Write("busy\n"); break;
      case core::JobEnd::kCancelled: co_return;
    }
  }
}

class SimBlocking : public testing::TestWithParam<std::tuple<TransportKind, uint64_t>> {
 protected:
  SimServer::Options Options(uint32_t shards = 1) const {
    SimServer::Options options;
    options.shards = shards;
    options.transport = std::get<0>(GetParam());
    return options;
  }
  uint64_t seed() const { return Seed(std::get<1>(GetParam())); }
  static uint64_t Outstanding(SimServer& server) {
    uint64_t sum = 0;
    for (size_t i = 0; i < server.size(); ++i) sum += server.shard(i).answers()->outstanding();
    return sum;
  }
};
INSTANTIATE_TEST_SUITE_P(Seeds, SimBlocking,
                         testing::Combine(testing::Values(TransportKind::kUring, TransportKind::kUringBase,
                                                          TransportKind::kEpoll),
                                          testing::Range<uint64_t>(1, 13)));

TEST_P(SimBlocking, EveryPeerGetsItsOwnAnswersInOrder) {
  SimServer server(seed(), Options(2));
  const std::string at = server.Listen(Coroutine(Reverse));
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 10; ++i) {
    peers.push_back(server.Connect(at));
    for (int n = 0; n < 5; ++n) peers.back()->Send("abc" + std::to_string(i) + std::to_string(n) + "\n");
  }
  server.world.RunFor(3'000);
  for (int i = 0; i < 10; ++i) {
    std::string expected;
    for (int n = 0; n < 5; ++n) expected += std::to_string(n) + std::to_string(i) + "cba\n";
    EXPECT_EQ(peers[static_cast<size_t>(i)]->received(), expected);
    peers[static_cast<size_t>(i)]->Close();
  }
  EXPECT_EQ(server.world.jobs().run(), 50u);
  EXPECT_EQ(Outstanding(server), 0u);
}

TEST(SimBlockingOrder, IsTheSeeds) {
  std::set<std::vector<int>> orders;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SimServer server(seed);
    std::vector<int> order;
    int begun = 0;
    const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
      const int number = begun++;
      const auto work = [] {};
      co_await core::Blocking(work);
      order.push_back(number);
    }));
    for (int i = 0; i < 4; ++i) server.ConnectNow(at)->Close();
    server.world.RunFor(1'000);
    EXPECT_EQ(order.size(), 4u);
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 5u);
}

TEST_P(SimBlocking, AFullQueueIsAnAnswer) {
  SimServer::Options options = Options();
  options.jobs = {.threads = 1, .queue_max = 1, .longest_ms = 50};
  SimServer server(seed(), options);
  const std::string at = server.Listen(Coroutine(Reverse));
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 10; ++i) {
    peers.push_back(server.Connect(at));
    peers.back()->Send("ab\n");
  }
  server.world.RunFor(1'000);
  uint64_t turned = 0, busy = 0;
  for (sim::SimPeer* peer : peers) {
    turned += peer->received() == "ba\n";
    busy += peer->received() == "busy\n";
    peer->Close();
  }
  EXPECT_EQ(turned + busy, 10u);
  EXPECT_EQ(turned, server.world.jobs().run());
  EXPECT_EQ(busy, server.world.jobs().refused());
}

core::Task<std::string> Slow() {
  const auto work = [] { return 1; };
  auto result = co_await core::Blocking(work);
  co_return result.ok() ? "done\n" : result.end() == core::JobEnd::kCancelled ? "late\n" : "refused\n";
}
core::Task<> Bounded(Connection& conn) {
  while (auto line = co_await conn.ReadLine({.max_bytes = 100})) {
    auto answer = co_await core::WithDeadline(20 * kNanosPerMs, Slow());
    conn.Write(*answer);
  }
}

TEST_P(SimBlocking, ADeadlineEndsTheWaitAndTheConnectionGoesOn) {
  SimServer server(seed(), Options());
  const std::string at = server.Listen(Coroutine(Bounded));
  auto* peer = server.Connect(at);
  size_t done = 0, late = 0;
  for (int i = 0; i < 30; ++i) {
    const size_t before = peer->received().size();
    peer->Send("go\n");
    ASSERT_TRUE(server.world.RunUntil([&] { return peer->received().size() >= before + 5; }, 1'000));
    const std::string answer = peer->received().substr(before);
    EXPECT_TRUE(answer == "done\n" || answer == "late\n") << answer;
    done += answer == "done\n";
    late += answer == "late\n";
  }
  EXPECT_GT(done, 0u);
  EXPECT_GT(late, 0u);
  peer->Close();
  server.world.RunFor(1'000);
  EXPECT_EQ(Outstanding(server), 0u);
}

TEST_P(SimBlocking, WhoWaitsForAJobIsAnsweredInADrain) {
  SimServer server(seed(), Options(2));
  const std::string at = server.Listen(Coroutine(Reverse));
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 6; ++i) peers.push_back(server.ConnectNow(at));
  for (sim::SimPeer* peer : peers) peer->Send("ab\n");
  const auto all_wait = [&] { return server.world.jobs().run() + server.world.jobs().waiting() == peers.size(); };
  ASSERT_TRUE(server.world.RunUntil(all_wait, 1'000));
  server.BeginDrain();
  server.world.RunFor(3'000);
  for (sim::SimPeer* peer : peers) {
    EXPECT_EQ(peer->received(), "ba\n");
    EXPECT_TRUE(peer->saw_fin());
    peer->Close();
  }
  server.world.RunFor(1'000);
  EXPECT_TRUE(server.drained());
}

// As far as `steps` go, with jobs waiting, under way, answered and taken.
void Busy(SimServer& server, const std::string& at, int steps) {
  for (int i = 0; i < 5; ++i) server.Connect(at)->Send("one\ntwo\nthree\n");
  for (int i = 0; i < steps; ++i) {
    if (!server.world.Step()) server.world.MoveClock(server.world.clock().Now() + 100 * kNanosPerMs);
  }
}

TEST_P(SimBlocking, AServerThatIsCutAtAnyStageLeavesNothing) {
  size_t with_jobs = 0;
  uint64_t withdrawn = 0;
  SimServer::Options options = Options(2);
  options.jobs.threads = 1;  // so that some wait
  for (int steps = 0; steps < 300; steps += 7) {
    SimServer server(seed(), options);
    const std::string at = server.Listen(Coroutine(Reverse));
    Busy(server, at, steps);
    with_jobs += Outstanding(server) > 0;
    server.CutAll();
    server.world.RunFor(1'000);
    withdrawn += server.world.jobs().withdrawn();
    EXPECT_EQ(Outstanding(server), 0u);
    EXPECT_EQ(server.world.jobs().waiting(), 0u);
    EXPECT_EQ(server.live(), 0u);
  }
  EXPECT_GT(with_jobs, 10u);
  EXPECT_GT(withdrawn, 0u);
}

TEST_P(SimBlocking, AServerThatGivesUpAtAnyStageIsNotTouchedByItsJobs) {
  size_t with_jobs = 0;
  for (int steps = 0; steps < 300; steps += 7) {
    SimServer server(seed(), Options(2));
    const std::string at = server.Listen(Coroutine(Reverse));
    Busy(server, at, steps);
    with_jobs += Outstanding(server) > 0;
    for (size_t i = 0; i < server.size(); ++i) server.engine(i).LeaveLive();
    server.DestroyNow();
  }
  EXPECT_GT(with_jobs, 10u);
}

}  // namespace
}  // namespace mooring::net
