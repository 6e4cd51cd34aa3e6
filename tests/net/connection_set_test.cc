// SPDX-License-Identifier: Apache-2.0
#include "net/connection_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "alloc/accounting.h"
#include "alloc/shared_bytes.h"
#include "tests/net/dice.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

using alloc::SharedBytes;

class ConnectionSets : public testing::TestWithParam<uint64_t> {
 protected:
  // Knows who is open, in the order in which they came.
  struct Keeper final : Handler {
    explicit Keeper(ConnectionSets* test) : of(test) {}
    void OnOpen(Connection& conn) override { of->open.push_back(&conn); }
    void OnData(Connection& conn, alloc::Lease) override {
      if (of->on_data) of->on_data(conn);
    }
    void OnClose(Connection& conn, CloseCause) override {
      EXPECT_FALSE(of->set != nullptr && of->set->Contains(conn)) << "it has left before";
      std::erase(of->open, &conn);
    }
    ConnectionSets* const of;
  };

  uint64_t seed() const { return Seed(GetParam()); }
  // A server, and `peers` connected to it.
  void Serve(int peers, const ServiceOptions& options = {}, SimServer::Options server_options = {}) {
    server_options.slots = std::max<uint32_t>(server_options.slots, static_cast<uint32_t>(peers) + 8);
    server.emplace(seed(), server_options);
    at = server->Listen(Callbacks<Keeper>(this), options);
    for (int i = 0; i < peers; ++i) Connect();
  }
  sim::SimPeer* Connect() { return peers.emplace_back(server->ConnectNow(at)); }
  template <class F>
  void OnShard(F&& f) {
    server->OnShard(0, [&](Engine&) { f(); });
  }

  std::vector<Connection*> open;
  std::vector<sim::SimPeer*> peers;  // the same order, while all are open
  std::function<void(Connection&)> on_data;
  ConnectionSet* set = nullptr;
  std::string at;
  std::optional<SimServer> server;  // goes first
};
INSTANTIATE_TEST_SUITE_P(Seeds, ConnectionSets, testing::Range<uint64_t>(1, 9));

TEST_P(ConnectionSets, AConnectionThatJoinsTwiceIsInItOnce) {
  Serve(2);
  OnShard([&] {
    ConnectionSet room;
    EXPECT_TRUE(room.empty());
    EXPECT_FALSE(room.Contains(*open[0]));
    EXPECT_FALSE(room.Leave(*open[0]));
    EXPECT_TRUE(room.Join(*open[0]));
    EXPECT_TRUE(room.Join(*open[0]));
    EXPECT_EQ(room.size(), 1u);
    EXPECT_TRUE(room.Contains(*open[0]));
    EXPECT_FALSE(room.Contains(*open[1]));
    EXPECT_FALSE(room.Leave(*open[1]));
    EXPECT_TRUE(room.Leave(*open[0]));
    EXPECT_FALSE(room.Leave(*open[0]));
    EXPECT_TRUE(room.empty());
    EXPECT_TRUE(room.Join(*open[1])) << "again, after it was empty";
  });
  EXPECT_EQ(server->shard().frames().live(), 0u) << "a set that goes lets its members go on without it";
  EXPECT_EQ(server->live(), 2u);
}

TEST_P(ConnectionSets, WriteAllReachesEveryMemberAndNobodyElse) {
  Serve(20);
  ConnectionSet room;
  const SharedBytes body = SharedBytes::Copy(std::string(3000, 'b'));
  OnShard([&] {
    for (int i = 0; i < 20; i += 2) room.Join(*open[i]);
    const auto told = room.WriteAll(body);
    EXPECT_EQ(told.sent, 10u);
    EXPECT_EQ(told.skipped, 0u);
    EXPECT_EQ(told.closed, 0u);
    EXPECT_EQ(body.holders(), 2u) << "one for all of the shard";
  });
  server->world.RunUntilIdle();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(peers[i]->received(), i % 2 == 0 ? body.view() : "") << i;
  EXPECT_EQ(body.holders(), 1u);
}

// From mail, a timer, another connection's handler: whoever writes to others must not have to wake them.
TEST_P(ConnectionSets, WhatIsWrittenOutsideItsMembersHandlersIsSentInTheSameTurn) {
  Serve(5);
  ConnectionSet room;
  OnShard([&] {
    for (Connection* conn : open) room.Join(*conn);
  });
  server->world.RunUntilIdle();
  core::Shard& shard = server->shard();
  const auto turns = [&] { return shard.counters().Read(core::ShardCount::kTurns); };
  uint64_t written = 0;
  ASSERT_TRUE(shard.Post([&] {
    room.WriteAll(SharedBytes::Copy("from mail"));
    written = turns();
  }));
  uint64_t sent = 0;
  ASSERT_TRUE(server->world.RunUntil(
      [&] {
        if (written != 0 && sent == 0 && server->engine().counters().Read(EngineCount::kBytesSent) > 0) sent = turns();
        return sent != 0;
      },
      1000));
  EXPECT_EQ(sent, written);
  on_data = [&](Connection& conn) { room.WriteAll(SharedBytes::Copy("!")); };
  peers[2]->Send("?");
  server->world.RunUntilIdle();
  for (const sim::SimPeer* peer : peers) EXPECT_EQ(peer->received().substr(0, 10), "from mail!");
}

TEST_P(ConnectionSets, WhoeverEndsLeavesByItselfInThatMoment) {
  ConnectionSet room;
  set = &room;
  Serve(8);
  OnShard([&] {
    for (Connection* conn : open) EXPECT_TRUE(room.Join(*conn));
    open[0]->Close();
    EXPECT_FALSE(room.Contains(*open[0]));
    open[1]->Abort();
    EXPECT_FALSE(room.Contains(*open[1]));
    EXPECT_EQ(room.size(), 6u);
    EXPECT_FALSE(room.Join(*open[0])) << "it is over";
    EXPECT_EQ(room.size(), 6u);
  });
  peers[2]->HalfClose();
  peers[3]->Close();
  peers[4]->Reset();
  server->world.RunUntilIdle();
  EXPECT_EQ(room.size(), 3u);
  on_data = [](Connection&) { throw std::runtime_error("the service fails"); };
  peers[5]->Send("?");
  server->world.RunUntilIdle();
  EXPECT_EQ(server->Cause(CloseCause::kServiceFailed), 1u);
  EXPECT_EQ(room.size(), 2u);
  OnShard([&] {
    const auto told = room.WriteAll(SharedBytes::Copy("left"));
    EXPECT_EQ(told.sent, 2u);
  });
  server->world.RunUntilIdle();
  EXPECT_EQ(peers[6]->received(), "left");
  EXPECT_EQ(peers[7]->received(), "left");
  server->CutAll();
  server->world.RunFor(10'000);
  EXPECT_TRUE(room.empty());
}

TEST_P(ConnectionSets, ATaskThatReturnsHasLeft) {
  ConnectionSet room;
  server.emplace(seed());
  at = server->Listen(Coroutine([&](Connection& conn) -> core::Task<> {
    room.Join(conn);
    while (const auto line = co_await conn.ReadLine()) room.WriteAll(SharedBytes::Copy(*line));
  }));
  auto* stays = server->ConnectNow(at);
  auto* goes = server->ConnectNow(at);
  EXPECT_EQ(room.size(), 2u);
  goes->Send("bye\n");
  goes->HalfClose();
  server->world.RunUntilIdle();
  EXPECT_EQ(room.size(), 1u);
  EXPECT_EQ(stays->received(), "bye");
  EXPECT_EQ(goes->received(), "bye");
}

// Nobody writes to it, so nothing would ever look at its members.
TEST_P(ConnectionSets, ChurnAloneDoesNotGrowMemory) {
  ConnectionSet room;
  Serve(3);
  OnShard([&] {
    for (Connection* conn : open) room.Join(*conn);
  });
  uint64_t frames = 0;
  for (int round = 0; round < 300; ++round) {
    sim::SimPeer* peer = server->ConnectNow(at);
    OnShard([&] { room.Join(*open.back()); });
    if (round == 0) frames = server->shard().frames().live();
    EXPECT_EQ(room.size(), 4u);
    EXPECT_EQ(server->shard().frames().live(), frames);
    round % 2 == 0 ? peer->Reset() : peer->Close();
    server->world.RunUntilIdle();
    EXPECT_EQ(room.size(), 3u);
  }
}

TEST_P(ConnectionSets, AWalkMayChangeTheSet) {
  Serve(10);
  OnShard([&] {
    ConnectionSet room;
    for (int i = 0; i < 8; ++i) room.Join(*open[i]);
    std::multiset<Connection*> visited;
    room.ForEach([&](Connection& conn) {
      visited.insert(&conn);
      if (&conn == open[7]) {
        room.Leave(*open[6]);  // the next
        room.Leave(*open[3]);
        room.Leave(*open[0]);  // the last
        room.Leave(conn);
        room.Join(*open[8]);   // not visited
      }
      if (&conn == open[5]) {
        open[4]->Abort();
        // A walk within the walk, which takes the outer one's next.
        room.ForEach([&](Connection& inner) {
          if (&inner == open[2]) room.Leave(inner);
        });
      }
      if (&conn == open[1]) room.Join(*open[9]);
    });
    EXPECT_EQ(visited, (std::multiset<Connection*>{open[7], open[5], open[1]}));
    EXPECT_EQ(room.size(), 4u);
    EXPECT_THROW(room.ForEach([](Connection&) { throw std::runtime_error("out of a walk"); }), std::runtime_error);
    int n = 0;
    room.ForEach([&](Connection& conn) {
      ++n;
      room.Leave(conn);
    });
    EXPECT_EQ(n, 4);
    EXPECT_TRUE(room.empty());
  });
}

TEST_P(ConnectionSets, ManySetsAgreeWithAModelWhateverHappens) {
  Serve(0, {}, {.slots = 64});
  sim::SeededDecisions decisions(seed());
  Dice dice(&decisions);
  std::vector<std::unique_ptr<ConnectionSet>> sets;
  std::map<ConnectionSet*, std::set<Connection*>> model;
  const auto make = [&] {
    sets.push_back(std::make_unique<ConnectionSet>());
    model[sets.back().get()];
  };
  for (int i = 0; i < 6; ++i) make();
  const auto forget = [&](Connection* conn) {
    for (auto& [each, members] : model) members.erase(conn);
  };
  for (int step = 0; step < 3000; ++step) {
    if (open.size() < 3 || (open.size() < 40 && dice.Chance(5))) Connect();
    OnShard([&] {
      Connection* conn = open[dice.Pick(open.size())];
      ConnectionSet* room = sets[dice.Pick(sets.size())].get();
      std::set<Connection*>& members = model[room];
      switch (dice.Pick(12)) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
          EXPECT_EQ(room->Join(*conn), conn->open());
          if (conn->open()) members.insert(conn);
          break;
        case 5:
        case 6: EXPECT_EQ(room->Leave(*conn), members.erase(conn) == 1); break;
        case 7: {
          std::multiset<Connection*> visited;
          room->ForEach([&](Connection& each) { visited.insert(&each); });
          EXPECT_TRUE(std::equal(visited.begin(), visited.end(), members.begin(), members.end()));
          break;
        }
        case 8: {
          const uint64_t before = members.size();
          const auto told = room->WriteAll(SharedBytes::Copy("all"));
          EXPECT_EQ(told.sent, before);
          break;
        }
        case 9:
          conn->Abort();
          forget(conn);
          break;
        case 10:
          conn->Close();
          forget(conn);
          break;
        case 11:
          if (!dice.Chance(20)) break;
          model.erase(room);
          std::erase_if(sets, [&](const auto& each) { return each.get() == room; });
          make();
          break;
      }
    });
    if (dice.Chance(30)) server->world.RunUntilIdle();
    for (auto& [each, members] : model) {
      ASSERT_EQ(each->size(), members.size());
      for (Connection* conn : open) EXPECT_EQ(each->Contains(*conn), members.contains(conn));
    }
    ASSERT_EQ(server->engine().Validate(), nullptr);
  }
  EXPECT_GT(server->Count(EngineCount::kReleased), 100u);
  for (sim::SimPeer* peer : peers) peer->Close();
  server->world.RunFor(40'000);
  for (auto& [each, members] : model) EXPECT_TRUE(each->empty());
}

TEST_P(ConnectionSets, ManyMembersCostTheirMembershipsAndAllOfItComesBack) {
  Serve(600);
  core::Shard& shard = server->shard();
  const auto frames = [&] { return shard.accounting().Bytes(alloc::Purpose::kFrames); };
  const auto table = [&] { return shard.accounting().Bytes(alloc::Purpose::kOther); };
  const uint64_t frames_before = frames();
  const uint64_t table_before = table();
  ConnectionSet room;
  ConnectionSet other;
  OnShard([&] {
    for (Connection* conn : open) {
      room.Join(*conn);
      other.Join(*conn);
    }
  });
  EXPECT_EQ(shard.frames().live(), 1200u);
  EXPECT_LE(frames() - frames_before, 1200u * 48 + 4096);
  EXPECT_GE(table() - table_before, 600u * 8);
  EXPECT_LE(table() - table_before, 2 * 608u * 8) << "by slot, however many sets; at most twice as large as needed";
  OnShard([&] {
    while (!room.empty()) room.Leave(*open[room.size() - 1]);
    while (!other.empty()) other.Leave(*open[other.size() - 1]);
  });
  EXPECT_EQ(shard.frames().live(), 0u);
  server->world.RunFor(10'000);
  EXPECT_EQ(frames(), frames_before);
  EXPECT_EQ(table(), table_before);
}

class SlowMembers : public ConnectionSets {
 protected:
  // Three members of which the second reads nothing and has the bound, or more, queued.
  void MakeSlow(const ServiceOptions& options = {}) {
    Serve(3, options);
    OnShard([&] {
      for (Connection* conn : open) room.Join(*conn);
    });
    peers[1]->Stall();
    for (int i = 0; i < 200 && open[1]->queued_bytes() < kHigh; ++i) {
      OnShard([&] { open[1]->Write(std::string(40'000, 's')); });
      server->world.RunUntilIdle();
    }
    ASSERT_GE(open[1]->queued_bytes(), kHigh);
  }
  ConnectionSet::Told Tell(SlowPolicy slow, uint64_t bound_bytes = 0) {
    ConnectionSet::Told told;
    OnShard([&] { told = room.WriteAll(SharedBytes::Copy("message"), slow, bound_bytes); });
    server->world.RunUntilIdle();
    return told;
  }
  static constexpr uint64_t kHigh = 64 << 10;
  ConnectionSet room;
};
INSTANTIATE_TEST_SUITE_P(Seeds, SlowMembers, testing::Range<uint64_t>(1, 9));

void ExpectTold(const ConnectionSet::Told& told, uint32_t sent, uint32_t skipped, uint32_t closed) {
  EXPECT_EQ(told.sent, sent);
  EXPECT_EQ(told.skipped, skipped);
  EXPECT_EQ(told.closed, closed);
}

TEST_P(SlowMembers, AreQueuedForAsWriteDoes) {
  MakeSlow();
  const uint64_t before = open[1]->queued_bytes();
  ExpectTold(Tell(SlowPolicy::kQueue), 3, 0, 0);
  EXPECT_EQ(open[1]->queued_bytes(), before + 7);
  peers[1]->Resume();
  server->world.RunFor(1000);
  EXPECT_TRUE(peers[1]->received().ends_with("smessage"));
}

TEST_P(SlowMembers, AreSkippedWithACountAndHearTheNextAgain) {
  MakeSlow();
  const uint64_t before = open[1]->queued_bytes();
  ExpectTold(Tell(SlowPolicy::kSkip), 2, 1, 0);
  ExpectTold(Tell(SlowPolicy::kSkip, before), 2, 1, 0);
  EXPECT_EQ(open[1]->queued_bytes(), before);
  EXPECT_EQ(server->Count(EngineCount::kWritesSkipped), 2u);
  ExpectTold(Tell(SlowPolicy::kSkip, before + 1), 3, 0, 0);
  peers[1]->Resume();
  server->world.RunFor(1000);
  ExpectTold(Tell(SlowPolicy::kSkip), 3, 0, 0);
  EXPECT_TRUE(peers[1]->received().ends_with("smessagemessage"));
  EXPECT_EQ(peers[0]->received(), "messagemessagemessagemessage");
  EXPECT_EQ(server->live(), 3u);
}

TEST_P(SlowMembers, AreClosedWithACauseOfTheirOwn) {
  MakeSlow();
  ExpectTold(Tell(SlowPolicy::kClose), 2, 0, 1);
  EXPECT_EQ(room.size(), 2u);
  server->world.RunFor(1000);
  EXPECT_EQ(server->Cause(CloseCause::kTooSlow), 1u);
  EXPECT_STREQ(Name(CloseCause::kTooSlow), "too_slow");
  ExpectTold(Tell(SlowPolicy::kClose), 2, 0, 0);
  EXPECT_EQ(peers[2]->received(), "messagemessage");
  EXPECT_EQ(server->Count(EngineCount::kWritesSkipped), 0u);
}

TEST_P(SlowMembers, ABoundOfTheirOwnReplacesTheWatermark) {
  MakeSlow({.queue_cap_bytes = 8 << 20});
  ExpectTold(Tell(SlowPolicy::kClose, 1 << 20), 3, 0, 0);
  ExpectTold(Tell(SlowPolicy::kClose, 1), 2, 0, 1);
}

// What has not been tried says nothing about a peer.
TEST_P(SlowMembers, ABurstInOneTurnMakesNobodySlow) {
  Serve(3);
  const SharedBytes body = SharedBytes::Copy(std::string(10'000, 'b'));
  OnShard([&] {
    for (Connection* conn : open) room.Join(*conn);
    for (int i = 0; i < 20; ++i) {
      ExpectTold(room.WriteAll(body, SlowPolicy::kClose), 3, 0, 0);
    }
    EXPECT_EQ(open[0]->queued_bytes(), 200'000u);
  });
  server->world.RunFor(10'000);
  for (const sim::SimPeer* peer : peers) EXPECT_EQ(peer->received(), std::string(200'000, 'b'));
}

TEST_P(SlowMembers, EachIsInOneOfTheThreeWhereWriteItselfRefuses) {
  struct Keep final : Handler {
    explicit Keep(std::vector<Connection*>* to) : opened(to) {}
    void OnOpen(Connection& conn) override { opened->push_back(&conn); }
    void OnData(Connection&, alloc::Lease) override {}
    std::vector<Connection*>* opened;
  };
  server.emplace(seed());
  const ServiceOptions dropping = {.queue_cap_bytes = 1000, .drop_when_full = true};
  const std::string drops = server->Listen(Callbacks<Keep>(&open), dropping);
  const std::string closes = server->Listen(Callbacks<Keep>(&open), {.queue_cap_bytes = 1000});
  auto* skipped = server->ConnectNow(drops);
  auto* closed = server->ConnectNow(closes);
  auto* half = server->ConnectNow(closes);
  OnShard([&] {
    for (Connection* conn : open) room.Join(*conn);
    open[2]->ShutdownWrite();
    ExpectTold(room.WriteAll(SharedBytes::Copy(std::string(1000, 'x'))), 2, 1, 0);
    ExpectTold(room.WriteAll(SharedBytes::Copy("more")), 0, 2, 1);
    ExpectTold(room.WriteAll(SharedBytes()), 0, 2, 0);
    ExpectTold(room.WriteAll(SharedBytes::Copy("")), 0, 2, 0);
  });
  server->world.RunUntilIdle();
  EXPECT_EQ(skipped->received(), std::string(1000, 'x'));
  EXPECT_TRUE(closed->saw_reset());
  EXPECT_TRUE(half->saw_fin());
  OnShard([&] { ExpectTold(room.WriteAll(SharedBytes::Copy("")), 1, 1, 0); });
}

TEST_P(ConnectionSets, ASetMayOutliveItsEngine) {
  ConnectionSet room;
  ConnectionSet other;
  Serve(5);
  OnShard([&] {
    for (Connection* conn : open) {
      room.Join(*conn);
      other.Join(*conn);
    }
  });
  server->engine().LeaveLive();
  server->DestroyNow();
  EXPECT_TRUE(room.empty());
  EXPECT_TRUE(other.empty());
}

}  // namespace
}  // namespace mooring::net
