// SPDX-License-Identifier: Apache-2.0
// What runs out, waits or is cut off, over the simulated kernel: receive blocks, tables, queues, time.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "server/echo.h"
#include "server/line.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

using core::kNanosPerSecond;

std::string Pattern(size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + i * 7 % 23);
  return out;
}

class SimLimits : public testing::TestWithParam<uint64_t> {
 protected:
  uint64_t seed() const { return Seed(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Seeds, SimLimits, testing::Range<uint64_t>(1, 13));

// Keeps what it gets until it is told to write it back.
struct Hoarder final : Handler {
  explicit Hoarder(std::vector<std::pair<Connection*, alloc::Lease>>* to) : kept(to) {}
  void OnData(Connection& conn, alloc::Lease data) override { kept->emplace_back(&conn, std::move(data)); }
  std::vector<std::pair<Connection*, alloc::Lease>>* kept;
};

TEST_P(SimLimits, AnEmptyReceiveGroupDelaysBytesAndFinsAndLosesNone) {
  SimServer server(seed());
  const std::string at = server.Listen(Callbacks<server::Echo>());
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 100; ++i) peers.push_back(server.ConnectNow(at));
  for (auto* peer : peers) {  // all before the shard turns once: more sockets with bytes than blocks
    peer->Send(Pattern(3000));
    peer->HalfClose();
  }
  server.world.kernel().network().DeliverAll();
  server.world.RunFor(20'000);
  EXPECT_GT(server.TransportCount("receive_starved"), 0u);
  for (auto* peer : peers) {
    EXPECT_EQ(peer->received(), Pattern(3000));
    EXPECT_TRUE(peer->saw_fin());
  }
  EXPECT_EQ(server.live(), 0u);
}

// An enter runs no more receives than there are blocks, and the others wait for the next.
TEST(SimLimitsCalm, ManySmallMessagesAtOnceStarveNobody) {
  SimServer::Options options;
  options.mood = sim::Mood::kCalm;
  SimServer server(1, options);
  const std::string at = server.Listen(Callbacks<server::Echo>());
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 500; ++i) peers.push_back(server.ConnectNow(at));
  for (int round = 0; round < 3; ++round) {
    for (auto* peer : peers) peer->Send("hello");
    server.world.kernel().network().DeliverAll();
    server.world.RunUntilIdle();
    for (auto* peer : peers) ASSERT_EQ(peer->TakeReceived(), "hello");
  }
  EXPECT_EQ(server.TransportCount("receive_starved"), 0u);
  EXPECT_EQ(server.TransportCount("group_grown"), 0u);
}

// Says one word, sends its FIN and listens.
struct LastWords final : Handler {
  void OnData(Connection& conn, alloc::Lease) override {
    conn.Write("!");
    conn.ShutdownWrite();
  }
};

TEST_P(SimLimits, AFinNeedsNeitherADescriptorNorMemoryForOne) {
  for (const int error : {EMFILE, ENFILE, ENOMEM}) {
    SimServer server(seed());
    server.world.kernel().choices().SetFaults(
        [error](sim::FaultSite site) { return site == sim::FaultSite::kInstall ? error : 0; });
    auto* peer = server.ConnectNow(server.Listen(Callbacks<LastWords>()));
    peer->Send("?");
    server.world.RunFor(1000);
    EXPECT_EQ(peer->received(), "!");
    EXPECT_TRUE(peer->saw_fin()) << strerrorname_np(error);
    EXPECT_EQ(server.TransportCount("half_closes_by_worker"), 1u);
  }
}

TEST_P(SimLimits, AServiceThatKeepsBlocksIsNotReadAndOthersAre) {
  SimServer server(seed());
  std::vector<std::pair<Connection*, alloc::Lease>> kept;
  const std::string at = server.Listen(Callbacks<Hoarder>(&kept));
  const std::string echo = server.Listen(Callbacks<server::Echo>());
  auto* peer = server.ConnectNow(at);
  const std::string all = Pattern(300'000);
  peer->Send(all);
  server.world.RunFor(100);
  EXPECT_GE(kept.size(), Engine::kRetainedPerConnection);
  EXPECT_LE(kept.size(), Engine::kRetainedPerConnection + Transport::kKernelBatch * 2);
  auto* other = server.ConnectNow(echo);
  other->Send("hello");
  server.world.RunUntilIdle();
  EXPECT_EQ(other->received(), "hello");
  for (int round = 0; round < 100'000 && peer->received().size() < all.size(); ++round) {
    server.OnShard(0, [&](Engine&) {
      for (auto& [conn, lease] : kept) conn->Write(std::move(lease));
      kept.clear();
    });
    server.world.RunUntilIdle();
  }
  EXPECT_TRUE(peer->received() == all) << peer->received().size();
}

TEST_P(SimLimits, ParkedLeasesKeepTheirOrderOverPauseAndResume) {
  SimServer server(seed());
  struct Pauser final : Handler {
    explicit Pauser(Connection** to) : current(to) {}
    void OnOpen(Connection& conn) override { *current = &conn; }
    void OnData(Connection& conn, alloc::Lease data) override {
      conn.Pause();
      conn.Write(std::move(data));
    }
    void OnClose(Connection&, CloseCause) override { *current = nullptr; }
    Connection** current;
  };
  Connection* conn = nullptr;
  const std::string at = server.Listen(Callbacks<Pauser>(&conn));
  auto* peer = server.ConnectNow(at);
  const std::string all = Pattern(20'000);
  peer->Send(all);
  peer->HalfClose();
  for (int i = 0; i < 300'000 && conn != nullptr; ++i) {
    server.OnShard(0, [&](Engine&) { conn->Resume(); });
    server.world.RunUntilIdle();
  }
  EXPECT_TRUE(peer->received() == all) << peer->received().size();
  EXPECT_TRUE(peer->saw_fin());
}

TEST_P(SimLimits, WritableWaitsFromTheHighWatermarkToTheLow) {
  SimServer server(seed());
  std::vector<uint64_t> queued;
  Connection* open = nullptr;
  const std::string at = server.Listen(
      Coroutine([&](Connection& conn) -> core::Task<> {
        open = &conn;
        for (int i = 0; i < 60; ++i) {
          conn.Write(Pattern(10'000));
          const uint64_t before = conn.queued_bytes();
          EXPECT_LT(before, 60'000u);
          const bool room = co_await conn.Writable();
          if (!room) co_return;
          if (before >= 50'000) queued.push_back(conn.queued_bytes());
        }
      }),
      {.queue_high_bytes = 50'000, .queue_low_bytes = 20'000});
  auto* peer = server.ConnectNow(at);
  server.world.RunFor(100);
  peer->Stall();
  server.world.RunFor(100);
  peer->ReadSlowly(7'000, 1);
  server.world.RunFor(5'000);
  peer->Resume();
  server.world.RunFor(1'000);
  EXPECT_EQ(peer->received().size(), 600'000u);
  EXPECT_FALSE(queued.empty());
  for (uint64_t bytes : queued) EXPECT_LE(bytes, 20'000u);
}

TEST_P(SimLimits, AReadDeadlinePassesOnceItIsDueAndLosesNoByte) {
  SimServer server(seed());
  std::vector<ReadReason> reasons;
  std::string got;
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    for (int i = 0; i < 2; ++i) {
      auto line = co_await conn.ReadLine({.deadline = 3 * kNanosPerSecond});
      reasons.push_back(line.reason);
      if (line) got = std::string(*line);
    }
  }));
  auto* peer = server.ConnectNow(at);
  peer->Send("ab");
  server.world.RunFor(2'900);
  EXPECT_TRUE(reasons.empty());
  server.world.RunFor(2'100);
  EXPECT_EQ(reasons, std::vector<ReadReason>{ReadReason::kDeadline});
  peer->Send("c\n");
  server.world.RunUntilIdle();
  EXPECT_EQ(got, "abc");
}

TEST_P(SimLimits, WhoReadsWithDeadlinesAgainAndAgainIsIdleAllTheSame) {
  SimServer server(seed());
  const std::string at = server.Listen(Coroutine([](Connection& conn) -> core::Task<> {
                                         for (;;) {
                                           auto line = co_await conn.ReadLine({.deadline = kNanosPerSecond});
                                           if (!line && line.reason != ReadReason::kDeadline) co_return;
                                         }
                                       }),
                                       {.idle_timeout_s = 10});
  server.ConnectNow(at);
  server.world.RunFor(8'000);
  EXPECT_EQ(server.live(), 1u);
  server.world.RunFor(12'000);
  EXPECT_EQ(server.Cause(CloseCause::kIdle), 1u);
  EXPECT_EQ(server.live(), 0u);
}

TEST_P(SimLimits, ANoticeIsGivenOnceAndTheServiceMayReadOn) {
  SimServer server(seed());
  std::vector<std::string> log;
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    for (;;) {
      auto line = co_await conn.ReadLine();
      if (line) {
        log.push_back(std::string(*line));
      } else if (line.reason == ReadReason::kDraining) {
        log.push_back("draining");
      } else {
        co_return;
      }
    }
  }));
  auto* idle = server.ConnectNow(at);
  server.BeginDrain();
  server.world.RunFor(1'000);
  idle->Send("one\ntwo\n");
  server.world.RunFor(1'000);
  EXPECT_EQ(log, (std::vector<std::string>{"draining", "one", "two"}));
  EXPECT_FALSE(server.drained());
  idle->HalfClose();
  server.world.RunFor(1'000);
  EXPECT_TRUE(server.drained());
  EXPECT_FALSE(idle->saw_reset());
}

TEST_P(SimLimits, AbortAndCutEndASendThatIsArmed) {
  SimServer server(seed());
  Connection* open = nullptr;
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    open = &conn;
    conn.Write(Pattern(900'000));
    co_await conn.Read();
    open = nullptr;
  }));
  for (const bool cut : {false, true}) {
    auto* peer = server.Connect(at);
    peer->Stall();
    server.world.RunFor(1'000);
    ASSERT_NE(open, nullptr);
    server.OnShard(0, [&](Engine& engine) { cut ? static_cast<void>(engine.CutAll()) : open->Abort(); });
    server.world.RunFor(1'000);
    EXPECT_TRUE(peer->saw_reset());
    EXPECT_EQ(server.live(), 0u);
    EXPECT_EQ(open, nullptr);
  }
}

TEST_P(SimLimits, AFullTableLetsPeersWaitAndServesThemLater) {
  SimServer server(seed(), {.slots = 8, .backlog = 64});
  const std::string at = server.Listen(Callbacks<server::Echo>());
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 40; ++i) {
    peers.push_back(server.Connect(at));
    peers.back()->Send("hello");
  }
  for (int left = 40; left > 0; --left) {
    server.world.RunFor(10);
    EXPECT_LE(server.live(), 8u);
    bool gone = false;
    for (auto*& peer : peers) {
      if (gone || peer == nullptr || peer->received() != "hello") continue;
      peer->Close();
      peer = nullptr;
      gone = true;
    }
    ASSERT_TRUE(gone);
  }
}

TEST_P(SimLimits, AFullSlabResetsWhomItCannotHold) {
  SimServer server(seed(), {.slots = 512, .connections_max = 3});
  const std::string at = server.Listen(Callbacks<server::Echo>());
  for (int i = 0; i < 5; ++i) server.Connect(at);
  server.world.RunUntilIdle();
  EXPECT_EQ(server.live(), 3u);
  EXPECT_EQ(server.Refused(RefuseCause::kSlabFull), 2u);
}

TEST_P(SimLimits, SlowProgressIsNoStall) {
  SimServer server(seed());
  const std::string at = server.Listen(Callbacks<server::Echo>(), {.write_stall_s = 3});
  auto* peer = server.ConnectNow(at);
  peer->Stall();
  peer->Send(Pattern(1'000'000));
  server.world.RunFor(1'000);
  peer->ReadSlowly(2'000, 1'000);
  server.world.RunFor(20'000);
  EXPECT_EQ(server.Cause(CloseCause::kWriteStalled), 0u);
  peer->Stall();
  server.world.RunFor(20'000);
  EXPECT_EQ(server.Cause(CloseCause::kWriteStalled), 1u);
}

// A process that is stopped for longer than the deadline each time before it hears what became of a send: the time
// before the first look at what is acknowledged says nothing about the peer.
TEST_P(SimLimits, AStallIsCountedFromTheFirstLook) {
  for (const TransportKind kind : {TransportKind::kUring, TransportKind::kUringBase, TransportKind::kEpoll}) {
    SCOPED_TRACE(Name(kind));
    SimServer server(seed(), {.transport = kind});
    const std::string at = server.Listen(Callbacks<server::Echo>(), {.write_stall_s = 3});
    auto* peer = server.ConnectNow(at);
    peer->Stall();
    peer->Send(Pattern(3'000'000));
    int stops = 0;
    while (server.Count(EngineCount::kSendsBlocked) == 0) {
      ASSERT_TRUE(server.world.Step());
      uint64_t queued = 0;
      server.engine().ForEach([&](Connection* conn) { queued += conn->queued_bytes(); });
      if (queued == 0 || server.Count(EngineCount::kSendsBlocked) != 0) continue;
      server.world.clock().Advance(10 * kNanosPerSecond);
      ++stops;
    }
    EXPECT_GT(stops, 0);
    server.world.RunUntilIdle();
    EXPECT_EQ(server.Cause(CloseCause::kWriteStalled), 0u);
    server.world.RunFor(20'000);
    EXPECT_EQ(server.Cause(CloseCause::kWriteStalled), 1u);
  }
}

// The 30 s for what is queued begin when the connection closes, not with the last byte that was taken before.
TEST_P(SimLimits, WhoHasNotReadForLongHasItsTimeFromTheCloseOn) {
  constexpr size_t kBytes = 3'000'000;
  struct Much final : Handler {
    void OnData(Connection& conn, alloc::Lease) override { conn.Write(Pattern(kBytes)); }
  };
  for (const TransportKind kind : {TransportKind::kUring, TransportKind::kUringBase, TransportKind::kEpoll}) {
    SCOPED_TRACE(Name(kind));
    SimServer server(seed(), {.transport = kind});
    auto* peer = server.ConnectNow(server.Listen(Callbacks<Much>(), {.queue_high_bytes = 2 * kBytes, .queue_cap_bytes = 2 * kBytes}));
    peer->Stall();
    peer->Send("x");
    server.world.RunFor(60'000);
    peer->HalfClose();
    server.world.RunFor(20'000);
    EXPECT_EQ(server.live(), 1u);
    peer->Resume();
    server.world.RunFor(1'000);
    EXPECT_EQ(peer->received().size(), kBytes);
    EXPECT_TRUE(peer->saw_fin());
    EXPECT_FALSE(peer->saw_reset());
  }
}

}  // namespace
}  // namespace mooring::net
