// SPDX-License-Identifier: Apache-2.0
// Who a connection is with, known before its service starts, over the simulated kernel and on every transport.
//
// MOORING_SEED=n replays one seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "alloc/accounting.h"
#include "server/echo.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

std::string Pattern(size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + i * 7 % 23);
  return out;
}

class SimPeerAddresses : public testing::TestWithParam<std::tuple<TransportKind, uint64_t>> {
 protected:
  uint64_t seed() const { return Seed(std::get<1>(GetParam())); }
  static TransportKind kind() { return std::get<0>(GetParam()); }
  SimServer::Options Over(SimServer::Options options = {}) const {
    options.transport = kind();
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(KindsAndSeeds, SimPeerAddresses,
                         testing::Combine(testing::ValuesIn(kTransportKinds), testing::Range<uint64_t>(1, 9)),
                         [](const auto& info) {
                           std::string name(Name(std::get<0>(info.param)));
                           std::replace_if(
                               name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
                           return name + "_" + std::to_string(std::get<1>(info.param));
                         });

// What a service was told, and by whom.
struct Seen {
  int opened = 0;
  int closed = 0;
  std::map<std::string, std::string> bytes;  // by address
  std::vector<std::string> changed;          // who had another address later on
};

// Sends back what it gets, and notes who it is with at each callback.
class Noting final : public Handler {
 public:
  explicit Noting(Seen* seen) : seen_(seen) {}
  void OnOpen(Connection& conn) override {
    ++seen_->opened;
    at_open_[conn.id().value] = conn.peer().ToString();
    Look(conn);
  }
  void OnData(Connection& conn, alloc::Lease data) override {
    seen_->bytes[Look(conn)] += data.view();
    conn.Write(std::move(data));
  }
  void OnEof(Connection& conn) override {
    Look(conn);
    conn.Close();
  }
  void OnClose(Connection& conn, CloseCause) override {
    ++seen_->closed;
    Look(conn);
  }

 private:
  std::string Look(Connection& conn) {
    const std::string now = conn.peer().ToString();
    if (now != at_open_[conn.id().value]) seen_->changed.push_back(now);
    seen_->bytes[now];
    return now;
  }
  Seen* const seen_;
  std::map<uint64_t, std::string> at_open_;
};

TEST_P(SimPeerAddresses, AreKnownFromTheFirstCallbackToTheLast) {
  Seen seen;  // before the server, whose connections end with it
  SimServer server(seed(), Over({.shards = 2}));
  const std::string at = server.Listen(Callbacks<Noting>(&seen), {.track_peers = true});
  std::map<std::string, std::string> sent;
  std::vector<sim::SimPeer*> peers;
  for (size_t i = 0; i < 40; ++i) {
    peers.push_back(server.Connect(at));
    peers.back()->CloseOnEof();
    // Some say all they have to say, and that it was all, before they are accepted.
    const std::string text = Pattern(i * 997 % 30'000);
    peers.back()->Send(text);
    if (i % 3 != 0) peers.back()->HalfClose();
    sent[peers.back()->local().ToString()] = text;
  }
  server.world.RunUntilIdle();
  EXPECT_EQ(seen.opened, 40);
  for (auto* peer : peers) {
    EXPECT_EQ(peer->received(), sent[peer->local().ToString()]);
    peer->HalfClose();
  }
  server.world.RunFor(1'000);
  EXPECT_EQ(seen.bytes, sent);
  EXPECT_EQ(seen.closed, 40);
  EXPECT_EQ(seen.changed, std::vector<std::string>());
  EXPECT_EQ(server.live(), 0u);
}

TEST_P(SimPeerAddresses, AreKnownToACoroutineAndItsReadsMissNothing) {
  std::map<std::string, std::string> lines, sent;
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Coroutine([&](Connection& conn) -> core::Task<> {
                                         for (;;) {
                                           auto line = co_await conn.ReadLine();
                                           if (!line) co_return;
                                           lines[conn.peer().ToString()] += *line;
                                         }
                                       }),
                                       {.track_peers = true});
  for (int i = 0; i < 10; ++i) {
    auto* peer = server.Connect(at);
    peer->CloseOnEof();
    peer->Send("one of " + std::to_string(i) + "\nand");
    peer->Send(" another\n");
    peer->HalfClose();
    sent[peer->local().ToString()] = "one of " + std::to_string(i) + "and another";
  }
  server.world.RunFor(1'000);
  EXPECT_EQ(lines, sent);
  EXPECT_EQ(server.live(), 0u);
}

TEST_P(SimPeerAddresses, OfPeersThatAreGoneBeforeTheAnswerEndWithACauseAndLeaveNothing) {
  Seen seen;
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<Noting>(&seen), {.track_peers = true});
  for (int i = 0; i < 60; ++i) {
    auto* peer = server.Connect(at);
    peer->Send("hello");
    for (uint64_t steps = (seed() + static_cast<uint64_t>(i)) % 12; steps > 0; --steps) server.world.Step();
    i % 4 == 0 ? peer->Close() : peer->Reset();
  }
  server.world.RunFor(10'000);
  EXPECT_EQ(server.live(), 0u);
  EXPECT_EQ(seen.opened, seen.closed);
  EXPECT_EQ(server.Cause(CloseCause::kNone), 0u);
  EXPECT_EQ(server.Causes(), server.Count(EngineCount::kAccepted));
}

TEST_P(SimPeerAddresses, AreNotAskedForWhereNobodyTracksThem) {
  Seen seen;
  SimServer server(seed(), Over());
  const uint64_t before = server.shard().accounting().Bytes(alloc::Purpose::kOther);
  const std::string at = server.Listen(Callbacks<Noting>(&seen));
  auto* peer = server.ConnectNow(at);
  peer->Send("x");
  server.world.RunUntilIdle();
  EXPECT_EQ(peer->received(), "x");
  EXPECT_EQ(seen.bytes, (std::map<std::string, std::string>{{"none", "x"}}));
  EXPECT_EQ(server.shard().accounting().Bytes(alloc::Purpose::kOther), before);
}

TEST_P(SimPeerAddresses, AreEmptyForAUnixSocketWhoseServiceStarts) {
  Seen seen;
  SimServer server(seed(), Over());
  const std::string at = server.ListenUnix(Callbacks<Noting>(&seen), {.track_peers = true});
  auto* peer = server.Connect(at);
  peer->Send("hello");
  server.world.RunUntilIdle();
  EXPECT_EQ(peer->received(), "hello");
  EXPECT_EQ(seen.bytes, (std::map<std::string, std::string>{{"none", "hello"}}));
}

TEST_P(SimPeerAddresses, DoNotPassToTheNextConnectionInTheSlot) {
  Seen seen;
  SimServer server(seed(), Over());
  const std::string tracked = server.Listen(Callbacks<Noting>(&seen), {.track_peers = true});
  const std::string other = server.Listen(Callbacks<Noting>(&seen));
  auto* first = server.ConnectNow(tracked);
  const std::string name = first->local().ToString();
  first->CloseOnEof();
  first->HalfClose();
  server.world.RunFor(1'000);
  ASSERT_EQ(server.live(), 0u);
  server.ConnectNow(other)->Send("x");
  server.world.RunUntilIdle();
  EXPECT_EQ(seen.bytes, (std::map<std::string, std::string>{{name, ""}, {"none", "x"}}));
}

TEST_P(SimPeerAddresses, OfAConnectionThatThisSideBeganIsWhereItWasConnectedTo) {
  Seen seen;
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<server::Echo>());
  const ListenerId tracked = server.AddProfile(Callbacks<Noting>(&seen), {.track_peers = true});
  const ListenerId other = server.AddProfile(Callbacks<Noting>(&seen));
  for (const ListenerId profile : {tracked, other}) {
    server.OnShard(0, [&](Engine& engine) { engine.Connect(profile, *Address::Parse(at), {}); });
    server.world.RunUntilIdle();
  }
  EXPECT_EQ(seen.opened, 2);
  EXPECT_EQ(seen.bytes, (std::map<std::string, std::string>{{at, ""}, {"none", ""}}));
}

TEST_P(SimPeerAddresses, AreAskedForInADrainToo) {
  Seen seen;
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<Noting>(&seen), {.track_peers = true});
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 10; ++i) {
    peers.push_back(server.Connect(at));
    peers.back()->CloseOnEof();
    peers.back()->Send("last words");
  }
  server.BeginDrain();
  server.world.RunFor(3'000);
  EXPECT_TRUE(server.drained());
  for (auto* peer : peers) {
    if (peer->refused() || !peer->connected()) continue;
    EXPECT_EQ(peer->received(), "last words");
    EXPECT_EQ(seen.bytes[peer->local().ToString()], "last words");
  }
}

TEST_P(SimPeerAddresses, DelayTheFirstAnswerByNoTurnButByOneOnEpoll) {
  SimServer server(seed(), Over({.mood = sim::Mood::kCalm}));
  const auto turn = [&] { return server.shard().counters().Read(core::ShardCount::kTurns); };
  const auto until_more = [&](EngineCount of) {
    const uint64_t before = server.Count(of);
    while (server.Count(of) == before && server.world.Step()) {
    }
    return turn();
  };
  uint64_t waited[2] = {};
  for (const bool tracked : {false, true}) {
    auto* peer = server.Connect(server.Listen(Callbacks<server::Echo>(), {.track_peers = tracked}));
    peer->Send("hello");
    server.world.kernel().network().DeliverAll();  // the bytes are there when it is accepted
    const uint64_t accepted = until_more(EngineCount::kAccepted);
    waited[tracked] = until_more(EngineCount::kBytesSent) - accepted;
    server.world.RunUntilIdle();
    ASSERT_EQ(peer->received(), "hello");
  }
  EXPECT_EQ(waited[true], waited[false] + (kind() == TransportKind::kEpoll ? 1 : 0));
}

TEST_P(SimPeerAddresses, GiveTheirMemoryBackWhenEverybodyIsGone) {
  Seen seen;
  SimServer server(seed(), Over());
  const std::string at = server.Listen(Callbacks<Noting>(&seen), {.track_peers = true});
  const auto bytes = [&] { return server.shard().accounting().Bytes(alloc::Purpose::kOther); };
  const uint64_t before = bytes();
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(server.ConnectNow(at));
  EXPECT_GT(bytes(), before);
  for (auto* peer : peers) peer->Close();
  server.world.RunFor(10'000);
  EXPECT_EQ(bytes(), before);
}

}  // namespace
}  // namespace mooring::net
