// SPDX-License-Identifier: Apache-2.0
// Reaching a connection from outside its own handler: mail to it, and that what is written is sent in the same turn.
#include "net/post.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/shard.h"
#include "core/sleep.h"
#include "core/submit_to.h"
#include "net/engine.h"
#include "net/task_service.h"
#include "net/transport.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

using core::kNanosPerMs;

// The same turn. A transport that notes in which turn of the shard it was given what, and whether that was before the
// turn's wait; a Poll makes what the test has prepared happen.
class NotingTransport final : public Transport {
 public:
  explicit NotingTransport(core::Shard* shard) : shard_(shard) {}

  struct Sent {
    uint32_t slot;
    std::string bytes;
    uint64_t turn;
    bool operator==(const Sent&) const = default;
  };
  std::vector<Sent> sent;
  std::vector<core::Nanos> waits;
  int shutdowns = 0;
  std::vector<std::function<void()>> happens;
  TransportEvents* events = nullptr;

  uint64_t turn() const { return shard_->counters().Read(core::ShardCount::kTurns); }
  void Send(ConnId id, const iovec* pieces, unsigned count, SendMode) override {
    std::string bytes;
    for (unsigned i = 0; i < count; ++i) bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
    sent.push_back({id.slot, bytes, turn()});
    sends_.push_back({id, static_cast<int>(bytes.size())});
  }
  void Close(ConnId id) override { releasing_.push_back(id); }
  void Abort(ConnId id) override { releasing_.push_back(id); }
  void Poll(core::Nanos wait, Sleeper* sleeper) override {
    waits.push_back(wait);
    sleeper->OnAwake();
    for (const auto& [id, taken] : std::exchange(sends_, {})) events->OnSend(id, taken);
    for (const auto& happening : std::exchange(happens, {})) happening();
    for (ConnId id : std::exchange(releasing_, {})) events->OnReleased(id);
  }
  std::string Describe() const override { return "noting"; }
  int Watch(int, uint32_t, Watcher*) override { return -ENOSYS; }
  void Unwatch(int) override {}
  void Wake() override {}
  void Listen(ListenerId, int, int, bool) override {}
  void SetAcceptMode(ListenerId, AcceptMode) override {}
  void RefuseNew(ListenerId) override {}
  void StopAccept(ListenerId, bool) override {}
  void Connect(ConnId, const Address&, const Address&) override {}
  void SetReading(ConnId, bool) override {}
  void Consumed(ConnId, uint32_t) override {}
  void ShutdownSend(ConnId) override { ++shutdowns; }
  void AskPeer(ConnId) override {}
  void AskOutQueue(ConnId) override {}
  bool ReadToEnd() const override { return true; }
  void Count(absl::FunctionRef<void(std::string_view, uint64_t)>) const override {}

 private:
  core::Shard* const shard_;
  std::vector<std::pair<ConnId, int>> sends_;
  std::vector<ConnId> releasing_;
};

class SameTurn : public ::testing::Test, protected Handler {
 protected:
  SameTurn() {
    transport_.events = engine_.events();
    shard_.SetPort(&transport_);
    engine_.SetTransport(&transport_);
    listener_ = engine_.AddListener("callbacks", this, {});
    first_ = Accept(listener_);
    second_ = Accept(listener_);
  }
  ~SameTurn() override {
    engine_.CutAll();
    shard_.RunTurn(0);
    shard_.RunTurn(0);
  }
  Connection* Accept(ListenerId listener) {
    const ConnId id = engine_.events()->OnAccept(listener, false);
    engine_.events()->OnOpen(id);
    return engine_.Find({uint64_t{id.slot} << 32 | id.generation});
  }
  void Receive(Connection* conn, std::string_view text) {
    alloc::Block* block = shard_.buffers().AcquireReceive();
    text.copy(block->data, text.size());
    engine_.events()->OnReceive(conn->handle, alloc::Lease(block, 0, static_cast<uint32_t>(text.size())));
  }
  // Everything that was sent, and in the turn that is over.
  void ExpectSentInTheLastTurn(Connection* to, const std::string& bytes) {
    ASSERT_EQ(transport_.sent.size(), 1u);
    EXPECT_EQ(transport_.sent[0], (NotingTransport::Sent{to->handle.slot, bytes, transport_.turn()}));
    transport_.sent.clear();
  }

  void OnData(Connection& conn, alloc::Lease data) override {
    if (on_data) on_data(conn, data.view());
  }
  void OnDrain(Connection& conn) override {
    if (&conn == first_) second_->Write("drained");
  }

  std::function<void(Connection&, std::string_view)> on_data;
  core::ManualClock clock_{1'000 * core::kNanosPerSecond};
  core::Shard shard_{{.clock = &clock_, .frames_max = 8}};
  core::Shard::Enter enter_{&shard_};
  Engine engine_{&shard_, {.connections_max = 10}};
  NotingTransport transport_{&shard_};
  ListenerId listener_ = 0;
  Connection* first_ = nullptr;
  Connection* second_ = nullptr;
  std::unique_ptr<TaskService> service_;
};

TEST_F(SameTurn, WhatMailWrites) {
  ASSERT_TRUE(Post(first_->id(), [](Connection& conn) { conn.Write("mail"); }));
  shard_.RunTurn(0);
  ExpectSentInTheLastTurn(first_, "mail");
}

TEST_F(SameTurn, WhatATimerWrites) {
  core::CallTimer timer;
  timer.call = [](void* conn) { static_cast<Connection*>(conn)->Write("timer"); };
  timer.argument = first_;
  shard_.wheel().Arm(&timer, core::TimerKind::kFunction, shard_.now_ms());
  shard_.RunTurn(0);
  ExpectSentInTheLastTurn(first_, "timer");
}

TEST_F(SameTurn, WhatTheRunQueueWrites) {
  shard_.MakeRunnable([](void* conn) { static_cast<Connection*>(conn)->Write("runnable"); }, first_);
  shard_.RunTurn(0);
  ExpectSentInTheLastTurn(first_, "runnable");
}

// What a Poll delivers belongs to the turn that follows without a wait in between.
TEST_F(SameTurn, WhatAnotherConnectionsHandlerWrites) {
  on_data = [&](Connection& conn, std::string_view text) {
    if (&conn == first_) second_->Write(text);
  };
  transport_.happens.push_back([&] { Receive(first_, "to the other"); });
  shard_.RunTurn();
  EXPECT_TRUE(transport_.sent.empty());
  shard_.RunTurn();
  ExpectSentInTheLastTurn(second_, "to the other");
  EXPECT_EQ(transport_.waits.size(), 2u) << "no Poll between the handler and the send";
}

// Delivered at the turn's end, when the other connection has been settled already.
TEST_F(SameTurn, WhatAHandlerWritesAtTheTurnsEnd) {
  on_data = [&](Connection& conn, std::string_view text) {
    if (&conn == first_) second_->Write(text);
  };
  first_->Pause();
  transport_.happens.push_back([&] { Receive(first_, "parked"); });
  shard_.RunTurn(0);
  shard_.RunTurn(0);  // settles it
  EXPECT_TRUE(transport_.sent.empty());
  second_->Pause();  // in the list before the first one
  second_->Resume();
  first_->Resume();
  shard_.RunTurn(0);
  ExpectSentInTheLastTurn(second_, "parked");
}

TEST_F(SameTurn, WhatADrainingHandlerWrites) {
  engine_.BeginDrain([] {});
  for (int turns = 0; turns < 50 && transport_.sent.empty(); ++turns) shard_.RunTurn(0);
  ExpectSentInTheLastTurn(second_, "drained");
}

// Contract 1: Abort drops the queue, also when it comes from a callback of the turn's end.
TEST_F(SameTurn, WhatIsAbortedAtTheTurnsEndSendsNothingMore) {
  on_data = [&](Connection& conn, std::string_view) {
    conn.Write("dropped");
    conn.Abort();
  };
  first_->Pause();
  transport_.happens.push_back([&] { Receive(first_, "parked"); });
  shard_.RunTurn(0);
  first_->Resume();
  shard_.RunTurn(0);
  EXPECT_TRUE(transport_.sent.empty());
  EXPECT_EQ(transport_.shutdowns, 0);
  EXPECT_EQ(engine_.causes().Read(CloseCause::kServiceAbort), 1u);
}

TEST_F(SameTurn, WhatFindsNoMemoryAtTheTurnsEndSendsNothingMore) {
  alloc::FramePool& frames = shard_.frames();
  std::vector<std::pair<void*, size_t>> held;
  on_data = [&](Connection& conn, std::string_view text) {
    for (size_t bytes = 16; bytes <= alloc::FramePool::kClassBytesMax; bytes += 16) {
      if (alloc::FramePool::ClassOf(bytes) == alloc::FramePool::ClassOf(sizeof(Output))) continue;
      while (void* frame = frames.Acquire(bytes)) held.push_back({frame, bytes});
    }
    while (conn.Write(text)) {
    }
  };
  first_->Pause();
  transport_.happens.push_back([&] { Receive(first_, "parked"); });
  shard_.RunTurn(0);
  first_->Resume();
  shard_.RunTurn(0);
  for (const auto& [frame, bytes] : held) frames.Release(frame, bytes);
  EXPECT_TRUE(transport_.sent.empty());
  EXPECT_EQ(engine_.causes().Read(CloseCause::kNoMemory), 1u);
}

core::Task<> WriteToTheOther(Connection* other) {
  other->Write("at once");
  co_await core::Sleep(kNanosPerMs);
  other->Write("after a sleep");
  auto told = co_await core::SubmitTo(0, [] { return std::string("after an answer"); });
  other->Write(*told);
}

TEST_F(SameTurn, WhatATaskOfAnotherConnectionWrites) {
  service_ = std::make_unique<TaskService>([&](Connection& conn) -> core::Task<> {
    auto data = co_await conn.Read();
    if (data) second_->Write(*data);
    co_await WriteToTheOther(second_);
  });
  Connection* third = Accept(engine_.AddListener("task", service_.get(), {}));
  transport_.happens.push_back([&] { Receive(third, "from a read; "); });
  shard_.RunTurn(0);
  shard_.RunTurn(0);
  ExpectSentInTheLastTurn(second_, "from a read; at once");
  clock_.Advance(kNanosPerMs);
  shard_.RunTurn(0);
  shard_.RunTurn(0);
  ExpectSentInTheLastTurn(second_, "after a sleep");
  // Submitted from the run queue of that turn: its mail and its answer's are read in the next.
  shard_.RunTurn(0);
  ExpectSentInTheLastTurn(second_, "after an answer");
}

// Whole servers over the simulated kernel.
class SimPost : public testing::TestWithParam<std::tuple<TransportKind, uint64_t>> {
 protected:
  SimServer::Options Of(uint32_t shards) const { return {.shards = shards, .transport = std::get<0>(GetParam())}; }
  uint64_t seed() const { return Seed(std::get<1>(GetParam())); }
};
INSTANTIATE_TEST_SUITE_P(Worlds, SimPost,
                         testing::Combine(testing::ValuesIn(kTransportKinds), testing::Range<uint64_t>(1, 7)));

// Notes who opens.
class Opens final : public Handler {
 public:
  explicit Opens(std::vector<ConnectionId>* ids) : ids_(ids) {}
  void OnOpen(Connection& conn) override { ids_->push_back(conn.id()); }
  void OnData(Connection& conn, alloc::Lease data) override { conn.Write(std::move(data)); }

 private:
  std::vector<ConnectionId>* const ids_;
};

// A connection of another shard than 0 among those; there are enough for one.
size_t Elsewhere(const std::vector<ConnectionId>& ids) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i].shard() != 0) return i;
  }
  ADD_FAILURE() << "all are on one shard";
  return 0;
}

struct Members {
  Members(SimServer* server, const std::string& at, std::vector<ConnectionId>* ids) {
    for (int i = 0; i < 12; ++i) peers.push_back(server->ConnectNow(at));
    elsewhere = Elsewhere(*ids);
    id = (*ids)[elsewhere];
  }
  std::vector<sim::SimPeer*> peers;
  size_t elsewhere;
  ConnectionId id;
};

TEST_P(SimPost, ReachesAConnectionOfAnotherShardInOrder) {
  std::vector<ConnectionId> ids;
  SimServer server(seed(), Of(3));
  const std::string at = server.Listen(Callbacks<Opens>(&ids));
  const Members members(&server, at, &ids);
  std::string expected;
  server.OnShard(0, [&](Engine&) {
    for (int i = 0; i < 100; ++i) {
      const std::string text = std::to_string(i) + " ";
      expected += text;
      EXPECT_TRUE(Post(members.id, [text](Connection& conn) {
        EXPECT_EQ(core::Shard::Current()->id(), conn.id().shard());
        conn.Write(text);
      }));
    }
  });
  server.world.RunUntilIdle();
  EXPECT_EQ(members.peers[members.elsewhere]->received(), expected);
  EXPECT_EQ(server.Count(EngineCount::kPostsStale), 0u);
}

TEST_P(SimPost, FromOutsideAnyTurn) {
  std::vector<ConnectionId> ids;
  SimServer server(seed(), Of(2));
  const std::string at = server.Listen(Callbacks<Opens>(&ids));
  const Members members(&server, at, &ids);
  for (const ConnectionId id : ids) {
    EXPECT_TRUE(Post(*server.shard(0).shards(), id, [](Connection& conn) { conn.Write("from outside"); }));
  }
  server.world.RunUntilIdle();
  for (sim::SimPeer* peer : members.peers) EXPECT_EQ(peer->received(), "from outside");
}

TEST_P(SimPost, AnIdThatNamesNobodyIsCountedAndNothingElse) {
  std::vector<ConnectionId> ids;
  SimServer server(seed(), Of(3));
  const std::string at = server.Listen(Callbacks<Opens>(&ids));
  const Members members(&server, at, &ids);
  int called = 0;
  const auto post = [&](ConnectionId id) {
    server.OnShard(0, [&](Engine&) { EXPECT_TRUE(Post(id, [&called](Connection&) { ++called; })); });
    server.world.RunUntilIdle();
  };
  // Closing: it lives still, and is not open any more.
  server.OnShard(members.id.shard(), [&](Engine& engine) { engine.Find(members.id)->Close(); });
  post(members.id);
  EXPECT_EQ(server.Count(EngineCount::kPostsStale), 1u);
  members.peers[members.elsewhere]->Close();
  server.world.RunFor(1000);
  post(members.id);  // gone
  auto* next = server.ConnectNow(at);  // and its slot is somebody else's, maybe
  post(members.id);
  EXPECT_EQ(server.Count(EngineCount::kPostsStale), 3u);
  post({});
  post({uint64_t{1023} << 54 | 7});                 // no such shard
  post({uint64_t{1} << 54 | uint64_t{0x3fffff} << 32 | 7});  // no such slot
  EXPECT_EQ(server.Count(EngineCount::kPostsStale), 6u);
  EXPECT_EQ(called, 0);
  EXPECT_FALSE(next->saw_reset());
}

TEST_P(SimPost, AFullBoxLeavesTheFunctionAsItWas) {
  std::vector<ConnectionId> ids;
  SimServer::Options options = Of(2);
  options.shard.mailbox_capacity = 2;
  SimServer server(seed(), options);
  const std::string at = server.Listen(Callbacks<Opens>(&ids));
  const Members members(&server, at, &ids);
  const auto send = [text = std::string("longer than what fits into a small string")](Connection& conn) {
    conn.Write(text);
  };
  ConnectionMail late = send;
  server.OnShard(0, [&](Engine&) {
    EXPECT_TRUE(Post(members.id, send));
    EXPECT_TRUE(Post(members.id, send));
    EXPECT_FALSE(Post(members.id, std::move(late)));
    ASSERT_TRUE(static_cast<bool>(late));
    EXPECT_FALSE(Post(members.id, std::move(late)));
  });
  server.world.RunUntilIdle();
  EXPECT_EQ(members.peers[members.elsewhere]->received().size(), 2u * 41);
  server.OnShard(0, [&](Engine&) { EXPECT_TRUE(Post(members.id, std::move(late))); });
  server.world.RunUntilIdle();
  EXPECT_EQ(members.peers[members.elsewhere]->received().size(), 3u * 41);
}

TEST_P(SimPost, WhatIsThrownEndsThatConnectionOnly) {
  std::vector<ConnectionId> ids;
  SimServer server(seed(), Of(3));
  const std::string at = server.Listen(Callbacks<Opens>(&ids));
  const Members members(&server, at, &ids);
  server.OnShard(0, [&](Engine&) {
    EXPECT_TRUE(Post(members.id, [](Connection&) { throw std::runtime_error("mail"); }));
    EXPECT_TRUE(Post(members.id, [](Connection& conn) { conn.Write("not any more"); }));
  });
  server.world.RunUntilIdle();
  EXPECT_TRUE(members.peers[members.elsewhere]->saw_reset());
  EXPECT_EQ(server.Cause(CloseCause::kServiceFailed), 1u);
  EXPECT_EQ(server.Count(EngineCount::kPostsStale), 1u);
  EXPECT_EQ(server.live(), members.peers.size() - 1);
}

TEST_P(SimPost, MayCloseAbortAndPause) {
  std::vector<ConnectionId> ids;
  SimServer server(seed(), Of(2));
  const std::string at = server.Listen(Callbacks<Opens>(&ids));
  const Members members(&server, at, &ids);
  server.OnShard(0, [&](Engine&) {
    EXPECT_TRUE(Post(ids[0], [](Connection& conn) {
      conn.Write("bye");
      conn.Close();
    }));
    EXPECT_TRUE(Post(ids[1], [](Connection& conn) { conn.Abort(); }));
    EXPECT_TRUE(Post(ids[2], [](Connection& conn) { conn.Pause(); }));
  });
  server.world.RunUntilIdle();
  members.peers[2]->Send("waits");
  server.world.RunUntilIdle();
  EXPECT_EQ(members.peers[0]->received(), "bye");
  EXPECT_TRUE(members.peers[0]->saw_fin());
  EXPECT_TRUE(members.peers[1]->saw_reset());
  EXPECT_EQ(members.peers[2]->received(), "");
  server.OnShard(1, [&](Engine&) { EXPECT_TRUE(Post(ids[2], [](Connection& conn) { conn.Resume(); })); });
  server.world.RunUntilIdle();
  EXPECT_EQ(members.peers[2]->received(), "waits");
}

// A task of a connection asks another shard, and is cut meanwhile: by its peer nothing ends, by the drain's deadline
// the wait does, and the answer finds nobody.
TEST_P(SimPost, ATaskThatWaitsForAnotherShardIsCancelledByTheCut) {
  bool ended = false;
  bool ok = true;
  SimServer server(seed(), Of(2));
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    auto long_sleep = []() -> core::Task<int> {
      co_await core::Sleep(20'000 * kNanosPerMs);
      co_return 7;
    };
    auto answered = co_await core::SubmitTo(1 - core::Shard::Current()->id(), long_sleep);
    ok = answered.ok();
    ended = true;
  }));
  auto* peer = server.ConnectNow(at);
  peer->Reset();
  server.world.RunFor(1000);
  EXPECT_FALSE(ended) << "what it waits for is not its connection";
  EXPECT_EQ(server.live(), 1u);
  server.BeginDrain();
  for (size_t i = 0; i < 2; ++i) server.OnShard(i, [](Engine& engine) { engine.CutAll(); });  // no background task
  server.world.RunUntilIdle();
  EXPECT_TRUE(ended);
  EXPECT_FALSE(ok);
  EXPECT_EQ(server.live(), 0u);
  server.world.RunFor(20'000);
}

}  // namespace
}  // namespace mooring::net
