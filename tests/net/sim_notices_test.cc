// SPDX-License-Identifier: Apache-2.0
// A drain's notices when they are spread over a time, or for some connections of a listener, over the simulated kernel
// and on every transport.
//
// MOORING_SEED=n replays one seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "server/echo.h"
#include "server/line.h"
#include "tests/net/kinds_and_seeds.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

class SimNotices : public KindsAndSeeds {
 protected:
  static std::vector<sim::SimPeer*> Connect(SimServer* server, std::string_view at, int count) {
    std::vector<sim::SimPeer*> peers;
    for (int i = 0; i < count; ++i) {
      peers.push_back(server->ConnectNow(at));
      peers.back()->CloseOnEof();
    }
    return peers;
  }
  static int Ended(const std::vector<sim::SimPeer*>& peers) {
    return static_cast<int>(std::count_if(peers.begin(), peers.end(), [](auto* peer) {
      EXPECT_FALSE(peer->saw_reset());
      return peer->saw_fin();
    }));
  }
};
INSTANTIATE_TEST_SUITE_P(KindsAndSeeds, SimNotices, OfKindsAndSeeds(3), KindAndSeed);

TEST_P(SimNotices, ASpreadDrainCallsEvenlyAndServesWhoIsNotCalledYet) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Coroutine(server::Line));
  const std::vector<sim::SimPeer*> peers = Connect(&server, at, 40);
  bool drained = false;
  server.OnShard(0, [&](Engine& engine) { engine.BeginDrain({.spread_ms = 20'000}, [&] { drained = true; }); });
  for (int second = 1; second <= 20; ++second) {
    server.world.RunFor(1000);
    EXPECT_NEAR(Ended(peers), 2 * second, 2) << second;
    for (sim::SimPeer* peer : peers) {
      if (peer->ended()) continue;
      peer->TakeReceived();
      peer->Send("x\n");
    }
    server.world.RunFor(1);
    for (const sim::SimPeer* peer : peers) {
      if (!peer->ended()) {
        EXPECT_EQ(peer->received(), "OK\n");
      }
    }
    if (second == 5) {  // the listener has closed long ago
      sim::SimPeer* late = server.Connect(at);
      server.world.RunFor(1);
      EXPECT_TRUE(late->refused());
    }
  }
  server.world.RunFor(1000);
  EXPECT_EQ(Ended(peers), 40);
  EXPECT_TRUE(drained);
  EXPECT_EQ(server.Cause(CloseCause::kDrained), 40u);
}

TEST_P(SimNotices, WhoComesOutOfTheQueueInASpreadDrainGetsItsNoticeToo) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<server::Echo>(), {.track_peers = true});
  std::vector<sim::SimPeer*> peers = Connect(&server, at, 3);
  for (int i = 0; i < 5; ++i) {
    peers.push_back(server.Connect(at));
    peers.back()->Send("hello");
    peers.back()->CloseOnEof();
  }
  server.world.kernel().network().DeliverAll();
  server.OnShard(0, [&](Engine& engine) { engine.BeginDrain({.spread_ms = 5'000}, [] {}); });
  server.world.RunFor(1000);
  for (size_t i = 3; i < peers.size(); ++i) EXPECT_EQ(peers[i]->received(), "hello");
  EXPECT_LT(Ended(peers), 5);
  server.world.RunFor(6000);
  EXPECT_EQ(Ended(peers), 8);
  EXPECT_TRUE(server.drained());
}

TEST_P(SimNotices, APartOfAListenersConnectionsGoesAndTheRestIsServed) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Coroutine(server::Line));
  const std::string other = server.Listen(Callbacks<server::Echo>());
  const std::vector<sim::SimPeer*> peers = Connect(&server, at, 50);
  const std::vector<sim::SimPeer*> others = Connect(&server, other, 5);
  server.OnShard(0, [&](Engine& engine) { engine.NotifyConnections(0, 30, 0); });
  server.world.RunFor(100);
  EXPECT_EQ(Ended(peers), 15);
  EXPECT_EQ(Ended(others), 0);
  EXPECT_EQ(server.Cause(CloseCause::kOperator), 15u);
  EXPECT_FALSE(std::all_of(peers.begin(), peers.begin() + 15, [](auto* peer) { return peer->ended(); }));  // by chance
  auto* more = server.ConnectNow(at);  // it listens still
  for (sim::SimPeer* peer : peers) peer->Send("x\n");
  more->Send("x\n");
  server.world.RunFor(100);
  for (const sim::SimPeer* peer : peers) {
    if (!peer->ended()) {
      EXPECT_EQ(peer->received(), "OK\n");
    }
  }
  EXPECT_EQ(more->received(), "OK\n");
  EXPECT_EQ(Ended(peers), 15);
  server.OnShard(0, [&](Engine& engine) { engine.NotifyConnections(0, 100, 2000); });
  server.world.RunFor(1000);
  EXPECT_NEAR(Ended(peers), 15 + 18, 2);
  server.world.RunFor(1100);
  EXPECT_EQ(Ended(peers), 50);
  EXPECT_EQ(Ended(others), 0);
}

TEST_P(SimNotices, ASmallPartOfFewIsRoundedByChance) {
  int ended = 0;
  for (uint64_t round = 0; round < 20; ++round) {
    SimServer server(seed() * 100 + round, Over({.shards = 2}));
    const std::string at = server.Listen(Callbacks<server::Echo>());
    const std::vector<sim::SimPeer*> peers = Connect(&server, at, 10);
    for (size_t i = 0; i < 2; ++i) {
      server.OnShard(i, [&](Engine& engine) {
        for (int n = 0; n < static_cast<int>(round); ++n) engine.NotifyConnections(0, 0, 0);  // the generator goes on
        engine.NotifyConnections(0, 10, 0);
      });
    }
    server.world.RunFor(100);
    ended += Ended(peers);
  }
  EXPECT_NEAR(ended, 20, 12);
}

TEST_P(SimNotices, AListenerThatRetiresNotifiesAlsoWhoWaitedInItsQueue) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Coroutine(server::Line), {.track_peers = true});
  std::vector<sim::SimPeer*> peers = Connect(&server, at, 3);
  for (int i = 0; i < 6; ++i) {
    peers.push_back(server.Connect(at));
    peers.back()->Send("hello\n");
    peers.back()->CloseOnEof();
  }
  server.world.kernel().network().DeliverAll();
  bool gone = false;
  server.OnShard(0, [&](Engine& engine) {
    engine.RetireListener(0, nullptr, [&] { gone = true; });
    engine.NotifyConnections(0, 100, 0);
  });
  server.world.RunFor(3000);
  EXPECT_EQ(Ended(peers), 9);
  for (size_t i = 3; i < peers.size(); ++i) EXPECT_EQ(peers[i]->received(), "OK\n");
  EXPECT_TRUE(gone);
  EXPECT_EQ(server.Cause(CloseCause::kOperator), 9u);
}

// The promise of a drain holds for who is chosen: what it has sent before is answered, whole.
TEST_P(SimNotices, WhoIsChosenIsAnsweredFirst) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<server::Echo>());
  const std::vector<sim::SimPeer*> peers = Connect(&server, at, 8);
  const std::string text(50'000, 'x');
  for (sim::SimPeer* peer : peers) peer->Send(text);
  server.world.kernel().network().DeliverAll();
  std::vector<size_t> acknowledged;
  for (sim::SimPeer* peer : peers) acknowledged.push_back(text.size() - peer->unacknowledged());
  server.OnShard(0, [&](Engine& engine) { engine.NotifyConnections(0, 100, 0); });
  server.world.RunFor(10'000);
  EXPECT_EQ(Ended(peers), 8);
  for (size_t i = 0; i < peers.size(); ++i) EXPECT_GE(peers[i]->received().size(), acknowledged[i]);
}

}  // namespace
}  // namespace mooring::net
