// SPDX-License-Identifier: Apache-2.0
// Bytes, ends and waking of every transport, on the real kernel.
#include <gtest/gtest.h>

#include <thread>

#include "tests/net/transport_host.h"

namespace mooring::net {
namespace {

class TransportTest : public TransportSuite {};
INSTANTIATE_TEST_SUITE_P(Kinds, TransportTest, ::testing::ValuesIn(kTestedKinds), KindName);

TEST_P(TransportTest, EchoesByteForByte) {
  TransportHost host(GetParam());
  Peer peer = Connected(host, host.Listen(0));
  const std::string sent = Pattern(3'000'000);
  size_t written = 0;
  ASSERT_TRUE(host.Until([&] {
    written += peer.Write(sent, written);
    peer.Read();
    return peer.in.size() == sent.size();
  }));
  EXPECT_TRUE(peer.in == sent);
  EXPECT_EQ(host.Counter("stale"), 0u);
}

TEST_P(TransportTest, EchoesManyPeersAtOnce) {
  TransportHost host(GetParam(), {.connections_max = 1024});
  const Address at = host.Listen(0, 256);
  std::vector<Peer> peers;
  for (int i = 0; i < 200; ++i) peers.emplace_back(at);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 200; }));
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < peers.size(); ++i) peers[i].Write(Pattern(64, i));
    ASSERT_TRUE(host.Until([&] {
      for (Peer& p : peers) p.Read();
      return std::all_of(peers.begin(), peers.end(), [](Peer& p) { return p.in.size() == 64; });
    }));
    for (size_t i = 0; i < peers.size(); ++i) {
      EXPECT_TRUE(peers[i].in == Pattern(64, i));
      peers[i].in.clear();
    }
  }
}

TEST_P(TransportTest, FinEndsTheReceiveAndSendingGoesOn) {
  TransportHost host(GetParam());
  Peer peer = Connected(host, host.Listen(0));
  peer.Write("last");
  shutdown(peer.fd(), SHUT_WR);
  ASSERT_TRUE(host.Until([&] { return host[0].receive_end.has_value(); }));
  EXPECT_EQ(host[0].receive_end, 0);
  ASSERT_TRUE(host.UntilPeerHas(peer, 4));
  ASSERT_TRUE(host.UntilSent(host.accepted[0]));
  iovec piece = {const_cast<char*>("more"), 4};
  host.echo = false;
  host.transport_->Send(host.accepted[0], &piece, 1, SendMode::kTry);
  ASSERT_TRUE(host.UntilPeerHas(peer, 8));
  EXPECT_EQ(peer.in, "lastmore");
  ASSERT_TRUE(host.Until([&] { return host[0].sends.size() == 2; }));
  host.transport_->Close(host.accepted[0]);
  ASSERT_TRUE(host.UntilPeerEnds(peer));
  EXPECT_EQ(peer.end, 0);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
}

TEST_P(TransportTest, ResetByThePeerEndsTheReceiveWithItsError) {
  TransportHost host(GetParam());
  Peer peer = Connected(host, host.Listen(0));
  peer.Reset();
  ASSERT_TRUE(host.Until([&] { return host[0].receive_end.has_value(); }));
  EXPECT_EQ(host[0].receive_end, -ECONNRESET);
  iovec piece = {const_cast<char*>("x"), 1};
  host.echo = false;
  host.transport_->Send(host.accepted[0], &piece, 1, SendMode::kTry);
  ASSERT_TRUE(host.Until([&] { return !host[0].sends.empty(); }));
  EXPECT_EQ(host[0].sends[0], -EPIPE);
  host.transport_->Close(host.accepted[0]);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
}

TEST_P(TransportTest, CloseSendsFinAndReleases) {
  TransportHost host(GetParam());
  Peer peer = Connected(host, host.Listen(0));
  host.transport_->Close(host.accepted[0]);
  EXPECT_EQ(host.released, 0);  // never from a downcall
  ASSERT_TRUE(host.UntilPeerEnds(peer));
  EXPECT_EQ(peer.end, 0);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
  EXPECT_EQ(host.Counter("close_errors"), 0u);
}

TEST_P(TransportTest, AbortIsAResetToThePeer) {
  TransportHost host(GetParam());
  Peer peer = Connected(host, host.Listen(0));
  host.transport_->Abort(host.accepted[0]);
  ASSERT_TRUE(host.UntilPeerEnds(peer));
  EXPECT_EQ(peer.end, ECONNRESET);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
  EXPECT_EQ(host.Counter("abort_fallbacks"), 0u);
}

TEST_P(TransportTest, AbortEndsAStuckSendFirst) {
  TransportHost host(GetParam());
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  const std::string bytes = Pattern(8'000'000);
  iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};
  const ConnId id = host.accepted[0];
  // First attempts until one takes nothing, then one that stays.
  ASSERT_TRUE(host.Until([&] {
    if (!host[0].sends.empty() && host[0].sends.back() == 0) return true;
    if (!host[0].sending) host.transport_->Send(id, &piece, 1, SendMode::kTry);
    host[0].sending = true;
    return false;
  }));
  EXPECT_GE(host.Counter("sends_blocked"), 1u);
  const size_t sends = host[0].sends.size();
  host.transport_->Send(id, &piece, 1, SendMode::kWait);
  host.Turns(3);
  EXPECT_EQ(host[0].sends.size(), sends);
  host.transport_->Abort(id);
  size_t sends_at_release = 0;
  ASSERT_TRUE(host.Until([&] {
    if (host.released == 0) sends_at_release = host[0].sends.size();
    return host.released == 1;
  }));
  peer.Read();
  ASSERT_TRUE(host.UntilPeerEnds(peer));
  EXPECT_EQ(peer.end, ECONNRESET);
}

TEST_P(TransportTest, AbortAfterCloseIsOneRelease) {
  TransportHost host(GetParam());
  Peer peer = Connected(host, host.Listen(0));
  host.transport_->Close(host.accepted[0]);
  host.transport_->Abort(host.accepted[0]);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
  host.Turns(5);
  EXPECT_EQ(host.released, 1);
}

TEST_P(TransportTest, ShortSendsGoOnWhenThePeerReads) {
  TransportHost host(GetParam());
  Peer peer = Connected(host, host.Listen(0));
  const int small = 32 << 10;
  setsockopt(peer.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
  const std::string sent = Pattern(4'000'000);
  size_t written = 0;
  // The peer does not read until nothing moves any more.
  ASSERT_TRUE(host.Until([&] {
    written += peer.Write(sent, written);
    return host.Counter("sends_blocked") > 0;
  }));
  EXPECT_EQ(peer.in, "");
  ASSERT_TRUE(host.Until([&] {
    written += peer.Write(sent, written);
    peer.Read();
    return peer.in.size() == sent.size();
  }));
  EXPECT_TRUE(peer.in == sent);
}

TEST_P(TransportTest, GathersPiecesInOrder) {
  TransportHost host(GetParam());
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  const std::string bytes = Pattern(Transport::kGatherMax * 10);
  iovec pieces[Transport::kGatherMax];
  for (unsigned i = 0; i < Transport::kGatherMax; ++i) pieces[i] = {const_cast<char*>(bytes.data()) + i * 10, 10};
  host.transport_->Send(host.accepted[0], pieces, Transport::kGatherMax, SendMode::kTry);
  std::fill(std::begin(pieces), std::end(pieces), iovec{});  // copied at the call
  ASSERT_TRUE(host.UntilPeerHas(peer, bytes.size()));
  EXPECT_TRUE(peer.in == bytes);
}

TEST_P(TransportTest, ReadingOffHoldsBackAndOnBringsTheRest) {
  TransportHost host(GetParam());
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  const ConnId id = host.accepted[0];
  peer.Write("a");
  ASSERT_TRUE(host.Until([&] { return host[0].in == "a"; }));
  host.transport_->SetReading(id, false);
  host.Turns(2);
  peer.Write("b");
  shutdown(peer.fd(), SHUT_WR);
  host.Turns(10);
  EXPECT_EQ(host[0].in, "a");
  EXPECT_FALSE(host[0].receive_end.has_value());
  host.transport_->SetReading(id, true);
  ASSERT_TRUE(host.Until([&] { return host[0].receive_end.has_value(); }));
  EXPECT_EQ(host[0].in, "ab");

  // Off and on again at once.
  Peer second = Connected(host, [&] {
    Address at;
    socklen_t size = Address::kSizeMax;
    getpeername(peer.fd(), at.get(), &size);
    return at;
  }());
  host.transport_->SetReading(host.accepted[1], false);
  host.transport_->SetReading(host.accepted[1], true);
  second.Write("c");
  ASSERT_TRUE(host.Until([&] { return host[1].in == "c"; }));
}

TEST_P(TransportTest, StarvedConnectionCanBeClosed) {
  TransportHost host(GetParam());
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  host[0].hold = true;
  std::vector<alloc::Block*> taken;
  while (alloc::Block* block = host.shard_.buffers().AcquireReceive()) taken.push_back(block);
  peer.Write(Pattern(2'000'000));
  ASSERT_TRUE(host.Until([&] { return host.Counter("receive_starved") >= 1; }));
  {
    core::Shard::Enter enter(&host.shard_);
    host[0].out.clear();
  }
  host.transport_->Abort(host.accepted[0]);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
  host.Turns(3);
  for (alloc::Block* block : taken) host.shard_.buffers().Release(block);
}

TEST_P(TransportTest, HalfClosesSendOneFinEach) {
  TransportHost host(GetParam());
  const Address at = host.Listen(0);
  std::vector<Peer> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(Connected(host, at));
  for (const ConnId& id : host.accepted) host.transport_->ShutdownSend(id);
  EXPECT_EQ(host[0].shutdowns, 0);  // never from a downcall
  for (Peer& peer : peers) {
    ASSERT_TRUE(host.UntilPeerEnds(peer));
    EXPECT_EQ(peer.end, 0);
  }
  ASSERT_TRUE(host.Until([&] {
    return std::all_of(host.accepted.begin(), host.accepted.end(), [&](ConnId id) { return host.Find(id)->shutdowns == 1; });
  }));
  peers[0].Write("still");
  ASSERT_TRUE(host.Until([&] { return host[0].in == "still"; }));
}

TEST_P(TransportTest, TellsThePeerAndTheOutQueue) {
  for (const char* listen : {"127.0.0.1:0", "[::1]:0"}) {
    TransportHost host(GetParam());
    host.echo = false;
    Peer peer = Connected(host, host.Listen(0, 16, listen));
    Address mine;
    socklen_t size = Address::kSizeMax;
    ASSERT_EQ(getsockname(peer.fd(), mine.get(), &size), 0);
    host.transport_->AskPeer(host.accepted[0]);
    host.transport_->AskOutQueue(host.accepted[0]);
    ASSERT_TRUE(host.Until([&] { return host[0].peer.has_value() && host[0].out_queue.has_value(); }));
    EXPECT_EQ(host[0].peer->ToString(), mine.ToString());
    EXPECT_EQ(host[0].out_queue, 0);
  }
}

TEST_P(TransportTest, WakesFromAnotherThread) {
  TransportHost host(GetParam());
  host.Turns(2);
  const core::Nanos before = host.clock_.Now();
  std::thread other([&] { host.transport_->Wake(); });
  host.shard_.RunTurn(5 * core::kNanosPerSecond);
  other.join();
  EXPECT_LT(host.clock_.Now() - before, 2 * core::kNanosPerSecond);
  ASSERT_TRUE(host.Until([&] { return host.Counter("wakes") == 1; }));
  // A wake before the wait is not lost.
  host.transport_->Wake();
  const core::Nanos again = host.clock_.Now();
  host.shard_.RunTurn(5 * core::kNanosPerSecond);
  EXPECT_LT(host.clock_.Now() - again, 2 * core::kNanosPerSecond);
}

TEST_P(TransportTest, WatchesADescriptorLevelTriggered) {
  struct Watch final : core::EventPort::Watcher {
    void OnReady(uint32_t events) override {
      ++told;
      EXPECT_TRUE(events & POLLIN);
    }
    int told = 0;
  } watch;
  TransportHost host(GetParam());
  const int fd = core::RealKernel()->EventFd();
  ASSERT_EQ(host.transport_->Watch(fd, POLLIN, &watch), 0);
  EXPECT_EQ(host.transport_->Watch(fd, POLLIN, &watch), -EEXIST);
  host.Turns(3);
  EXPECT_EQ(watch.told, 0);
  core::RealKernel()->Signal(fd);
  ASSERT_TRUE(host.Until([&] { return watch.told >= 3; }));
  host.transport_->Unwatch(fd);
  const int told = watch.told;
  host.Turns(5);
  EXPECT_EQ(watch.told, told);
  close(fd);
}

}  // namespace
}  // namespace mooring::net
