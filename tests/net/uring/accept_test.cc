// SPDX-License-Identifier: Apache-2.0
// Accepting near and far from the bounds, stopping, and connecting out, on the real kernel.
#include <gtest/gtest.h>

#include "tests/net/uring/transport_host.h"

namespace mooring::net::uring {
namespace {

TEST(Accept, FullTableLeavesPeersInTheBacklogUntilOthersLeave) {
  TransportHost host({.connections_max = 4});
  const Address at = host.Listen(0, 16);
  std::vector<Peer> peers;
  for (int i = 0; i < 10; ++i) {
    peers.emplace_back(at);
    peers.back().Write("hello");
  }
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 4; }));
  host.Turns(10);
  EXPECT_EQ(host.accepted.size(), 4u);
  for (size_t next = 0; next < 10; ++next) {
    ASSERT_TRUE(host.Until([&] { return host.accepted.size() > next; }));
    ASSERT_TRUE(host.UntilPeerHas(peers[next], 5));
    EXPECT_EQ(peers[next].in, "hello");
    host.transport_->Close(host.accepted[next]);
    ASSERT_TRUE(host.UntilPeerEnds(peers[next]));
    EXPECT_EQ(peers[next].end, 0);
  }
  EXPECT_EQ(host.Counter("accept_table_full"), 0u);
  EXPECT_TRUE(host.accept_errors.empty());
  EXPECT_EQ(host.Counter("accepts_near"), 10u);
}

TEST(Accept, CrossesBetweenTheModesWithoutLosingAnybody) {
  TransportHost host({.connections_max = 64});
  const Address at = host.Listen(0, 8);
  std::vector<Peer> peers;
  for (int i = 0; i < 64; ++i) {
    peers.emplace_back(at);
    peers.back().Write("x");
    ASSERT_TRUE(host.UntilPeerHas(peers.back(), 1));
    ASSERT_EQ(peers.back().in, "x") << i;
  }
  EXPECT_GT(host.Counter("accepts_near"), 0u);
  EXPECT_LT(host.Counter("accepts_near"), 64u);
  const uint64_t near = host.Counter("accepts_near");
  for (const ConnId& id : host.accepted) host.transport_->Close(id);
  ASSERT_TRUE(host.Until([&] { return host.released == 64; }));
  host.Turns(3);  // polls are cancelled, multishot accept is armed
  Peer late(at);
  late.Write("y");
  ASSERT_TRUE(host.UntilPeerHas(late, 1));
  EXPECT_EQ(host.Counter("accepts_near"), near);
  EXPECT_EQ(host.Counter("accept_table_full"), 0u);
}

TEST(Accept, NearModeTakesCreditForEachAndWaitsWithoutIt) {
  TransportHost host;
  host.mode = AcceptMode::kNear;
  host.credit = 2;
  const Address at = host.Listen(0);
  Peer a(at), b(at), c(at);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 2; }));
  host.Turns(10);
  EXPECT_EQ(host.accepted.size(), 2u);
  EXPECT_EQ(host.credit, 0);
  host.credit = 5;
  host.Turns(5);
  EXPECT_EQ(host.accepted.size(), 2u);  // nobody told it
  host.transport_->SetAcceptMode(0, AcceptMode::kNear);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 3; }));
  ASSERT_TRUE(host.Until([&] { return host.credit == 4; }));  // what found nobody was given back
  EXPECT_EQ(host.credits_spent, 3);
}

TEST(Accept, StoppedModeLeavesPeersInTheBacklog) {
  TransportHost host;
  const Address at = host.Listen(0);
  host.Turns(2);
  host.transport_->SetAcceptMode(0, AcceptMode::kStopped);
  host.Turns(2);
  Peer peer(at);
  peer.Write("x");
  host.Turns(10);
  EXPECT_TRUE(host.accepted.empty());
  host.transport_->SetAcceptMode(0, AcceptMode::kRoomy);
  ASSERT_TRUE(host.UntilPeerHas(peer, 1));
  EXPECT_EQ(peer.in, "x");
}

TEST(Accept, BurstIsParkedAndServedOverSeveralTurns) {
  TransportHost host({.connections_max = 2048});
  const Address at = host.Listen(0, 256);
  std::vector<Peer> peers;
  for (int i = 0; i < 200; ++i) peers.emplace_back(at);
  host.Turns(1);
  size_t before = 0;
  while (host.accepted.size() < 200) {
    before = host.accepted.size();
    host.Turns(1);
    ASSERT_LE(host.accepted.size() - before, size_t{Transport::kAcceptsPerPoll});
    ASSERT_GT(host.accepted.size(), before);
  }
  EXPECT_GT(host.Counter("accepts_parked"), 0u);
}

TEST(Accept, RefusedPeerIsReset) {
  TransportHost host({.connections_max = 64});
  host.refuse = true;
  const Address at = host.Listen(0, 4);
  for (int i = 0; i < 100; ++i) {  // more than the table has, so the slots come back
    Peer peer(at);
    ASSERT_TRUE(host.UntilPeerEnds(peer)) << i;
    ASSERT_EQ(peer.end, ECONNRESET);
  }
  EXPECT_EQ(host.Counter("accepts_refused"), 100u);
  EXPECT_EQ(host.Counter("close_errors"), 0u);
}

TEST(Accept, StopWithEmptyQueueServesWhoHasConnected) {
  TransportHost host({.connections_max = 8});
  const Address at = host.Listen(0, 16);
  std::vector<Peer> peers;
  for (int i = 0; i < 12; ++i) {
    peers.emplace_back(at);
    peers.back().Write("hello");
  }
  host.transport_->StopAccept(0, true);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 8; }));
  EXPECT_EQ(host.stopped, 0);  // the table is full, four are still in the queue
  for (size_t i = 0; i < 12; ++i) {
    ASSERT_TRUE(host.UntilPeerHas(peers[i], 5));
    EXPECT_EQ(peers[i].in, "hello");
    host.transport_->Close(host.accepted[i]);
  }
  ASSERT_TRUE(host.Until([&] { return host.stopped == 1; }));
  Peer late(at);
  ASSERT_TRUE(host.UntilPeerEnds(late));
  EXPECT_EQ(late.end, ECONNREFUSED);
  host.Turns(5);
  EXPECT_EQ(host.stopped, 1);
}

TEST(Accept, StopAtOnceClosesTheListener) {
  TransportHost host;
  const Address at = host.Listen(3);
  Peer served(at);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 1; }));
  host.transport_->StopAccept(3, false);
  EXPECT_EQ(host.stopped, 0);
  ASSERT_TRUE(host.Until([&] { return host.stopped == 1; }));
  Peer late(at);
  ASSERT_TRUE(host.UntilPeerEnds(late));
  EXPECT_EQ(late.end, ECONNREFUSED);
  served.Write("x");
  ASSERT_TRUE(host.UntilPeerHas(served, 1));
  // The number may be used again.
  Peer again(host.Listen(3));
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 2; }));
}

TEST(Accept, RefuseNewIgnoresHandshakesAndKeepsConnections) {
  TransportHost host;
  const Address at = host.Listen(0);
  Peer early(at);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 1; }));
  host.transport_->RefuseNew(0);
  if (host.Counter("refuse_new_errors") != 0) GTEST_SKIP() << "attaching a filter to a TCP socket is not permitted here";
  Peer late(at);
  early.Write("x");
  ASSERT_TRUE(host.UntilPeerHas(early, 1));
  EXPECT_EQ(early.in, "x");
  host.Turns(20);
  EXPECT_FALSE(late.Connected());
  EXPECT_EQ(host.accepted.size(), 1u);
}

class Outgoing : public ::testing::Test {
 protected:
  Outgoing() { host.echo = false; }
  ConnId Connect(const Address& to, const Address& from = {}) {
    const ConnId id = host.conns_.Acquire()->handle;
    host.transport_->Connect(id, to, from);
    return id;
  }
  TransportHost host;
};

TEST_F(Outgoing, ConnectsSendsAndReceives) {
  auto claim = Claim::Take(core::RealKernel(), *Address::Parse("127.0.0.1:0"), {});
  ASSERT_TRUE(claim.ok());
  const ConnId id = Connect(claim->address(), *Address::Parse("127.0.0.2:0"));
  ASSERT_TRUE(host.Until([&] { return host.Find(id)->connect_result.has_value(); }));
  ASSERT_EQ(host.Find(id)->connect_result, 0);
  const int listener = claim->Release(0);
  Peer peer(core::RealKernel()->Accept(listener));
  host.transport_->AskPeer(id);
  ASSERT_TRUE(host.Until([&] { return host.Find(id)->peer.has_value(); }));
  EXPECT_EQ(*host.Find(id)->peer, claim->address());
  peer.Write("from the other side");
  ASSERT_TRUE(host.Until([&] { return host.Find(id)->in == "from the other side"; }));
  iovec piece = {const_cast<char*>("ab"), 2};
  host.transport_->Send(id, &piece, 1, SendMode::kTry);
  ASSERT_TRUE(host.UntilPeerHas(peer, 2));
  Address mine;
  socklen_t size = Address::kSizeMax;
  ASSERT_EQ(getpeername(peer.fd(), mine.get(), &size), 0);
  EXPECT_EQ(mine.ToString().substr(0, 10), "127.0.0.2:");
  host.transport_->Close(id);
  ASSERT_TRUE(host.UntilPeerEnds(peer));
  EXPECT_EQ(peer.end, 0);
  EXPECT_EQ(host.released, 1);
  close(listener);
}

TEST_F(Outgoing, ClosedPortIsRefusedAndReleased) {
  auto claim = Claim::Take(core::RealKernel(), *Address::Parse("127.0.0.1:0"), {});
  ASSERT_TRUE(claim.ok());
  const Address at = claim->address();
  close(claim->Release(0));
  const ConnId id = Connect(at);
  ASSERT_TRUE(host.Until([&] { return host.Find(id)->connect_result.has_value(); }));
  EXPECT_EQ(host.Find(id)->connect_result, -ECONNREFUSED);
  host.transport_->Close(id);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
}

TEST_F(Outgoing, BadSourceAddressIsReportedFromPoll) {
  const ConnId id = Connect(*Address::Parse("127.0.0.1:9"), *Address::Parse("192.0.2.1:0"));
  EXPECT_FALSE(host.Find(id)->connect_result.has_value());
  ASSERT_TRUE(host.Until([&] { return host.Find(id)->connect_result.has_value(); }));
  EXPECT_EQ(host.Find(id)->connect_result, -EADDRNOTAVAIL);
  host.transport_->Abort(id);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
}

TEST_F(Outgoing, PendingConnectCanBeClosedAndAborted) {
  // A listener whose queue is full and which nobody empties drops handshakes, so CONNECT stays pending.
  auto claim = Claim::Take(core::RealKernel(), *Address::Parse("127.0.0.1:0"), {.backlog = 0});
  ASSERT_TRUE(claim.ok());
  const Address at = claim->address();
  Peer first(at);
  ASSERT_TRUE(host.Until([&] { return first.Connected(); }));
  const ConnId a = Connect(at), b = Connect(at);
  host.Turns(5);
  EXPECT_FALSE(host.Find(a)->connect_result.has_value());
  host.transport_->Close(a);
  host.transport_->Abort(b);
  const ConnId at_once = Connect(at);
  host.transport_->Abort(at_once);
  ASSERT_TRUE(host.Until([&] { return host.released == 3; }));
  EXPECT_EQ(host.Counter("close_errors"), 0u);
}

TEST(OutgoingTable, FullTableFailsTheConnect) {
  TransportHost host({.connections_max = 2});
  host.echo = false;
  const Address at = host.Listen(0, 1);
  ConnId ids[3];
  for (ConnId& id : ids) {
    id = host.conns_.Acquire()->handle;
    host.transport_->Connect(id, at, {});
  }
  ASSERT_TRUE(host.Until([&] { return host.Find(ids[2])->connect_result.has_value(); }));
  EXPECT_EQ(host.Find(ids[2])->connect_result, -ENFILE);
  for (const ConnId& id : ids) host.transport_->Close(id);
  ASSERT_TRUE(host.Until([&] { return host.released >= 3; }));
}

TEST(OpenTransport, TableAboveTheDescriptorLimitNamesIt) {
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit low = {100, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &low);
  core::MonotonicClock clock;
  core::Shard shard({.id = 0, .clock = &clock});
  core::Shard::Enter enter(&shard);
  auto opened = UringProvider(core::RealKernel()).Open(&shard, nullptr, {.connections_max = 1000});
  setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.status().ToString().find("RLIMIT_NOFILE"), std::string::npos) << opened.status().ToString();
  EXPECT_EQ(shard.accounting().Bytes(alloc::Purpose::kRings), 0u);
}

}  // namespace
}  // namespace mooring::net::uring
