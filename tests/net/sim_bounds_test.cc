// SPDX-License-Identifier: Apache-2.0
// Who may be accepted, over the simulated kernel and on every transport: caps by process, listener and source address,
// and accept rates. What is full stops accepting and loses nobody, what may not be is reset.
//
// MOORING_SEED=n replays one seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/accept_rate.h"
#include "net/address_table.h"
#include "net/credit.h"
#include "server/echo.h"
#include "tests/net/kinds_and_seeds.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

class SimBounds : public KindsAndSeeds {};
INSTANTIATE_TEST_SUITE_P(KindsAndSeeds, SimBounds, OfKindsAndSeeds(4), KindAndSeed);

// How many a service has open, and the most there ever were.
struct Open {
  int now = 0;
  int most = 0;
};

class CountsOpen final : public Handler {
 public:
  explicit CountsOpen(Open* open) : open_(open) {}
  void OnOpen(Connection&) override { open_->most = std::max(open_->most, ++open_->now); }
  void OnData(Connection& conn, alloc::Lease data) override { conn.Write(std::move(data)); }
  void OnClose(Connection&, CloseCause) override { --open_->now; }

 private:
  Open* const open_;
};

std::vector<sim::SimPeer*> Greet(SimServer* server, std::string_view at, int count) {
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < count; ++i) {
    peers.push_back(server->Connect(at));
    peers.back()->Send("hello");
  }
  return peers;
}

int Answered(const std::vector<sim::SimPeer*>& peers) {
  return static_cast<int>(std::count_if(peers.begin(), peers.end(), [](auto* peer) { return peer->received() == "hello"; }));
}

// Lets those that have their answer go, one after the other, until nobody is left. False when somebody never gets one.
bool ServeAll(SimServer* server, std::vector<sim::SimPeer*> peers) {
  while (!peers.empty()) {
    const auto answered = [&] {
      return std::find_if(peers.begin(), peers.end(), [](auto* peer) { return peer->received() == "hello"; });
    };
    if (!server->world.RunUntil([&] { return answered() != peers.end(); }, 10'000)) return false;
    (*answered())->Close();
    peers.erase(answered());
  }
  return true;
}

TEST_P(SimBounds, AListenersCapIsExactOverShardsAndTheOthersWait) {
  Credit credit(5);
  Open capped, other;
  {
    SimServer server(seed(), Over({.shards = 3, .backlog = 64}));
    const std::string at = server.Listen(Callbacks<CountsOpen>(&capped), {}, {.credit = &credit});
    const std::string beside = server.Listen(Callbacks<CountsOpen>(&other));
    const auto peers = Greet(&server, at, 16);
    const auto unbound = Greet(&server, beside, 16);
    server.world.RunFor(1000);
    EXPECT_EQ(Answered(peers), 5);
    EXPECT_EQ(Answered(unbound), 16) << "another listener's cap is none of theirs";
    EXPECT_EQ(credit.left(), 0);
    EXPECT_GE(server.Stops(StopCause::kListenerConnections), 1u);
    EXPECT_EQ(server.Stops(StopCause::kConnections), 0u);
    EXPECT_TRUE(ServeAll(&server, peers));
    EXPECT_EQ(capped.most, 5);
    EXPECT_GE(server.StoppedMs(StopCause::kListenerConnections), 1000u);
    for (auto* peer : peers) EXPECT_FALSE(peer->saw_reset());
  }
  EXPECT_EQ(credit.left(), 5);
}

// What a listener could have, and the process has none left for, goes back to the listener's other shards.
TEST_P(SimBounds, CapsOfProcessAndListenerHoldTogether) {
  Credit credit(4);
  Open capped, other;
  {
    SimServer server(seed(), Over({.shards = 2, .credit = 6, .backlog = 64}));
    const std::string at = server.Listen(Callbacks<CountsOpen>(&capped), {}, {.credit = &credit});
    const std::string beside = server.Listen(Callbacks<CountsOpen>(&other));
    const auto first = Greet(&server, beside, 4);
    server.world.RunFor(100);
    ASSERT_EQ(Answered(first), 4);
    const auto peers = Greet(&server, at, 8);
    server.world.RunFor(1000);
    EXPECT_EQ(Answered(peers), 2);
    EXPECT_EQ(credit.left(), 2);
    EXPECT_GE(server.Stops(StopCause::kConnections), 1u);
    for (auto* peer : first) peer->Close();
    server.world.RunFor(1000);
    EXPECT_EQ(Answered(peers), 4);
    EXPECT_EQ(server.credit_left(), 2);
    EXPECT_TRUE(ServeAll(&server, peers));
    EXPECT_LE(capped.most, 4);
  }
  EXPECT_EQ(credit.left(), 4);
}

TEST_P(SimBounds, CapsOfARunningListenerChange) {
  Credit three(3), five(5);
  Open open;
  {
    SimServer server(seed(), Over({.shards = 2, .backlog = 64}));
    const std::string at = server.Listen(Callbacks<CountsOpen>(&open));
    const auto peers = Greet(&server, at, 4);
    server.world.RunFor(100);
    const auto change = [&](Credit* to) {
      for (size_t i = 0; i < server.size(); ++i) {
        server.OnShard(i, [to](Engine& engine) { engine.ChangeBounds(0, {.credit = to}); });
      }
      server.world.RunFor(100);
    };
    change(&three);  // less than there are: nobody is sent away, and nobody let in
    EXPECT_EQ(three.left(), -1);
    const auto more = Greet(&server, at, 4);
    server.world.RunFor(100);
    EXPECT_EQ(open.now, 4);
    change(&five);
    EXPECT_EQ(three.left(), 3);
    EXPECT_EQ(open.now, 5);
    five.Give(2);
    change(&five);
    EXPECT_EQ(open.now, 7);
    change(nullptr);
    EXPECT_EQ(open.now, 8);
    EXPECT_EQ(five.left(), 7);
  }
  EXPECT_EQ(open.now, 0);
}

// What others take of it counts here too, in a turn in which this shard has accepted nobody.
TEST_P(SimBounds, ACreditThatOthersHaveUsedUpLetsNobodyIn) {
  Credit shared(1000);
  Open open;
  {
    SimServer server(seed(), Over({.backlog = 16}));
    const std::string at = server.Listen(Callbacks<CountsOpen>(&open), {}, {.credit = &shared});
    const auto first = Greet(&server, at, 1);
    server.world.RunFor(100);
    EXPECT_EQ(open.now, 1);
    shared.TakeUnasked(999);
    server.OnShard(0, [](Engine&) {});  // its turn looks
    server.world.RunFor(100);
    const auto more = Greet(&server, at, 5);
    server.world.RunFor(100);
    EXPECT_EQ(open.now, 1);
    shared.Give(999);
  }
  EXPECT_EQ(open.now, 0);
  EXPECT_EQ(shared.left(), 1000);
}

TEST_P(SimBounds, AnAddressHasAsManyConnectionsAsOneMay) {
  AddressTable table(3);
  Open open;
  {
    SimServer server(seed(), Over({.shards = 3, .addresses = &table}));
    const std::string at = server.Listen(Callbacks<CountsOpen>(&open));
    std::vector<sim::SimPeer*> peers;
    for (int i = 0; i < 5; ++i) {
      peers.push_back(server.ConnectFrom("127.0.0.1:0", at));
      peers.back()->Send("hello");
    }
    auto* elsewhere = server.ConnectFrom("127.0.0.2:0", at);
    elsewhere->Send("hello");
    server.world.RunFor(1000);
    EXPECT_EQ(Answered(peers), 3);
    EXPECT_EQ(std::count_if(peers.begin(), peers.end(), [](auto* peer) { return peer->saw_reset(); }), 2);
    EXPECT_EQ(elsewhere->received(), "hello");
    EXPECT_EQ(server.Refused(RefuseCause::kAddressLimit), 2u);
    EXPECT_EQ(server.Cause(CloseCause::kRefused), 2u);
    EXPECT_EQ(open.most, 4) << "the service has not seen them";
    EXPECT_EQ(table.sources(), 2u);

    const auto served = std::find_if(peers.begin(), peers.end(), [](auto* peer) { return !peer->saw_reset(); });
    (*served)->Close();
    server.world.RunFor(1000);
    auto* next = server.ConnectFrom("127.0.0.1:0", at);
    next->Send("hello");
    server.world.RunFor(1000);
    EXPECT_EQ(next->received(), "hello");
    EXPECT_EQ(server.Refused(RefuseCause::kAddressLimit), 2u);
  }
  EXPECT_EQ(table.sources(), 0u);
}

TEST_P(SimBounds, WhatAListenerRefusesAnAddressIsNotCountedForTheProcess) {
  AddressTable process(4), listener(2);
  {
    SimServer server(seed(), Over({.addresses = &process}));
    const std::string at = server.Listen(Callbacks<server::Echo>(), {}, {.addresses = &listener});
    const std::string beside = server.Listen(Callbacks<server::Echo>());
    const auto first = Greet(&server, at, 4);
    server.world.RunFor(1000);
    EXPECT_EQ(Answered(first), 2);
    EXPECT_EQ(server.Refused(RefuseCause::kListenerAddressLimit), 2u);
    const auto second = Greet(&server, beside, 4);
    server.world.RunFor(1000);
    EXPECT_EQ(Answered(second), 2);
    EXPECT_EQ(server.Refused(RefuseCause::kAddressLimit), 2u);
    const std::string unix_at = server.ListenUnix(Callbacks<server::Echo>());
    EXPECT_EQ((server.world.RunFor(0), Answered(Greet(&server, unix_at, 0))), 0);
    auto* local = server.ConnectNow(unix_at);
    local->Send("hello");
    server.world.RunFor(100);
    EXPECT_EQ(local->received(), "hello") << "a Unix socket has no address";
  }
  EXPECT_EQ(process.sources(), 0u);
  EXPECT_EQ(listener.sources(), 0u);
}

TEST_P(SimBounds, NoMoreAreAcceptedInASecondThanTheRateAndEverybodyIsInTheEnd) {
  AcceptRate rate(20);
  SimServer server(seed(), Over({.shards = 2, .rate = &rate, .backlog = 128}));
  const std::string at = server.Listen(Callbacks<server::Echo>());
  server.world.RunFor(500);
  const auto peers = Greet(&server, at, 60);
  const int64_t begin_ms = server.world.now_ms();
  std::vector<int64_t> accepted_ms;
  EXPECT_TRUE(server.world.RunUntil(
      [&] {
        while (accepted_ms.size() < server.Count(EngineCount::kAccepted)) accepted_ms.push_back(server.world.now_ms());
        return Answered(peers) == 60;
      },
      60'000));
  // A tenth of a second's tokens, and then one every 50 ms.
  ASSERT_EQ(accepted_ms.size(), 60u);
  for (size_t i = 0; i < accepted_ms.size(); ++i) {
    EXPECT_GE(accepted_ms[i] - begin_ms, (static_cast<int64_t>(i) - 1) * 50) << i;
  }
  EXPECT_LE(accepted_ms.back() - begin_ms, 3'500) << "nobody waits much longer than he must";
  EXPECT_GE(server.Stops(StopCause::kRate), 1u);
  EXPECT_GE(server.StoppedMs(StopCause::kRate), 2'000u);
  server.world.RunFor(10'000);  // memory is given back meanwhile
  for (size_t i = 0; i < server.size(); ++i) {
    EXPECT_EQ(server.shard(i).wheel().armed(), 0u) << "nobody waits, so nothing is timed";
  }
}

TEST_P(SimBounds, AListenersRateIsItsOwnAndGivesBackTheProcesss) {
  AcceptRate process(100), listener(2);
  SimServer server(seed(), Over({.rate = &process, .backlog = 64}));
  const std::string at = server.Listen(Callbacks<server::Echo>(), {}, {.rate = &listener});
  const std::string beside = server.Listen(Callbacks<server::Echo>());
  const auto slow = Greet(&server, at, 6);
  server.world.RunFor(900);
  const auto quick = Greet(&server, beside, 30);
  EXPECT_LE(Answered(slow), 2);
  server.world.RunFor(600);
  EXPECT_EQ(Answered(quick), 30) << "waiting takes no tokens";
  EXPECT_GE(server.Stops(StopCause::kListenerRate), 1u);
  server.world.RunFor(4'000);
  EXPECT_EQ(Answered(slow), 6);
}

TEST_P(SimBounds, ADrainDoesNotWaitForTokens) {
  AcceptRate rate(1);
  SimServer server(seed(), Over({.rate = &rate, .backlog = 64}));
  const auto peers = Greet(&server, server.Listen(Callbacks<server::Echo>()), 20);
  server.world.RunFor(50);
  EXPECT_LE(Answered(peers), 1);
  server.BeginDrain();
  server.world.RunFor(1'000);
  EXPECT_EQ(Answered(peers), 20);
  for (auto* peer : peers) EXPECT_FALSE(peer->saw_reset());
}

TEST_P(SimBounds, WhatAcceptingRanOutOfIsCounted) {
  struct {
    int error;
    AcceptFailure failure;
  } const cases[] = {{EMFILE, AcceptFailure::kProcessFiles},
                     {ENFILE, AcceptFailure::kSystemFiles},
                     {ENOBUFS, AcceptFailure::kBuffers},
                     {ENOMEM, AcceptFailure::kMemory}};
  for (const auto& [error, failure] : cases) {
    SCOPED_TRACE(Name(failure));
    SimServer server(seed(), Over());
    const std::string at = server.Listen(Callbacks<server::Echo>());
    int left = 3;
    server.world.kernel().choices().SetFaults([&left, error = error](sim::FaultSite site) {
      return site == sim::FaultSite::kAccept && left > 0 && left-- > 0 ? error : 0;
    });
    const auto peers = Greet(&server, at, 4);  // a failure may cost its connection
    server.world.RunFor(1'000);
    EXPECT_EQ(server.AcceptFailures(failure), 3u);
    EXPECT_EQ(server.Count(EngineCount::kAcceptErrors), 3u);
    EXPECT_GE(Answered(peers), 1);
    server.world.kernel().choices().SetFaults(nullptr);
  }
}

}  // namespace
}  // namespace mooring::net
