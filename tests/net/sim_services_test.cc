// SPDX-License-Identifier: Apache-2.0
// One thing at a time that a service or a peer may do, over the simulated kernel, each under several seeds.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "core/scope.h"
#include "core/sleep.h"
#include "net/address.h"
#include "server/echo.h"
#include "server/line.h"
#include "tests/core/test_root.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;

std::string Pattern(size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + i * 7 % 23);
  return out;
}

class SimServices : public testing::TestWithParam<uint64_t> {
 protected:
  uint64_t seed() const { return Seed(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Seeds, SimServices, testing::Range<uint64_t>(1, 13));

TEST_P(SimServices, ALineIsFoundWhereverItIsSplit) {
  SimServer server(seed());
  const std::string at = server.Listen(Coroutine(server::Line));
  const std::string text = "one\r\n\n\r\nfour\n";
  for (size_t split = 0; split <= text.size(); ++split) {
    auto* peer = server.ConnectNow(at);
    peer->Send(text.substr(0, split));
    server.world.RunUntilIdle();
    peer->Send(text.substr(split));
    server.world.RunUntilIdle();
    EXPECT_EQ(peer->received(), "OK\nOK\nOK\nOK\n") << "split at " << split;
    peer->Close();
  }
}

TEST_P(SimServices, ALineOfExactlyTheLimitPassesAndOneMoreEndsTheConnection) {
  SimServer server(seed());
  const std::string at = server.Listen(Coroutine(server::Line));
  auto* peer = server.ConnectNow(at);
  peer->Send(std::string(server::kLineBytesMax, 'x') + "\r\n" + std::string(server::kLineBytesMax + 1, 'x') + "\r\nno\n");
  server.world.RunUntilIdle();
  EXPECT_EQ(peer->received(), "OK\n");
  EXPECT_TRUE(peer->saw_fin());
  peer->Close();
  server.world.RunFor(1000);
  EXPECT_EQ(server.Cause(CloseCause::kTooLong), 1u);
}

TEST_P(SimServices, ReadExactlyTakesMoreThanABlockHolds) {
  SimServer server(seed());
  std::string got;
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    auto data = co_await conn.ReadExactly(50'000);
    if (data) got = std::string(*data);
    conn.Write("done");
  }));
  auto* peer = server.ConnectNow(at);
  const std::string all = Pattern(50'000);
  peer->Send(all.substr(0, 20'000));
  server.world.RunUntilIdle();
  EXPECT_EQ(server.shard().buffers().receive_live(), 64u) << "a half message holds no receive block";
  peer->Send(all.substr(20'000));
  server.world.RunUntilIdle();
  EXPECT_EQ(got, all);
  EXPECT_EQ(peer->received(), "done");
}

// What a reader holds while its queue is full is looked at before it hears of the end, in whatever order room and FIN come.
TEST_P(SimServices, MessagesHeldByAFullQueueAreReadBeforeTheEnd) {
  const std::string question(2'000, 'x');
  for (uint64_t round = 0; round < 40; ++round) {
    for (const TransportKind transport : kTransportKinds) {
      SimServer server(seed() * 1000 + round, {.transport = transport});
      ServiceOptions options;
      options.queue_high_bytes = options.queue_low_bytes = 3'000;
      const std::string at = server.ListenUnix(Coroutine([](Connection& conn) -> core::Task<> {
        while (auto data = co_await conn.ReadExactly(1'000)) conn.Write(*data);
      }), options);
      auto* peer = server.ConnectNow(at);
      peer->Stall();
      std::string all;
      for (int i = 0; i < 20; ++i) {
        all += question;
        peer->Send(question);
        for (uint64_t steps = round % 7 * 3; steps > 0 && server.world.Step(); --steps) {
        }
      }
      peer->HalfClose();
      for (uint64_t steps = round * 2; steps > 0 && server.world.Step(); --steps) {
      }
      peer->Resume();
      server.world.RunFor(1000);
      EXPECT_EQ(peer->received().size(), all.size()) << Name(transport) << ", round " << round;
    }
  }
}

TEST_P(SimServices, AMessageOfNoBytesIsThereBeforeAnyByteIs) {
  SimServer server(seed());
  const std::string at = server.Listen(Coroutine([](Connection& conn) -> core::Task<> {
    auto nothing = co_await conn.ReadExactly(0);
    conn.Write(nothing && nothing.size == 0 ? "nothing" : "?");
    auto byte = co_await conn.ReadExactly(1);
    if (byte) conn.Write(*byte);
  }));
  auto* peer = server.ConnectNow(at);
  EXPECT_EQ(peer->received(), "nothing");
  peer->Send("!");
  server.world.RunUntilIdle();
  EXPECT_EQ(peer->received(), "nothing!");
}

TEST_P(SimServices, TheTailBeforeTheEndIsPartial) {
  SimServer server(seed());
  ReadReason reason = ReadReason::kNone;
  std::string tail;
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    for (;;) {
      auto line = co_await conn.ReadLine();
      if (line) continue;
      reason = line.reason;
      tail = std::string(conn.Partial());
      co_return;
    }
  }));
  auto* peer = server.ConnectNow(at);
  peer->Send("whole\nhalf");
  peer->HalfClose();
  server.world.RunUntilIdle();
  EXPECT_EQ(reason, ReadReason::kEof);
  EXPECT_EQ(tail, "half");
  EXPECT_TRUE(peer->saw_fin());
}

core::Task<std::string> OneLine(Connection* conn) {
  auto line = co_await conn->ReadLine();
  co_return line ? std::string(*line) : std::string("none");
}

TEST_P(SimServices, AReadThatWasCancelledLosesNoByte) {
  SimServer server(seed());
  std::vector<std::string> got;
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    for (int i = 0; i < 3; ++i) {
      auto line = co_await core::WithDeadline(100 * kNanosPerMs, OneLine(&conn));
      got.push_back(*line);
    }
  }));
  auto* peer = server.ConnectNow(at);
  peer->Send("fir");
  server.world.RunFor(150);
  peer->Send("st\nsecond\n");
  server.world.RunFor(10);
  EXPECT_EQ(got, (std::vector<std::string>{"none", "first", "second"}));
}

core::Task<> WaitForRoom(Connection* conn, std::string* log) {
  const bool room = co_await conn->Writable();
  *log += room ? "room" : "none";
}

TEST_P(SimServices, CancellingOneTaskLeavesWhoElseWaitsOnTheConnection) {
  SimServer server(seed());
  Connection* served = nullptr;
  std::string got;
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    served = &conn;
    conn.Write(Pattern(3'000'000));
    auto line = co_await conn.ReadLine();
    got = line ? std::string(*line) : "failed";
  }));
  auto* peer = server.Connect(at);
  peer->Stall();
  server.world.RunUntilIdle();
  ASSERT_NE(served, nullptr);
  std::string log;
  core::TestRoot other;
  server.OnShard(0, [&](Engine&) { ASSERT_TRUE(WaitForRoom(served, &log).Start(&other)); });
  server.world.RunUntilIdle();
  ASSERT_EQ(log, "") << "this test needs a queue above its high watermark";
  server.OnShard(0, [&](Engine&) { other.scope.Cancel(); });
  server.world.RunUntilIdle();
  EXPECT_EQ(log, "none");
  EXPECT_EQ(got, "") << "the read of the connection's own task goes on";
  peer->Reset();
  server.world.RunFor(1000);
  EXPECT_EQ(got, "failed");
}

core::Task<> ReadThenWaitElsewhere(Connection* conn, std::string* got, std::coroutine_handle<>* elsewhere) {
  struct Elsewhere {
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> task) { *where = task; }
    void await_resume() const {}
    std::coroutine_handle<>* where;
  };
  auto line = co_await conn->ReadLine();
  *got = line ? std::string(*line) : "failed";
  co_await Elsewhere{elsewhere};
}

TEST_P(SimServices, AScopeThatReadFromAConnectionDoesNotTouchTheNextOneInItsSlot) {
  SimServer server(seed());
  Connection* idle = nullptr;
  std::vector<std::string> lines;
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    if (idle == nullptr) {
      idle = &conn;
      co_await core::Sleep(kNanosPerSecond);
      co_return;
    }
    EXPECT_EQ(&conn, idle) << "this test needs the same slot again";
    auto line = co_await conn.ReadLine();
    lines.push_back(line ? std::string(*line) : "failed");
  }));
  auto* first = server.ConnectNow(at);
  ASSERT_NE(idle, nullptr);
  first->CloseOnEof();
  std::string got;
  std::coroutine_handle<> elsewhere;
  core::TestRoot other;
  server.OnShard(0, [&](Engine&) { ASSERT_TRUE(ReadThenWaitElsewhere(idle, &got, &elsewhere).Start(&other)); });
  first->Send("hello\n");
  server.world.RunFor(2000);
  ASSERT_EQ(got, "hello");
  ASSERT_EQ(server.live(), 0u);
  server.OnShard(0, [&](Engine&) { other.scope.Cancel(); });  // of a connection that is gone
  auto* second = server.ConnectNow(at);
  core::CancelScope again;
  server.OnShard(0, [&](Engine&) {
    again.WaitAtConnection(idle);
    again.Cancel();
  });
  second->Send("line\n");
  server.world.RunUntilIdle();
  EXPECT_EQ(lines, std::vector<std::string>{"line"});
  server.OnShard(0, [&](Engine&) { elsewhere.resume(); });
  EXPECT_EQ(other.done_calls, 1);
}

// Two tasks of one connection: the one reads, with a deadline, and the other waits for room to write.
core::Task<> ReadsTwice(Connection* conn, std::vector<std::string>* got) {
  for (int i = 0; i < 2; ++i) {
    auto line = co_await core::WithDeadline(100 * kNanosPerMs, OneLine(conn));
    got->push_back(*line);
  }
}
core::Task<> WaitsForRoom(Connection* conn, std::vector<std::string>* got) {
  conn->Write(std::string(3'000'000, 'x'));
  const bool room = co_await conn->Writable();
  got->push_back(room ? "room" : "cancelled");
}

TEST_P(SimServices, CancellingTheReaderLeavesTheOneWhoWaitsForRoomAlone) {
  SimServer server(seed());
  std::vector<std::string> got;
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    auto both = [&](core::Scope& scope) -> core::Task<> {
      EXPECT_TRUE(scope.Spawn(WaitsForRoom(&conn, &got)));
      co_await ReadsTwice(&conn, &got);
    };
    co_await core::Scoped(both);
    got.push_back("joined");
  }));
  auto* peer = server.Connect(at);
  peer->Stall();
  server.world.RunFor(250);
  EXPECT_EQ(got, (std::vector<std::string>{"none", "none"}));
  peer->Resume();
  server.world.RunFor(1000);
  EXPECT_EQ(got, (std::vector<std::string>{"none", "none", "room", "joined"}));
}

TEST_P(SimServices, AViewOutlivesTheResetWhileItsTaskIsElsewhere) {
  SimServer server(seed());
  std::string seen;
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    auto line = co_await conn.ReadLine();
    if (!line) co_return;
    co_await core::Sleep(kNanosPerSecond);
    seen = std::string(*line);
  }));
  auto* peer = server.ConnectNow(at);
  peer->Send("a line\nand some");
  server.world.RunUntilIdle();
  peer->Reset();
  server.world.RunFor(500);
  EXPECT_EQ(seen, "");
  server.world.RunFor(1000);
  EXPECT_EQ(seen, "a line");
  EXPECT_EQ(server.live(), 0u);
}

TEST_P(SimServices, ALoopThatIgnoresTooLongDoesNotFreezeItsShard) {
  SimServer server(seed(), {.steps_max = 200'000});
  const std::string echo = server.Listen(Callbacks<server::Echo>());
  bool stop = false;
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    while (!stop) {
      auto line = co_await conn.ReadLine({.max_bytes = 10});
      if (line.reason != ReadReason::kNone && line.reason != ReadReason::kTooLong) co_return;
    }
  }));
  auto* peer = server.ConnectNow(at);
  peer->Send(std::string(100, 'x'));
  for (int i = 0; i < 1000; ++i) server.world.Step();
  auto* other = server.Connect(echo);
  other->Send("alive");
  for (int i = 0; i < 5000 && other->received() != "alive"; ++i) server.world.Step();
  EXPECT_EQ(other->received(), "alive");
  stop = true;
  server.world.RunUntilIdle();
}

TEST_P(SimServices, ARefusedOrUnusedConnectEndsOnce) {
  SimServer server(seed());
  struct Outbound final : Handler {
    explicit Outbound(std::vector<std::string>* to) : log(to) {}
    void OnOpen(Connection& conn) override {
      log->push_back("open");
      conn.Write("hello");
    }
    void OnData(Connection& conn, alloc::Lease data) override {
      log->push_back(std::string(data.view()));
      conn.Close();
    }
    void OnClose(Connection& conn, CloseCause cause) override {
      log->push_back(Name(cause));
      EXPECT_EQ(conn.connect_error(), cause == CloseCause::kConnectFailed ? ECONNREFUSED : 0);
    }
    std::vector<std::string>* log;
  };
  std::vector<std::string> log;
  const std::string at = server.Listen([] {
    struct Whole final : Handler {
      void OnData(Connection& conn, alloc::Lease data) override { conn.Write(std::move(data)); }
    };
    return std::make_unique<Whole>();
  });
  const ListenerId profile = server.AddProfile(Callbacks<Outbound>(&log));
  server.OnShard(0, [&](Engine& engine) { engine.Connect(profile, *Address::Parse("127.0.0.1:9"), {}); });
  server.world.RunUntilIdle();
  EXPECT_EQ(log, (std::vector<std::string>{"connect_failed"}));
  log.clear();
  server.OnShard(0, [&](Engine& engine) { engine.Connect(profile, *Address::Parse(at), {}); });
  server.world.RunFor(1000);
  ASSERT_GE(log.size(), 3u);
  EXPECT_EQ(log.front(), "open");
  EXPECT_EQ(log.back(), "service");
  log.clear();
  server.OnShard(0, [&](Engine& engine) { engine.Connect(profile, *Address::Parse(at), {})->Close(); });
  server.world.RunFor(1000);
  EXPECT_EQ(log.size(), 1u);
  EXPECT_EQ(server.live(), 0u);
}

TEST_P(SimServices, WhatThrowsEndsItsOwnConnectionOnly) {
  SimServer server(seed());
  struct Thrower final : Handler {
    void OnData(Connection&, alloc::Lease) override { throw std::runtime_error("callback"); }
  };
  const std::string callbacks = server.Listen(Callbacks<Thrower>());
  const std::string tasks = server.Listen(Coroutine([](Connection& conn) -> core::Task<> {
    co_await conn.Read();
    throw std::runtime_error("task");
  }));
  const std::string echo = server.Listen(Callbacks<server::Echo>());
  auto* fine = server.ConnectNow(echo);
  for (const std::string& at : {callbacks, tasks}) {
    auto* peer = server.ConnectNow(at);
    peer->Send("x");
    server.world.RunUntilIdle();
    EXPECT_TRUE(peer->saw_reset());
  }
  fine->Send("still here");
  server.world.RunUntilIdle();
  EXPECT_EQ(fine->received(), "still here");
  EXPECT_EQ(server.Cause(CloseCause::kServiceFailed), 2u);
}

TEST_P(SimServices, TheCapIsExactOverShardsAndEverybodyIsServedInTheEnd) {
  constexpr int kCap = 5;
  SimServer server(seed(), {.shards = 3, .credit = kCap, .backlog = 64});
  const std::string at = server.Listen(Callbacks<server::Echo>());
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 30; ++i) {
    peers.push_back(server.Connect(at));
    peers.back()->CloseOnEof();
    peers.back()->Send("hello");
  }
  uint32_t most = 0;
  int served = 0;
  for (int steps = 0; steps < 2'000'000 && served < 30; ++steps) {
    if (!server.world.Step()) server.world.MoveClock(server.world.clock().Now() + kNanosPerMs);
    most = std::max(most, server.live());
    for (auto*& peer : peers) {
      if (peer == nullptr || peer->received() != "hello") continue;
      peer->HalfClose();
      peer = nullptr;
      ++served;
    }
  }
  EXPECT_EQ(served, 30);
  EXPECT_LE(most, static_cast<uint32_t>(kCap));
}

TEST_P(SimServices, AnIdleDeadlineAndAStalledWriteEndTheirConnections) {
  SimServer server(seed());
  const std::string at = server.Listen(Callbacks<server::Echo>(), {.idle_timeout_s = 5, .write_stall_s = 10});
  auto* idle = server.ConnectNow(at);
  auto* stalled = server.ConnectNow(at);
  stalled->Stall();
  stalled->Send(Pattern(3'000'000));
  server.world.RunFor(4'000);
  EXPECT_EQ(server.live(), 2u);
  server.world.RunFor(4'000);
  EXPECT_TRUE(idle->saw_fin());
  EXPECT_EQ(server.Cause(CloseCause::kWriteStalled), 0u);
  server.world.RunFor(25'000);
  EXPECT_EQ(server.Cause(CloseCause::kIdle), 1u);
  EXPECT_EQ(server.Cause(CloseCause::kWriteStalled), 1u);
  EXPECT_EQ(server.live(), 0u);
}

TEST_P(SimServices, BeyondTheHardCapAConnectionIsClosedOrTheWriteIsDropped) {
  SimServer server(seed());
  struct Flood final : Handler {
    void OnOpen(Connection& conn) override {
      EXPECT_TRUE(conn.Write(std::string(2000, 'x')));  // taken whole
      EXPECT_FALSE(conn.Write("one more"));
    }
    void OnData(Connection&, alloc::Lease) override {}
  };
  ServiceOptions options = {.queue_cap_bytes = 1000};
  const std::string closing = server.Listen(Callbacks<Flood>(), options);
  options.drop_when_full = true;
  const std::string dropping = server.Listen(Callbacks<Flood>(), options);
  auto* closed = server.ConnectNow(closing);
  auto* dropped = server.ConnectNow(dropping);
  EXPECT_TRUE(closed->saw_reset());
  EXPECT_EQ(dropped->received().size(), 2000u);
  EXPECT_EQ(server.Count(EngineCount::kWritesDropped), 1u);
  EXPECT_EQ(server.Cause(CloseCause::kQueueFull), 1u);
}

TEST_P(SimServices, ADrainReadsWhatTheKernelHoldsHoweverManyTurnsThatTakes) {
  for (const TransportKind kind : {TransportKind::kUring, TransportKind::kUringBase}) {
    SimServer server(seed(), {.transport = kind, .mood = sim::Mood::kCalm});
    struct Sink final : Handler {
      Sink(std::vector<ConnectionId>* to, size_t* bytes) : ids(to), seen(bytes) {}
      void OnOpen(Connection& conn) override {
        ids->push_back(conn.id());
        conn.Pause();
      }
      void OnData(Connection&, alloc::Lease data) override { *seen += data.size(); }
      std::vector<ConnectionId>* ids;
      size_t* seen;
    };
    std::vector<ConnectionId> ids;
    size_t seen = 0;
    const std::string at = server.Listen(Callbacks<Sink>(&ids, &seen));
    auto* peer = server.ConnectNow(at);
    constexpr size_t kBytes = 1'000'000;
    peer->Send(Pattern(kBytes));
    server.world.RunUntilIdle();
    const size_t held = kBytes - peer->unacknowledged();
    ASSERT_GT(held, 20u * alloc::BufferPool::kReceiveBlockBytes);
    EXPECT_EQ(seen, 0u);
    server.OnShard(0, [&](Engine& engine) { engine.Find(ids[0])->Resume(); });
    server.BeginDrain();
    server.world.RunFor(1'000);
    EXPECT_GE(seen, held) << Name(kind);
  }
}

// The kernel tells a receive that is armed behind more than one batch of blocks nothing of a reset behind them.
TEST_P(SimServices, AResetBehindManyBlocksEndsItsConnection) {
  for (const TransportKind kind : {TransportKind::kUring, TransportKind::kUringBase, TransportKind::kEpoll}) {
    SCOPED_TRACE(Name(kind));
    SimServer server(seed(), {.transport = kind});
    server.world.kernel().choices().SetReceives(sim::Choices::Receives::kCrumbs);  // 33 of them are not many bytes
    struct Sink final : Handler {
      explicit Sink(std::vector<ConnectionId>* to) : ids(to) {}
      void OnOpen(Connection& conn) override {
        ids->push_back(conn.id());
        conn.Pause();
      }
      void OnData(Connection&, alloc::Lease) override {}
      std::vector<ConnectionId>* ids;
    };
    std::vector<ConnectionId> ids;
    auto* peer = server.ConnectNow(server.Listen(Callbacks<Sink>(&ids)));
    peer->Send(Pattern(200));  // some 45 crumbs: more than one batch, fewer than the blocks that are published
    server.world.RunUntilIdle();
    peer->Reset();
    server.world.RunUntilIdle();
    server.OnShard(0, [&](Engine& engine) { engine.Find(ids[0])->Resume(); });
    server.world.RunFor(1'000);
    EXPECT_EQ(server.live(), 0u);
    EXPECT_EQ(server.Cause(CloseCause::kPeerReset), 1u);
  }
}

TEST_P(SimServices, AStaleHandleFindsNobody) {
  SimServer server(seed());
  struct Noter final : Handler {
    explicit Noter(std::vector<ConnectionId>* to) : ids(to) {}
    void OnOpen(Connection& conn) override { ids->push_back(conn.id()); }
    void OnData(Connection& conn, alloc::Lease) override { conn.Abort(); }
    std::vector<ConnectionId>* ids;
  };
  std::vector<ConnectionId> ids;
  const std::string at = server.Listen(Callbacks<Noter>(&ids));
  server.ConnectNow(at)->Send("x");
  server.world.RunUntilIdle();
  server.ConnectNow(at);
  ASSERT_EQ(ids.size(), 2u);
  EXPECT_EQ(ids[0].slot(), ids[1].slot());
  server.OnShard(0, [&](Engine& engine) {
    EXPECT_EQ(engine.Find(ids[0]), nullptr);
    EXPECT_NE(engine.Find(ids[1]), nullptr);
  });
}

}  // namespace
}  // namespace mooring::net
