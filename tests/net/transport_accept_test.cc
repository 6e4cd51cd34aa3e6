// SPDX-License-Identifier: Apache-2.0
// Accepting near and far from the bounds, stopping, and connecting out, with every transport on the real kernel.
#include <gtest/gtest.h>

#include "tests/net/transport_host.h"

namespace mooring::net {
namespace {

class AcceptTest : public TransportSuite {};
INSTANTIATE_TEST_SUITE_P(Kinds, AcceptTest, ::testing::ValuesIn(kTestedKinds), KindName);

TEST_P(AcceptTest, FullTableLeavesPeersInTheBacklogUntilOthersLeave) {
  TransportHost host(GetParam(), {.connections_max = 4});
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
    ASSERT_TRUE(host.UntilSent(host.accepted[next]));
    host.transport_->Close(host.accepted[next]);
    ASSERT_TRUE(host.UntilPeerEnds(peers[next]));
    EXPECT_EQ(peers[next].end, 0);
  }
  if (GetParam() == TransportKind::kUring) {
    EXPECT_EQ(host.Counter("accept_table_full"), 0u);
  }
  EXPECT_TRUE(host.accept_errors.empty());
  EXPECT_EQ(host.Counter("accepts"), 10u);
}

TEST_P(AcceptTest, TheBoundHoldsWhileConnectionsComeAndGo) {
  for (const bool in_upcall : {false, true}) {
    TransportHost host(GetParam(), {.connections_max = 8});
    host.close_at_end = in_upcall;
    host.echo = false;
    const Address at = host.Listen(0, 64);
    std::vector<Peer> peers;
    for (int i = 0; i < 64; ++i) peers.emplace_back(at);
    size_t ended = 0, closed = 0;
    ASSERT_TRUE(host.Until([&] {
      for (int n = 0; n < 3 && ended < host.accepted.size(); ++n, ++ended) {  // so that some end as others come
        peers[ended].Write("x");
        shutdown(peers[ended].fd(), SHUT_WR);
      }
      for (; !in_upcall && closed < ended && host.Find(host.accepted[closed])->receive_end.has_value(); ++closed) {
        host.transport_->Close(host.accepted[closed]);
      }
      return host.released == 64;
    }));
    EXPECT_LE(host.most_live, 8u);
    EXPECT_GT(host.most_live, 1u);
  }
}

TEST_P(AcceptTest, NearModeTakesCreditForEachAndWaitsWithoutIt) {
  TransportHost host(GetParam());
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

TEST_P(AcceptTest, StoppedModeLeavesPeersInTheBacklog) {
  TransportHost host(GetParam());
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

TEST_P(AcceptTest, BurstIsServedOverSeveralTurns) {
  TransportHost host(GetParam(), {.connections_max = 2048});
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
}

TEST_P(AcceptTest, RefusedPeerIsReset) {
  TransportHost host(GetParam(), {.connections_max = 64});
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

TEST_P(AcceptTest, StopWithEmptyQueueServesWhoHasConnected) {
  TransportHost host(GetParam(), {.connections_max = 8});
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
    ASSERT_TRUE(host.UntilSent(host.accepted[i]));
    host.transport_->Close(host.accepted[i]);
  }
  ASSERT_TRUE(host.Until([&] { return host.stopped == 1; }));
  Peer late(at);
  ASSERT_TRUE(host.UntilPeerEnds(late));
  EXPECT_EQ(late.end, ECONNREFUSED);
  host.Turns(5);
  EXPECT_EQ(host.stopped, 1);
}

TEST_P(AcceptTest, StopAtOnceClosesTheListener) {
  TransportHost host(GetParam());
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

TEST_P(AcceptTest, RefuseNewIgnoresHandshakesAndKeepsConnections) {
  TransportHost host(GetParam());
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

class OutgoingTest : public TransportSuite {
 protected:
  OutgoingTest() : host(Available(GetParam()) ? GetParam() : TransportKind::kEpoll) { host.echo = false; }
  ConnId Connect(const Address& to, const Address& from = {}) {
    const ConnId id = host.conns_.Acquire()->handle;
    host.transport_->Connect(id, to, from);
    return id;
  }
  TransportHost host;
};

INSTANTIATE_TEST_SUITE_P(Kinds, OutgoingTest, ::testing::ValuesIn(kTestedKinds), KindName);

TEST_P(OutgoingTest, ConnectsSendsAndReceives) {
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
  ASSERT_TRUE(host.Until([&] { return host.Find(id)->sends.size() == 1; }));
  Address mine;
  socklen_t size = Address::kSizeMax;
  ASSERT_EQ(getpeername(peer.fd(), mine.get(), &size), 0);
  EXPECT_EQ(mine.ToString().substr(0, 10), "127.0.0.2:");
  host.transport_->Close(id);
  ASSERT_TRUE(host.UntilPeerEnds(peer));
  EXPECT_EQ(peer.end, 0);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
  close(listener);
}

TEST_P(OutgoingTest, ClosedPortIsRefusedAndReleased) {
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

TEST_P(OutgoingTest, BadSourceAddressIsReportedFromPoll) {
  const ConnId id = Connect(*Address::Parse("127.0.0.1:9"), *Address::Parse("192.0.2.1:0"));
  EXPECT_FALSE(host.Find(id)->connect_result.has_value());
  ASSERT_TRUE(host.Until([&] { return host.Find(id)->connect_result.has_value(); }));
  EXPECT_EQ(host.Find(id)->connect_result, -EADDRNOTAVAIL);
  host.transport_->Abort(id);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
}

TEST_P(OutgoingTest, PendingConnectCanBeClosedAndAborted) {
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

class OutgoingTableTest : public TransportSuite {};
INSTANTIATE_TEST_SUITE_P(Kinds, OutgoingTableTest, ::testing::ValuesIn(kTestedKinds), KindName);

TEST_P(OutgoingTableTest, FullTableFailsTheConnect) {
  TransportHost host(GetParam(), {.connections_max = 2});
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

}  // namespace
}  // namespace mooring::net
