// SPDX-License-Identifier: Apache-2.0
// Memory that runs out, over the simulated kernel and on every transport: the two steps of the ceiling, and the bound of
// what connections hold in blocks.
//
// MOORING_SEED=n replays one seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/sleep.h"
#include "server/echo.h"
#include "server/line.h"
#include "tests/net/kinds_and_seeds.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

class SimMemory : public KindsAndSeeds {};
INSTANTIATE_TEST_SUITE_P(KindsAndSeeds, SimMemory, OfKindsAndSeeds(4), KindAndSeed);

std::string Pattern(size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + i * 7 % 23);
  return out;
}

int Ended(const std::vector<sim::SimPeer*>& peers) {
  return static_cast<int>(std::count_if(peers.begin(), peers.end(), [](auto* peer) { return peer->ended(); }));
}

TEST_P(SimMemory, AtTheFirstStepWhoConnectsIsResetAndWhoIsHereIsServed) {
  SimServer server(seed(), Over({.shards = 2, .credit = 100}));
  const std::string at = server.Listen(Callbacks<server::Echo>());
  auto* here = server.ConnectNow(at);
  server.SetMemoryPressure(1);
  server.world.RunUntilIdle();
  std::vector<sim::SimPeer*> refused;
  for (int i = 0; i < 10; ++i) refused.push_back(server.Connect(at));
  here->Send("hello");
  server.world.RunFor(60'000);
  EXPECT_EQ(here->received(), "hello");
  EXPECT_FALSE(here->ended());
  for (auto* peer : refused) EXPECT_TRUE(peer->saw_reset());
  EXPECT_EQ(server.Refused(RefuseCause::kMemory), 10u);
  EXPECT_EQ(server.credit_left(), 99);
  server.SetMemoryPressure(0);
  auto* next = server.ConnectNow(at);
  next->Send("hello");
  server.world.RunUntilIdle();
  EXPECT_EQ(next->received(), "hello");
}

TEST_P(SimMemory, AtTheSecondStepTheLongestIdleGoFirst) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<server::Echo>());
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 200; ++i) {
    peers.push_back(server.ConnectNow(at));
    peers.back()->CloseOnEof();
  }
  // In another order than that of their slots: every third is active in the third second, and so on.
  for (size_t turn = 0; turn < 3; ++turn) {
    server.world.RunFor(3'000);
    for (size_t i = turn; i < peers.size(); i += 3) peers[i]->Send("x");
  }
  server.world.RunFor(3'000);
  server.SetMemoryPressure(2);
  server.world.RunFor(50);
  EXPECT_EQ(server.Cause(CloseCause::kShed), Engine::kShedAtOnce);
  for (size_t i = 0; i < peers.size(); ++i) {
    if (peers[i]->ended()) {
      EXPECT_EQ(i % 3, 0u) << i << " was not the longest idle";
      EXPECT_TRUE(peers[i]->saw_fin());
    }
  }
  server.world.RunFor(100);
  EXPECT_EQ(server.Cause(CloseCause::kShed), 2 * Engine::kShedAtOnce);
  server.SetMemoryPressure(1);
  server.world.RunFor(10'000);
  EXPECT_EQ(server.Cause(CloseCause::kShed), 2 * Engine::kShedAtOnce) << "the pressure is over";
  server.SetMemoryPressure(2);
  server.world.RunFor(1'000);
  EXPECT_EQ(server.live(), 0u);
  server.SetMemoryPressure(0);
  server.world.RunFor(10'000);  // memory is given back meanwhile
  EXPECT_EQ(server.shard().wheel().armed(), 0u);
}

// Serves with a task that is not in a read for a minute.
core::Task<> Slow(Connection& conn) {
  auto line = co_await conn.ReadLine();
  if (!line) co_return;
  co_await core::Sleep(60 * core::kNanosPerSecond);
  conn.Write("done\n");
  co_await conn.ReadLine();
}

// As one that has handed its connection to a task of its own, for a request.
struct Holder final : Handler {
  void OnData(Connection& conn, alloc::Lease) override { conn.HoldSlot(); }
  void OnEof(Connection& conn) override {
    conn.ReleaseSlot();
    conn.Close();
  }
};

TEST_P(SimMemory, WhoIsBeingServedIsNotIdle) {
  SimServer server(seed(), Over());
  const std::string echo_at = server.Listen(Callbacks<server::Echo>());
  auto* idle = server.ConnectNow(echo_at);
  auto* active = server.ConnectNow(echo_at);
  auto* slow_reader = server.ConnectNow(echo_at);
  auto* slow_service = server.ConnectNow(server.Listen(Coroutine(Slow)));
  auto* held = server.ConnectNow(server.Listen(Callbacks<Holder>()));
  idle->Send("x");
  slow_reader->Stall();
  slow_reader->Send(Pattern(1'000'000));
  slow_service->Send("begin\n");
  held->Send("x");
  server.world.RunFor(1'000);
  server.SetMemoryPressure(2);
  for (int i = 0; i < 60; ++i) {
    active->Send("x");
    server.world.RunFor(500);
  }
  EXPECT_TRUE(idle->saw_fin());
  EXPECT_FALSE(active->ended());
  EXPECT_FALSE(slow_reader->ended());
  EXPECT_FALSE(slow_service->ended());
  EXPECT_FALSE(held->ended());
  EXPECT_EQ(server.Cause(CloseCause::kShed), 1u);
  server.world.RunFor(33'000);
  EXPECT_EQ(slow_service->received(), "done\n");
  EXPECT_TRUE(slow_service->saw_fin()) << "its work is done";
  held->HalfClose();
  server.SetMemoryPressure(0);
  server.world.RunFor(1'000);
}

// Echoes, in blocks of its own.
struct Copies final : Handler {
  void OnData(Connection& conn, alloc::Lease data) override { conn.Write(data.view()); }
};

TEST_P(SimMemory, WhoHoldsBytesIsNotReadPastTheBoundAndOthersAre) {
  constexpr uint64_t kBound = 8 << 20;
  SimServer server(seed(), Over({.block_bytes_max = kBound}));
  const std::string at = server.Listen(Callbacks<Copies>(), {.queue_high_bytes = 200'000, .queue_cap_bytes = 1 << 20});
  const std::string line_at = server.Listen(Coroutine(server::Line));
  const std::string all = Pattern(300'000);
  std::vector<sim::SimPeer*> slow;
  for (int i = 0; i < 60; ++i) {
    slow.push_back(server.ConnectNow(at));
    slow.back()->Stall();
    slow.back()->Send(all);
  }
  uint64_t most = 0;
  const auto watch = [&] {
    most = std::max(most, server.shard().buffers().block_bytes());
    return false;
  };
  server.world.RunUntil(watch, 3'000);
  EXPECT_GT(most, kBound / 8 * 3) << "the bound is met";
  EXPECT_LE(most, kBound / 2);
  EXPECT_LE(server.engine().block_bytes(), kBound);
  EXPECT_GE(server.Count(EngineCount::kPressure), 1u);
  auto* quick = server.ConnectNow(line_at);
  quick->Send("a\nb\n");
  // While the others are still stuck; how long a network takes with four bytes is the seed's choice.
  server.world.RunUntil([&] { return watch() || quick->received() == "OK\nOK\n"; }, 3'000);
  EXPECT_EQ(quick->received(), "OK\nOK\n");
  EXPECT_EQ(Ended(slow), 0);
  for (auto* peer : slow) peer->Resume();
  server.world.RunUntil(watch, 60'000);
  for (auto* peer : slow) EXPECT_TRUE(peer->received() == all) << peer->received().size();
  EXPECT_LE(most, kBound / 2);
  EXPECT_EQ(server.Cause(CloseCause::kNoMemory), 0u);
}

// What is begun and not whole is held too.
TEST_P(SimMemory, UnfinishedMessagesCountAgainstTheBound) {
  constexpr uint64_t kBound = 512 << 10;
  SimServer server(seed(), Over({.block_bytes_max = kBound}));
  const std::string at = server.Listen(Coroutine([](Connection& conn) -> core::Task<> {
                                         const auto all = co_await conn.ReadExactly(100'000);
                                         if (all) conn.Write("whole");
                                       }),
                                       {.idle_timeout_s = 30});
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 20; ++i) {
    peers.push_back(server.ConnectNow(at));
    peers.back()->Send(Pattern(30'000));
  }
  uint64_t most = 0;
  const auto watch = [&] {
    most = std::max(most, server.shard().buffers().block_bytes());
    return false;
  };
  server.world.RunUntil(watch, 10'000);
  EXPECT_GT(most, kBound / 8 * 3);
  EXPECT_LE(most, kBound / 2);
  // Their own deadlines make room.
  server.world.RunFor(60'000);
  EXPECT_EQ(server.live(), 0u);
  auto* next = server.ConnectNow(at);
  next->Send(Pattern(100'000));
  server.world.RunFor(1'000);
  EXPECT_EQ(next->received(), "whole");
}

// A service that goes on writing whatever its peers take: at the bound there is no memory for it.
struct Pushes final : Handler {
  explicit Pushes(std::vector<Connection*>* to) : open(to) {}
  void OnOpen(Connection& conn) override { open->push_back(&conn); }
  void OnData(Connection&, alloc::Lease) override {}
  void OnClose(Connection& conn, CloseCause) override { std::erase(*open, &conn); }
  std::vector<Connection*>* open;
};

TEST_P(SimMemory, AtTheBoundThereIsNoBlockAndTheWriterEnds) {
  constexpr uint64_t kBound = 1 << 20;
  SimServer server(seed(), Over({.block_bytes_max = kBound}));
  std::vector<Connection*> open;
  const std::string at = server.Listen(Callbacks<Pushes>(&open), {.queue_cap_bytes = 1u << 30});
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 8; ++i) {
    peers.push_back(server.ConnectNow(at));
    peers.back()->Stall();
  }
  const std::string some = Pattern(40'000);
  for (int round = 0; round < 40; ++round) {
    server.OnShard(0, [&](Engine& engine) {
      for (Connection* conn : std::vector<Connection*>(open)) conn->Write(some);
      EXPECT_LE(engine.shard()->buffers().block_bytes(), kBound / 2);
    });
    server.world.RunFor(100);
  }
  EXPECT_GE(server.Cause(CloseCause::kNoMemory), 1u);
  EXPECT_GE(server.Count(EngineCount::kBlocksOverBound), 1u);
  auto* quick = server.ConnectNow(server.Listen(Callbacks<server::Echo>()));
  quick->Send("hello");
  server.world.RunFor(100);
  EXPECT_EQ(quick->received(), "hello");
}

}  // namespace
}  // namespace mooring::net
