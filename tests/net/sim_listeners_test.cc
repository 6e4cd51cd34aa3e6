// SPDX-License-Identifier: Apache-2.0
// Listeners that come, change and go while the server runs, over the simulated kernel and on every transport.
//
// MOORING_SEED=n replays one seed.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/claim.h"
#include "net/credit.h"
#include "server/echo.h"
#include "tests/net/kinds_and_seeds.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

class SimListeners : public KindsAndSeeds {};
INSTANTIATE_TEST_SUITE_P(KindsAndSeeds, SimListeners, OfKindsAndSeeds(3), KindAndSeed);

// Answers whatever comes with its name.
class Named final : public Handler {
 public:
  explicit Named(std::string name) : name_(std::move(name)) {}
  void OnData(Connection& conn, alloc::Lease) override { conn.Write(name_); }

 private:
  const std::string name_;
};

std::string Ask(SimServer* server, sim::SimPeer* peer) {
  peer->Send("?");
  server->world.RunFor(100);
  return peer->TakeReceived();
}

TEST_P(SimListeners, AChangeIsForNewConnectionsOnly) {
  Named next("new");
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<Named>(std::string("old")), {.idle_timeout_s = 30});
  auto* before = server.ConnectNow(at);
  EXPECT_EQ(Ask(&server, before), "old");
  std::vector<Handler*> forgotten;
  server.OnShard(0, [&](Engine& engine) {
    EXPECT_TRUE(engine.ChangeListener(0, &next, {.idle_timeout_s = 3}, [&](Handler* old) { forgotten.push_back(old); }));
  });
  auto* after = server.ConnectNow(at);
  EXPECT_EQ(Ask(&server, after), "new");
  EXPECT_EQ(Ask(&server, before), "old");
  EXPECT_EQ(server.engine().LiveOf(0), 2u);
  server.world.RunFor(6'000);  // its own idle deadline, and not the other's
  EXPECT_TRUE(after->saw_fin());
  EXPECT_FALSE(before->ended());
  EXPECT_EQ(Ask(&server, before), "old");
  EXPECT_TRUE(forgotten.empty());
  before->Close();
  after->Close();
  server.world.RunFor(100);
  ASSERT_EQ(forgotten.size(), 1u);
  EXPECT_NE(forgotten[0], &next);
  EXPECT_NE(forgotten[0], nullptr);
  server.world.RunFor(60'000);
  EXPECT_EQ(forgotten.size(), 1u);
}

TEST_P(SimListeners, AHandlerIsForgottenWithTheLastProfileThatHasIt) {
  Named one("one"), two("two");
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<Named>(std::string("zero")));
  std::vector<Handler*> forgotten;
  const auto change = [&](Handler* to, uint32_t idle_s) {
    server.OnShard(0, [&](Engine& engine) {
      engine.ChangeListener(0, to, {.idle_timeout_s = idle_s}, [&](Handler* old) { forgotten.push_back(old); });
    });
    server.world.RunUntilIdle();
  };
  change(&one, 0);  // nobody has the first any more: at once
  ASSERT_EQ(forgotten.size(), 1u);
  auto* first = server.ConnectNow(at);
  change(&one, 100);
  auto* second = server.ConnectNow(at);
  EXPECT_EQ(forgotten.size(), 1u);  // other options, the same handler
  change(&two, 0);
  first->Close();
  server.world.RunFor(100);
  EXPECT_EQ(forgotten.size(), 1u);
  EXPECT_EQ(Ask(&server, second), "one");
  second->Close();
  server.world.RunFor(100);
  ASSERT_EQ(forgotten.size(), 2u);
  EXPECT_EQ(forgotten[1], &one);
}

TEST_P(SimListeners, RetiringServesWhoHasConnectedAndResetsNobody) {
  SimServer server(seed(), Over({.credit = 3, .backlog = 24}));
  const std::string at = server.Listen(Callbacks<server::Echo>());
  auto* lives = server.ConnectNow(at);
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 12; ++i) {
    peers.push_back(server.Connect(at));
    peers.back()->Send(absl::StrCat("hello ", i));
  }
  server.world.kernel().network().DeliverAll();  // all are in the queue
  int closed = 0, gone = 0;
  server.OnShard(0, [&](Engine& engine) { engine.RetireListener(0, [&] { ++closed; }, [&] { ++gone; }); });
  EXPECT_EQ(closed, 0);
  // There is credit for three at a time: the rest waits in the queue of the listener that is to close.
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(server.world.RunUntil([&] {
      for (auto*& peer : peers) {
        if (peer == nullptr || peer->received().size() < 7) continue;
        EXPECT_EQ(peer->received().substr(0, 6), "hello ");
        EXPECT_FALSE(peer->ended());
        peer->Close();
        peer = nullptr;
        return true;
      }
      return false;
    }, 20'000)) << i;
  }
  ASSERT_TRUE(server.world.RunUntil([&] { return closed == 1; }, 1000));
  auto* late = server.Connect(at);
  server.world.RunFor(100);
  EXPECT_TRUE(late->refused());
  lives->Send("still there?");
  server.world.RunFor(10'000);
  EXPECT_EQ(lives->received(), "still there?");
  EXPECT_FALSE(lives->ended());
  EXPECT_EQ(gone, 0);
  lives->Close();
  server.world.RunFor(100);
  EXPECT_EQ(gone, 1);
  EXPECT_EQ(closed, 1);
}

TEST_P(SimListeners, ANumberIsGivenAgainWhenItsLastConnectionIsGone) {
  SimServer server(seed(), Over());
  const auto listen = [&] {
    // As SimServer::Listen does, which expects the next free number as it comes.
    return server.Listen(Callbacks<server::Echo>());
  };
  const std::string first_at = listen();
  for (uint64_t round = 0; round < 10; ++round) {
    const std::string at = round == 0 ? first_at : listen();
    auto* peer = server.ConnectNow(at);
    EXPECT_EQ(Ask(&server, peer), "?");
    EXPECT_EQ(server.engine().CountersOf(0)->opened(), 1u);
    EXPECT_EQ(server.engine().CountersOf(0)->in(ConnectionState::kOpen), 1u);
    bool closed = false, gone = false;
    server.OnShard(0, [&](Engine& engine) { engine.RetireListener(0, [&] { closed = true; }, [&] { gone = true; }); });
    ASSERT_TRUE(server.world.RunUntil([&] { return closed; }, 1000));
    server.OnShard(0, [&](Engine& engine) {
      // The old connection has the number still.
      EXPECT_EQ(engine.AddListener("other", nullptr, {}), 1);
      engine.RetireListener(1);
    });
    EXPECT_EQ(Ask(&server, peer), "?");
    EXPECT_FALSE(gone);
    peer->Close();
    server.world.RunFor(100);
    EXPECT_TRUE(gone);
  }
  EXPECT_EQ(server.engine().CountersOf(1)->live(), 0u);
  EXPECT_EQ(server.engine().CountersOf(2), nullptr);
}

TEST_P(SimListeners, ARetiredListenersCreditComesBackBeforeItsNumberDoes) {
  Credit own(5);
  server::Echo echo;
  SimServer server(seed(), Over());
  ListenerId id = 0;
  std::string at;
  server.OnShard(0, [&](Engine& engine) { id = engine.AddListener("bounded", &echo, {}, {.credit = &own}); });
  for (int round = 0; round < 4; ++round) {
    auto claim = Claim::Take(&server.world.kernel(), *Address::Parse("127.0.0.1:0"), {.shards = 1, .backlog = 16});
    ASSERT_TRUE(claim.ok());
    at = claim->address().ToString();
    server.OnShard(0, [&](Engine& engine) { engine.Listen(id, claim->Release(0), 16); });
    server.world.RunUntilIdle();
    std::vector<sim::SimPeer*> peers;
    for (int i = 0; i < 5; ++i) peers.push_back(server.ConnectNow(at));
    EXPECT_EQ(own.left(), 0);
    bool again = false;
    server.OnShard(0, [&](Engine& engine) {
      engine.RetireListener(id, nullptr, [&] {
        EXPECT_EQ(own.left(), 5);
        engine.AddListenerAs(id, "again", &echo, {}, {.credit = &own});
        again = true;
      });
    });
    server.world.RunFor(1000);
    for (auto* peer : peers) peer->Close();
    ASSERT_TRUE(server.world.RunUntil([&] { return again; }, 1000));
  }
}

TEST_P(SimListeners, RetiringAndDrainingAtOnceClosesEachOnce) {
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<server::Echo>());
  auto* peer = server.ConnectNow(at);
  peer->CloseOnEof();
  int closed = 0, gone = 0;
  const auto retire = [&](Engine& engine) { engine.RetireListener(0, [&] { ++closed; }, [&] { ++gone; }); };
  if (seed() % 2 == 0) server.OnShard(0, retire);
  server.BeginDrain();
  if (seed() % 2 == 1) server.OnShard(0, retire);
  server.world.RunFor(3000);
  EXPECT_TRUE(server.drained());
  EXPECT_EQ(closed, 1);
  EXPECT_EQ(gone, 1);
  EXPECT_TRUE(peer->saw_fin());
  EXPECT_EQ(server.Cause(CloseCause::kDrained), 1u);
}

}  // namespace
}  // namespace mooring::net
