// SPDX-License-Identifier: Apache-2.0
// Lists of connections, closing one by hand and asking for a peer, over the simulated kernel and on every transport.
//
// MOORING_SEED=n replays one seed.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/connection_figures.h"
#include "server/echo.h"
#include "server/line.h"
#include "tests/net/kinds_and_seeds.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

class SimOperator : public KindsAndSeeds {
 protected:
  static std::vector<ConnectionFigures> ListAll(SimServer* server) {
    std::vector<ConnectionFigures> all;
    uint32_t from = 0;
    while (from != Engine::kNoSlot) {
      server->OnShard(0, [&](Engine& engine) {
        const size_t before = all.size();
        from = engine.ListConnections(from, [&](const ConnectionFigures& each) { all.push_back(each); });
        EXPECT_LE(all.size() - before, size_t{Engine::kListedPerCall});
      });
    }
    return all;
  }
};
INSTANTIATE_TEST_SUITE_P(KindsAndSeeds, SimOperator, OfKindsAndSeeds(2), KindAndSeed);

TEST_P(SimOperator, AListTellsWhoWhatAndSinceWhen) {
  SimServer server(seed(), Over());
  const std::string plain = server.Listen(Callbacks<server::Echo>());
  const std::string tracked = server.Listen(Callbacks<server::Echo>(), {.track_peers = true});
  auto* one = server.ConnectNow(plain);
  auto* two = server.ConnectNow(tracked);
  server.world.RunFor(3000);
  two->Send("12345");
  one->Send("12345");
  server.world.RunFor(2000);
  const std::vector<ConnectionFigures> all = ListAll(&server);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].listener, 0);
  EXPECT_EQ(all[0].state, ConnectionState::kOpen);
  EXPECT_FALSE(all[0].tracked);
  EXPECT_TRUE(all[0].peer.empty());
  EXPECT_EQ(all[0].bytes_in, 0u);
  EXPECT_NEAR(all[0].idle_s, 2, 1);
  EXPECT_EQ(all[1].listener, 1);
  EXPECT_TRUE(all[1].tracked);
  EXPECT_EQ(all[1].peer.ToString(), two->local().ToString());
  EXPECT_EQ(all[1].bytes_in, 5u);
  EXPECT_EQ(all[1].bytes_out, 5u);
  EXPECT_NEAR(all[1].age_s, 5, 1);
  EXPECT_NEAR(all[1].idle_s, 2, 1);
  EXPECT_FALSE(all[1].draining || all[1].outbound);
  EXPECT_GE(server.Count(EngineCount::kMessages), 2u);  // what the network takes apart comes in more
  EXPECT_LE(server.Count(EngineCount::kMessages), 10u);
  EXPECT_GE(server.Count(EngineCount::kSends), 2u);
  // The next one in the slot begins anew.
  two->Close();
  server.world.RunFor(100);
  server.ConnectNow(tracked);
  EXPECT_EQ(ListAll(&server)[1].bytes_in, 0u);
}

TEST_P(SimOperator, AListInStepsHasEachOnceWhoLivesAllTheWhile) {
  SimServer server(seed(), Over({.slots = 4096, .connections_max = 4096, .backlog = 64}));
  const std::string at = server.Listen(Callbacks<server::Echo>());
  std::vector<sim::SimPeer*> peers;
  std::map<uint64_t, bool> stays;
  for (int i = 0; i < 2300; ++i) {
    peers.push_back(server.Connect(at));
    if (i % 50 == 49) server.world.RunUntilIdle();
  }
  server.world.RunUntilIdle();
  ASSERT_EQ(server.live(), 2300u);
  // Who goes meanwhile is every seventh.
  for (const ConnectionFigures& each : ListAll(&server)) stays[each.id.value] = each.id.slot() % 7 != 3;
  std::map<uint64_t, int> seen;
  std::vector<ConnectionId> listed;
  uint32_t from = 0;
  int steps = 0;
  uint32_t leaves = 3;
  while (from != Engine::kNoSlot) {
    server.OnShard(0, [&](Engine& engine) {
      from = engine.ListConnections(from, [&](const ConnectionFigures& each) {
        ++seen[each.id.value];
        listed.push_back(each.id);
      });
      for (uint32_t n = 0; n < 100; ++n, leaves += 7) {
        engine.ForEach([&](Connection* conn) {
          if (conn->handle.slot == leaves && n % 100 == 0) conn->Abort();
        });
      }
    });
    ++steps;
    server.Connect(at);
    server.world.RunFor(10);
  }
  EXPECT_EQ(steps, 3);
  for (const auto& [id, whole] : stays) {
    if (whole) {
      EXPECT_EQ(seen[id], 1);
    }
  }
  for (const auto& [id, times] : seen) EXPECT_LE(times, 1);
  // What a list has said may be out of date: then nothing happens.
  uint32_t stale = 0;
  server.OnShard(0, [&](Engine& engine) { engine.ForEach([](Connection* conn) { conn->Abort(); }); });
  server.world.RunFor(100);
  auto* next = server.ConnectNow(at);
  server.OnShard(0, [&](Engine& engine) {
    for (const ConnectionId id : listed) stale += engine.CloseConnection(id, false) ? 0 : 1;
  });
  EXPECT_EQ(stale, listed.size());
  next->Send("x");
  server.world.RunFor(100);
  EXPECT_EQ(next->received(), "x");
}

TEST_P(SimOperator, ClosedByHandIsSentWhatIsQueuedAndAbortedIsReset) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Coroutine(server::Line));
  auto* closed = server.ConnectNow(at);
  auto* aborted = server.ConnectNow(at);
  auto* other = server.ConnectNow(at);
  const std::vector<ConnectionFigures> all = ListAll(&server);
  ASSERT_EQ(all.size(), 3u);
  server.OnShard(0, [&](Engine& engine) {
    engine.Find(all[0].id)->Write("goodbye\n");
    engine.Find(all[1].id)->Write("goodbye\n");
    EXPECT_TRUE(engine.CloseConnection(all[0].id, /*abort=*/false));
    EXPECT_TRUE(engine.CloseConnection(all[1].id, /*abort=*/true));
  });
  server.world.RunFor(100);
  EXPECT_EQ(closed->received(), "goodbye\n");
  EXPECT_TRUE(closed->saw_fin());
  EXPECT_FALSE(closed->saw_reset());
  EXPECT_TRUE(aborted->saw_reset());
  EXPECT_FALSE(other->ended());
  closed->Close();
  server.world.RunFor(100);
  EXPECT_EQ(server.Cause(CloseCause::kOperator), 2u);
  EXPECT_EQ(server.live(), 1u);
}

TEST_P(SimOperator, APeerThatIsNotTrackedCanBeAskedFor) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<server::Echo>());
  const std::string path = server.ListenUnix(Callbacks<server::Echo>());
  auto* stays = server.ConnectNow(at);
  auto* goes = server.ConnectNow(at);
  server.ConnectNow(path);
  const std::vector<ConnectionFigures> all = ListAll(&server);
  ASSERT_EQ(all.size(), 3u);
  std::vector<std::optional<Address>> answers(6);
  const auto ask = [&](Engine& engine, ConnectionId id, size_t i) {
    engine.AskPeer(id, [&answers, i](const Address& peer) {
      EXPECT_FALSE(answers[i].has_value());
      answers[i] = peer;
    });
  };
  server.OnShard(0, [&](Engine& engine) {
    ask(engine, all[0].id, 0);
    ask(engine, all[0].id, 1);  // twice at a time
    ask(engine, all[1].id, 2);
    ask(engine, all[2].id, 3);
    ask(engine, {all[0].id.value + 1}, 4);  // stale
    EXPECT_FALSE(answers[4].has_value());
    engine.CloseConnection(all[1].id, /*abort=*/true);
  });
  server.world.RunFor(100);
  for (size_t i = 0; i < 5; ++i) ASSERT_TRUE(answers[i].has_value()) << i;
  EXPECT_EQ(answers[0]->ToString(), stays->local().ToString());
  EXPECT_EQ(answers[1]->ToString(), stays->local().ToString());
  EXPECT_TRUE(answers[2]->empty() || answers[2]->ToString() == goes->local().ToString());  // which was first
  EXPECT_TRUE(answers[3]->empty());
  EXPECT_TRUE(answers[4]->empty());
  EXPECT_TRUE(goes->saw_reset());
  server.OnShard(0, [&](Engine& engine) { ask(engine, all[0].id, 5); });  // again, later
  server.world.RunFor(100);
  ASSERT_TRUE(answers[5].has_value());
  EXPECT_EQ(answers[5]->ToString(), stays->local().ToString());
  stays->Send("x");
  server.world.RunFor(100);
  EXPECT_EQ(stays->received(), "x");
}

}  // namespace
}  // namespace mooring::net
