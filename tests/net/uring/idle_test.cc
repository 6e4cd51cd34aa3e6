// SPDX-License-Identifier: Apache-2.0
// The idle tier on the real kernel: who is silent waits with a poll, and nothing else changes. Where bytes, ends and
// downcalls meet the swap at every step of it, see sim_idle_test.
#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include "tests/net/transport_host.h"

namespace mooring::net::uring {
namespace {

constexpr int kSwapTurns = 6;  // more than from the look to the poll

class Idle : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Available(TransportKind::kUring)) GTEST_SKIP() << "SKIPPED: no multishot receive on direct descriptors here";
  }

  static void Second(TransportHost& host) {
    host.clock_.Skip(core::kNanosPerSecond);
    host.Turns(1);  // reads the clock in its middle
  }
  // Until the second in which everybody is found silent, before the turn that looks.
  static void AlmostSilent(TransportHost& host) {
    for (int second = 0; second < 3; ++second) {
      Second(host);
      host.Turns(kSwapTurns);
    }
    Second(host);
  }
  static void FallSilent(TransportHost& host, uint64_t polls = 1) {
    AlmostSilent(host);
    ASSERT_TRUE(host.Until([&] { return host.Counter("idle_polls") == polls; }));
    host.Turns(1);
    ASSERT_EQ(host.shard_.wheel().armed(), 0u) << "nobody is left that may fall silent";
  }
  static bool Acknowledged(const Peer& peer) {
    int unacknowledged = -1;
    return ioctl(peer.fd(), TIOCOUTQ, &unacknowledged) == 0 && unacknowledged == 0;
  }
};

TEST_F(Idle, WhoIsSilentPollsAndTheNextByteIsReceived) {
  TransportHost host(TransportKind::kUring);
  Peer peer = Connected(host, host.Listen(0));
  std::string sent;
  for (uint64_t round = 1; round <= 3; ++round) {
    FallSilent(host, round);
    EXPECT_EQ(host.Counter("idle_wakes"), round - 1);
    peer.Write("x");
    sent += "x";
    ASSERT_TRUE(host.UntilPeerHas(peer, sent.size()));
    EXPECT_EQ(peer.in, sent);
    EXPECT_EQ(host.Counter("idle_wakes"), round);
  }
  EXPECT_EQ(host.Counter("stale"), 0u);
}

TEST_F(Idle, WhoTalksKeepsItsReceive) {
  TransportHost host(TransportKind::kUring);
  Peer peer = Connected(host, host.Listen(0));
  for (size_t second = 1; second <= 12; ++second) {
    Second(host);
    if (second % 3 != 0) continue;
    peer.Write("x");
    ASSERT_TRUE(host.UntilPeerHas(peer, second / 3));
  }
  EXPECT_EQ(host.Counter("idle_polls"), 0u);
  FallSilent(host);
}

// A cancel for every heartbeat would cost more than the memory is worth.
TEST_F(Idle, WhoIsWokenAgainAndAgainHasToBeSilentForLonger) {
  TransportHost host(TransportKind::kUring);
  Peer peer = Connected(host, host.Listen(0));
  std::string sent;
  const auto heartbeats = [&](int count) {
    for (; count > 0; --count) {
      for (int second = 0; second < 10; ++second) {
        Second(host);
        host.Turns(kSwapTurns);
      }
      peer.Write("x");
      sent += "x";
      ASSERT_TRUE(host.UntilPeerHas(peer, sent.size()));
    }
  };
  heartbeats(8);
  EXPECT_EQ(host.Counter("idle_polls"), 8u);
  EXPECT_EQ(host.Counter("idle_wakes"), 8u);
  heartbeats(8);
  EXPECT_EQ(host.Counter("idle_polls"), 8u);
  for (int second = 0; second < 20; ++second) {
    Second(host);
    host.Turns(kSwapTurns);
  }
  EXPECT_EQ(host.Counter("idle_polls"), 9u);
}

TEST_F(Idle, ManyFallSilentInSteps) {
  TransportHost host(TransportKind::kUring, {.connections_max = 1024});
  const Address at = host.Listen(0, 512);
  std::vector<Peer> peers;
  for (int i = 0; i < 300; ++i) peers.push_back(Connected(host, at));
  AlmostSilent(host);
  host.Turns(1);
  EXPECT_LE(host.Counter("idle_polls"), 128u);
  ASSERT_TRUE(host.Until([&] { return host.Counter("idle_polls") == 300; }));
  host.Turns(1);
  EXPECT_EQ(host.shard_.wheel().armed(), 0u);
  for (Peer& peer : peers) peer.Write("x");
  ASSERT_TRUE(host.Until([&] {
    for (Peer& p : peers) p.Read();
    return std::all_of(peers.begin(), peers.end(), [](Peer& p) { return p.in == "x"; });
  }));
}

TEST_F(Idle, SwitchedOffNobodyPollsAndNothingIsTimed) {
  TransportHost host(TransportKind::kUring, {.connections_max = 256, .features_off = "idle_poll"});
  Peer peer = Connected(host, host.Listen(0));
  EXPECT_EQ(host.shard_.wheel().armed(), 0u);
  for (int second = 0; second < 10; ++second) Second(host);
  EXPECT_EQ(host.Counter("idle_polls"), 0u);
}

TEST_F(Idle, OneShotReceivesStay) {
  TransportHost host(TransportKind::kUringBase);
  Peer peer = Connected(host, host.Listen(0));
  for (int second = 0; second < 10; ++second) Second(host);
  EXPECT_EQ(host.Counter("idle_polls"), 0u);
}

TEST_F(Idle, EndsAreFoundBehindAPoll) {
  TransportHost host(TransportKind::kUring);
  const Address at = host.Listen(0);
  Peer fin = Connected(host, at);
  Peer rst = Connected(host, at);
  Peer last_words = Connected(host, at);
  Peer cut_short = Connected(host, at);
  FallSilent(host, 4);
  shutdown(fin.fd(), SHUT_WR);
  rst.Reset();
  last_words.Write("bye");
  shutdown(last_words.fd(), SHUT_WR);
  cut_short.Write("by");
  cut_short.Reset();
  ASSERT_TRUE(host.Until([&] {
    return host[0].receive_end && host[1].receive_end && host[2].receive_end && host[3].receive_end;
  }));
  EXPECT_EQ(host[0].receive_end, 0);
  EXPECT_EQ(host[1].receive_end, -ECONNRESET);
  EXPECT_EQ(host[2].receive_end, 0);
  EXPECT_EQ(host[2].in, "bye");
  EXPECT_EQ(host[3].receive_end, -ECONNRESET);
  EXPECT_EQ(host[3].in, "by");
}

TEST_F(Idle, AResetBehindMoreThanARunIsFoundBehindAPoll) {
  TransportHost host(TransportKind::kUring);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  FallSilent(host);
  const std::string bytes = Pattern(40 * alloc::BufferPool::kReceiveBlockBytes);
  size_t written = 0;
  for (size_t n = 1; n > 0 && written < bytes.size(); written += n) n = peer.Write(bytes, written);
  peer.Reset();
  ASSERT_TRUE(host.Until([&] { return host[0].receive_end.has_value(); }));
  EXPECT_EQ(host[0].receive_end, -ECONNRESET);
}

TEST_F(Idle, ReadingOffAndOnFromAPoll) {
  TransportHost host(TransportKind::kUring);
  Peer peer = Connected(host, host.Listen(0));
  const ConnId id = host.accepted[0];
  FallSilent(host);
  host.transport_->SetReading(id, false);
  host.Turns(2);
  peer.Write("a");
  host.Turns(10);
  EXPECT_EQ(host[0].in, "");
  host.transport_->SetReading(id, true);
  ASSERT_TRUE(host.UntilPeerHas(peer, 1));
  // Off and on at once, with and without a byte.
  FallSilent(host, 2);
  host.transport_->SetReading(id, false);
  host.transport_->SetReading(id, true);
  host.Turns(3);
  host.transport_->SetReading(id, false);
  peer.Write("b");
  host.transport_->SetReading(id, true);
  ASSERT_TRUE(host.UntilPeerHas(peer, 2));
  EXPECT_EQ(peer.in, "ab");
}

TEST_F(Idle, CloseAbortAndHalfCloseOfAPoll) {
  TransportHost host(TransportKind::kUring);
  const Address at = host.Listen(0);
  Peer closed = Connected(host, at);
  Peer aborted = Connected(host, at);
  Peer half = Connected(host, at);
  FallSilent(host, 3);
  host.transport_->Close(host.accepted[0]);
  host.transport_->Abort(host.accepted[1]);
  host.transport_->ShutdownSend(host.accepted[2]);
  ASSERT_TRUE(host.UntilPeerEnds(closed));
  EXPECT_EQ(closed.end, 0);
  ASSERT_TRUE(host.UntilPeerEnds(aborted));
  EXPECT_EQ(aborted.end, ECONNRESET);
  ASSERT_TRUE(host.UntilPeerEnds(half));
  EXPECT_EQ(half.end, 0);
  ASSERT_TRUE(host.Until([&] { return host.released == 2; }));
  EXPECT_EQ(host.Counter("abort_fallbacks"), 0u);
  host.echo = false;
  half.Write("still");
  ASSERT_TRUE(host.Until([&] { return host[2].in == "still"; }));
}

TEST_F(Idle, APollWaitsForABlockLikeAReceive) {
  TransportHost host(TransportKind::kUring);
  host.echo = false;
  const Address at = host.Listen(0);
  Peer greedy = Connected(host, at);
  Peer silent = Connected(host, at);
  Peer ends = Connected(host, at);
  FallSilent(host, 3);
  host[0].hold = true;
  core::Shard& shard = host.shard_;
  std::vector<alloc::Block*> taken;
  while (alloc::Block* block = shard.buffers().AcquireReceive()) taken.push_back(block);
  for (size_t i = 1; i <= 64; ++i) {  // all that are published
    ASSERT_EQ(greedy.Write("x"), 1u);
    ASSERT_TRUE(host.Until([&] { return host[0].out.size() == i; }));
  }
  silent.Write("late");
  shutdown(ends.fd(), SHUT_WR);
  ASSERT_TRUE(host.Until([&] { return host.Counter("receive_starved") >= 2; }));
  host.Turns(5);
  EXPECT_EQ(host[1].in, "");
  EXPECT_FALSE(host.transport_->ReadToEnd());
  {
    core::Shard::Enter enter(&shard);
    host[0].out.clear();
    host[0].hold = false;
  }
  ASSERT_TRUE(host.Until([&] { return host[1].in == "late" && host[2].receive_end == 0; }));
  ASSERT_TRUE(host.Until([&] { return host.transport_->ReadToEnd(); }));
  for (alloc::Block* block : taken) shard.buffers().Release(block);
}

// What a drain relies on.
TEST_F(Idle, APollThatLeftNothingBehindHasBroughtWhatTheKernelHad) {
  for (int turns = 0; turns <= kSwapTurns; ++turns) {
    TransportHost host(TransportKind::kUring);
    Peer peer = Connected(host, host.Listen(0));
    AlmostSilent(host);
    host.Turns(turns);
    peer.Write("x");
    ASSERT_TRUE(host.Until([&] { return Acknowledged(peer); }));
    ASSERT_TRUE(host.Until([&] {
      host.Turns(1);
      return host.transport_->ReadToEnd();
    }));
    EXPECT_EQ(host[0].in, "x") << "written " << turns << " turns after the look";
  }
}

}  // namespace
}  // namespace mooring::net::uring
