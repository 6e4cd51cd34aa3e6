// SPDX-License-Identifier: Apache-2.0
// An engine whose listeners change and go while connections live, with every transport on the real kernel.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/connection_figures.h"
#include "net/engine.h"
#include "tests/net/transport_host.h"

namespace mooring::net {
namespace {

class Named final : public Handler {
 public:
  explicit Named(std::string name) : name_(std::move(name)) {}
  void OnData(Connection& conn, alloc::Lease) override { conn.Write(name_); }

 private:
  const std::string name_;
};

class ListenersTest : public TransportSuite {
 protected:
  void SetUp() override {
    TransportSuite::SetUp();
    if (IsSkipped()) return;
    auto opened = MakeProvider(core::RealKernel(), GetParam())->Open(&shard_, engine_.events(), {.connections_max = 256});
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    transport_ = *std::move(opened);
    shard_.SetPort(transport_.get());
    engine_.SetTransport(transport_.get());
  }
  void TearDown() override {
    if (transport_ == nullptr) return;
    bool drained = false;
    engine_.BeginDrain([&] { drained = true; });
    engine_.CutAll();
    EXPECT_TRUE(Until([&] { return drained; }));
    EXPECT_STREQ(engine_.Validate(), nullptr);
    transport_.reset();
  }

  Address Listen(ListenerId id, int backlog = 64) {
    auto claim = Claim::Take(core::RealKernel(), *Address::Parse("127.0.0.1:0"), {.shards = 1, .backlog = backlog});
    EXPECT_TRUE(claim.ok()) << claim.status().ToString();
    engine_.Listen(id, claim->Release(0), backlog);
    return claim->address();
  }
  template <class F>
  bool Until(F done, int64_t ms = 5000) {
    const core::Nanos end = clock_.Now() + ms * core::kNanosPerMs;
    while (!done()) {
      if (clock_.Now() > end) return false;
      shard_.RunTurn(core::kNanosPerMs);
    }
    return true;
  }
  std::string Ask(Peer& peer, size_t bytes) {
    peer.in.clear();
    peer.Write("?");
    EXPECT_TRUE(Until([&] {
      peer.Read();
      return peer.in.size() >= bytes || peer.end.has_value();
    }));
    return peer.in;
  }

  Named old_{"old"}, next_{"next"}, here_{"here"}, there_{"there"};  // outlive their connections
  core::MonotonicClock clock_;
  core::Shard shard_{{.id = 0, .clock = &clock_}};
  core::Shard::Enter enter_{&shard_};
  Engine engine_{&shard_, {.connections_max = 512}};
  std::unique_ptr<Transport> transport_;
};
INSTANTIATE_TEST_SUITE_P(Kinds, ListenersTest, ::testing::ValuesIn(kTestedKinds), KindName);

TEST_P(ListenersTest, ChangeRetireAndComeAgainUnderTheSameNumber) {
  ASSERT_EQ(engine_.AddListener("it", &old_, {}), 0);
  for (int round = 0; round < 5; ++round) {
    const Address at = Listen(0);
    Peer before(at);
    EXPECT_EQ(Ask(before, 3), "old");
    Handler* forgotten = nullptr;
    ASSERT_TRUE(engine_.ChangeListener(0, &next_, {}, [&](Handler* handler) { forgotten = handler; }));
    Peer after(at);
    EXPECT_EQ(Ask(after, 4), "next");
    EXPECT_EQ(Ask(before, 3), "old");

    // Connected, and nobody has accepted them yet.
    std::vector<Peer> queued;
    for (int i = 0; i < 40; ++i) {
      queued.emplace_back(at);
      queued.back().Write("?");
    }
    bool closed = false, gone = false;
    engine_.RetireListener(0, [&] { closed = true; }, [&] { gone = true; });
    for (Peer& peer : queued) {
      ASSERT_TRUE(Until([&] {
        peer.Read();
        return peer.in.size() >= 4 || peer.end.has_value();
      }));
      EXPECT_EQ(peer.in, "next");
      EXPECT_FALSE(peer.end.has_value());
    }
    ASSERT_TRUE(Until([&] { return closed; }));
    Peer late(at);
    ASSERT_TRUE(Until([&] {
      late.Read();
      return late.end.has_value();
    }));
    EXPECT_EQ(late.end, ECONNREFUSED);
    EXPECT_EQ(Ask(before, 3), "old");
    EXPECT_EQ(Ask(queued[0], 4), "next");

    EXPECT_EQ(forgotten, nullptr);
    before.Shut();
    ASSERT_TRUE(Until([&] { return forgotten != nullptr; }));
    EXPECT_EQ(forgotten, &old_);
    EXPECT_FALSE(gone);
    after.Shut();
    queued.clear();
    ASSERT_TRUE(Until([&] { return gone; }));
    ASSERT_EQ(engine_.AddListener("it again", &old_, {}), 0);
  }
}

TEST_P(ListenersTest, ASpreadDrainOfOneListenerLeavesTheOtherAlone) {
  const Address at = Listen(engine_.AddListener("here", &here_, {}));
  const Address other_at = Listen(engine_.AddListener("there", &there_, {.track_peers = true}));
  std::vector<Peer> peers;
  for (int i = 0; i < 20; ++i) {
    peers.emplace_back(at);
    EXPECT_EQ(Ask(peers.back(), 4), "here");
  }
  Peer other(other_at);
  EXPECT_EQ(Ask(other, 5), "there");
  const core::Nanos begun = clock_.Now();
  engine_.RetireListener(0);
  engine_.NotifyConnections(0, 100, 400);
  size_t ended = 0;
  core::Nanos half_at = 0;
  ASSERT_TRUE(Until([&] {
    ended = 0;
    for (Peer& peer : peers) {
      peer.Read();
      ended += peer.end.has_value() ? 1 : 0;
    }
    if (ended >= 10 && half_at == 0) half_at = clock_.Now();
    return ended == peers.size();
  }));
  for (const Peer& peer : peers) EXPECT_EQ(peer.end, 0);
  EXPECT_GE(half_at - begun, 150 * core::kNanosPerMs);         // not all at once
  EXPECT_GE(clock_.Now() - begun, 350 * core::kNanosPerMs);
  EXPECT_EQ(Ask(other, 5), "there");
  peers.clear();
  ASSERT_TRUE(Until([&] { return engine_.LiveOf(0) == 0; }));
  EXPECT_EQ(engine_.causes().Read(CloseCause::kOperator), 20u);

  std::vector<ConnectionFigures> all;
  EXPECT_EQ(engine_.ListConnections(0, [&](const ConnectionFigures& each) { all.push_back(each); }), Engine::kNoSlot);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].listener, 1);
  EXPECT_EQ(all[0].bytes_in, 2u);
  EXPECT_EQ(all[0].bytes_out, 10u);
}

TEST_P(ListenersTest, AnOpenConnectionsPeerCanBeAskedFor) {
  const Address at = Listen(engine_.AddListener("here", &here_, {}));
  Peer peer(at);
  EXPECT_EQ(Ask(peer, 4), "here");
  Address mine;
  socklen_t size = Address::kSizeMax;
  ASSERT_EQ(getsockname(peer.fd(), mine.get(), &size), 0);
  for (int round = 0; round < 3; ++round) {
    std::optional<Address> answer;
    engine_.ForEach([&](Connection* conn) {
      EXPECT_TRUE(conn->peer().empty());
      engine_.AskPeer(conn->id(), [&](const Address& known) { answer = known; });
    });
    ASSERT_TRUE(Until([&] { return answer.has_value(); }));
    EXPECT_EQ(answer->ToString(), mine.ToString());
    EXPECT_EQ(Ask(peer, 4), "here");
  }
}

}  // namespace
}  // namespace mooring::net
