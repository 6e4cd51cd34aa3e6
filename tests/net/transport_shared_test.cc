// SPDX-License-Identifier: Apache-2.0
// Listeners that several shards share, Unix and TCP, on the real kernel: each shard gets its part and nobody is lost.
// Both shards run on the test's thread.
#include <gtest/gtest.h>
#include <sys/un.h>

#include <functional>
#include <tuple>

#include "tests/net/transport_host.h"

namespace mooring::net {
namespace {

// A listening socket that can be handed to several transports: an abstract Unix one, or TCP.
class SharedSocket {
 public:
  SharedSocket(bool unix_domain, int backlog) {
    const int family = unix_domain ? AF_UNIX : AF_INET;
    fd_ = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (unix_domain) {
      at_.any.sa_family = AF_UNIX;
      size_ = sizeof(sa_family_t);  // unix(7): the kernel chooses an abstract name
    } else {
      at_.v4.sin_family = AF_INET;
      at_.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size_ = sizeof(at_.v4);
    }
    EXPECT_EQ(bind(fd_, &at_.any, size_), 0) << errno;
    EXPECT_EQ(listen(fd_, backlog), 0);
    size_ = sizeof(at_);
    getsockname(fd_, &at_.any, &size_);
  }
  ~SharedSocket() { Close(); }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  int Duplicate() const { return core::RealKernel()->Duplicate(fd_); }
  // errno of the last connect: 0, EINPROGRESS (TCP), EAGAIN (Unix: the queue is full), ECONNREFUSED.
  Peer Connect(int* error = nullptr) const {
    const int fd = socket(at_.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int result = connect(fd, &at_.any, size_);
    if (error != nullptr) *error = result == 0 ? 0 : errno;
    return Peer(fd);
  }

 private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_un path = {};
  } at_;
  socklen_t size_ = 0;
  int fd_ = -1;
};

using Param = std::tuple<TransportKind, bool>;

class SharedListenerTest : public ::testing::TestWithParam<Param> {
 protected:
  void SetUp() override {
    if (!Available(kind())) GTEST_SKIP() << "SKIPPED: this kernel has no " << Name(kind());
  }
  TransportKind kind() const { return std::get<0>(GetParam()); }
  bool unix_domain() const { return std::get<1>(GetParam()); }

  static void Listen(TransportHost& host, const SharedSocket& socket, int backlog) {
    host.transport_->Listen(0, socket.Duplicate(), backlog, /*shared=*/true);
    host.transport_->SetAcceptMode(0, host.mode);
  }
  // Turns of both until `done`.
  static bool Until(TransportHost& a, TransportHost& b, const std::function<bool()>& done) {
    return a.Until([&] {
      b.Turns(1);
      return done();
    });
  }
  static bool UntilEchoed(TransportHost& a, TransportHost& b, Peer& peer, size_t bytes) {
    return Until(a, b, [&] {
      peer.Read();
      return peer.in.size() >= bytes || peer.end.has_value();
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, SharedListenerTest,
                         ::testing::Combine(::testing::ValuesIn(kTestedKinds), ::testing::Bool()),
                         [](const ::testing::TestParamInfo<Param>& info) {
                           return KindName({std::get<0>(info.param), info.index}) +
                                  (std::get<1>(info.param) ? "_unix" : "_tcp");
                         });

TEST_P(SharedListenerTest, SpacedArrivalsAreSpreadOverTheShards) {
  TransportHost a(kind(), {.connections_max = 1024}), b(kind(), {.connections_max = 1024});
  const SharedSocket socket(unix_domain(), 32);
  Listen(a, socket, 32);
  Listen(b, socket, 32);
  a.Turns(2);
  b.Turns(2);
  std::vector<Peer> peers;
  for (int i = 0; i < 100; ++i) {
    peers.push_back(socket.Connect());
    peers.back().Write("x");
    ASSERT_TRUE(UntilEchoed(a, b, peers.back(), 1));
    ASSERT_EQ(peers.back().in, "x") << i;
  }
  EXPECT_EQ(a.accepted.size() + b.accepted.size(), 100u);
  EXPECT_GE(a.accepted.size(), 25u);
  EXPECT_GE(b.accepted.size(), 25u);
}

TEST_P(SharedListenerTest, AShardThatIsFullLeavesTheRestToTheOther) {
  TransportHost small(kind(), {.connections_max = 20}), large(kind(), {.connections_max = 1024});
  const SharedSocket socket(unix_domain(), 4);
  Listen(small, socket, 4);
  Listen(large, socket, 4);
  small.Turns(2);
  large.Turns(2);
  std::vector<Peer> peers;
  for (int i = 0; i < 100; ++i) {
    peers.push_back(socket.Connect());
    peers.back().Write("x");
    ASSERT_TRUE(UntilEchoed(small, large, peers.back(), 1)) << i;
    ASSERT_EQ(peers.back().in, "x") << i;
  }
  EXPECT_LE(small.accepted.size(), 20u);
  EXPECT_GT(small.accepted.size(), 0u);
  EXPECT_EQ(small.accepted.size() + large.accepted.size(), 100u);
  EXPECT_TRUE(small.accept_errors.empty());
}

TEST_P(SharedListenerTest, ModesMayChangeWhilePeersCome) {
  TransportHost a(kind(), {.connections_max = 1024}), b(kind(), {.connections_max = 1024});
  const SharedSocket socket(unix_domain(), 32);
  Listen(a, socket, 32);
  Listen(b, socket, 32);
  constexpr AcceptMode kModes[] = {AcceptMode::kRoomy, AcceptMode::kNear, AcceptMode::kStopped};
  a.credit = b.credit = 1000;
  std::vector<Peer> peers;
  for (int i = 0; i < 90; ++i) {
    a.transport_->SetAcceptMode(0, kModes[i % 3]);
    b.transport_->SetAcceptMode(0, kModes[i % 2]);  // one that is not stopped
    peers.push_back(socket.Connect());
    peers.back().Write("x");
    if (i % 4 != 0) continue;  // up to four changes between one answer and the next
    ASSERT_TRUE(UntilEchoed(a, b, peers.back(), 1)) << i;
  }
  for (Peer& peer : peers) {
    ASSERT_TRUE(UntilEchoed(a, b, peer, 1));
    ASSERT_EQ(peer.in, "x");
  }
  EXPECT_EQ(a.accepted.size() + b.accepted.size(), 90u);
  a.transport_->SetAcceptMode(0, AcceptMode::kStopped);
  b.transport_->SetAcceptMode(0, AcceptMode::kStopped);
  ASSERT_TRUE(Until(a, b, [&] { return a.credit + b.credit + a.credits_spent + b.credits_spent == 2000; }));
}

TEST_P(SharedListenerTest, StopServesWhoHasConnectedAndThenRefuses) {
  TransportHost a(kind(), {.connections_max = 1024}), b(kind(), {.connections_max = 1024});
  SharedSocket socket(unix_domain(), 64);
  Listen(a, socket, 64);
  Listen(b, socket, 64);
  a.Turns(2);
  b.Turns(2);
  std::vector<Peer> peers;
  for (int i = 0; i < 60; ++i) {
    peers.push_back(socket.Connect());
    peers.back().Write("x");
  }
  socket.Close();
  a.transport_->StopAccept(0, true);
  b.transport_->StopAccept(0, true);
  for (Peer& peer : peers) {
    ASSERT_TRUE(UntilEchoed(a, b, peer, 1));
    ASSERT_EQ(peer.in, "x");
  }
  ASSERT_TRUE(Until(a, b, [&] { return a.stopped == 1 && b.stopped == 1; }));
  EXPECT_EQ(a.accepted.size() + b.accepted.size(), 60u);
  int error = 0;
  Peer late = socket.Connect(&error);
  if (error == EINPROGRESS) {
    ASSERT_TRUE(a.UntilPeerEnds(late));
    error = *late.end;
  }
  EXPECT_EQ(error, ECONNREFUSED);
}

TEST_P(SharedListenerTest, OneShardStopsAtOnceAndTheOtherServesOn) {
  TransportHost a(kind()), b(kind());
  const SharedSocket socket(unix_domain(), 16);
  Listen(a, socket, 16);
  Listen(b, socket, 16);
  a.Turns(2);
  b.Turns(2);
  a.transport_->StopAccept(0, false);
  ASSERT_TRUE(a.Until([&] { return a.stopped == 1; }));
  for (int i = 0; i < 20; ++i) {
    Peer peer = socket.Connect();
    peer.Write("x");
    ASSERT_TRUE(UntilEchoed(a, b, peer, 1));
    ASSERT_EQ(peer.in, "x") << i;
  }
  EXPECT_EQ(b.accepted.size(), 20u);
}

// A Unix connection: what differs from TCP.
class UnixConnectionTest : public TransportSuite {
 protected:
  Peer Connected(TransportHost& host) {
    host.transport_->Listen(0, socket_.Duplicate(), 16, /*shared=*/true);
    host.transport_->SetAcceptMode(0, AcceptMode::kRoomy);
    Peer peer = socket_.Connect();
    EXPECT_TRUE(host.Until([&] { return host.accepted.size() == 1 && host[0].open; }));
    return peer;
  }
  SharedSocket socket_{true, 16};
};
INSTANTIATE_TEST_SUITE_P(Kinds, UnixConnectionTest, ::testing::ValuesIn(kTestedKinds), KindName);

TEST_P(UnixConnectionTest, EchoesByteForByte) {
  TransportHost host(GetParam());
  Peer peer = Connected(host);
  const std::string sent = Pattern(2'000'000);
  size_t written = 0;
  ASSERT_TRUE(host.Until([&] {
    written += peer.Write(sent, written);
    peer.Read();
    return peer.in.size() == sent.size();
  }));
  EXPECT_TRUE(peer.in == sent);
}

TEST_P(UnixConnectionTest, HasNoAddressAndNoOutQueue) {
  TransportHost host(GetParam());
  Peer peer = Connected(host);
  host.transport_->AskPeer(host.accepted[0]);
  host.transport_->AskOutQueue(host.accepted[0]);
  ASSERT_TRUE(host.Until([&] { return host[0].peer.has_value() && host[0].out_queue.has_value(); }));
  EXPECT_TRUE(host[0].peer->empty());
  EXPECT_LT(*host[0].out_queue, 0);  // there it would count buffers
}

TEST_P(UnixConnectionTest, HalfClosesAndCloses) {
  TransportHost host(GetParam());
  Peer peer = Connected(host);
  host.transport_->ShutdownSend(host.accepted[0]);
  ASSERT_TRUE(host.UntilPeerEnds(peer));
  EXPECT_EQ(peer.end, 0);
  ASSERT_TRUE(host.Until([&] { return host[0].shutdowns == 1; }));
  host.echo = false;
  peer.Write("still");
  ASSERT_TRUE(host.Until([&] { return host[0].in == "still"; }));
  shutdown(peer.fd(), SHUT_WR);
  ASSERT_TRUE(host.Until([&] { return host[0].receive_end.has_value(); }));
  EXPECT_EQ(host[0].receive_end, 0);
  host.transport_->Close(host.accepted[0]);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
}

TEST_P(UnixConnectionTest, AbortEndsAnArmedReceive) {
  TransportHost host(GetParam());
  Peer peer = Connected(host);
  host.Turns(2);
  host.transport_->Abort(host.accepted[0]);
  ASSERT_TRUE(host.UntilPeerEnds(peer));
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
}

TEST_P(UnixConnectionTest, AbortEndsAStuckSend) {
  TransportHost host(GetParam());
  host.echo = false;
  Peer peer = Connected(host);
  const std::string bytes = Pattern(8'000'000);
  iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};
  const ConnId id = host.accepted[0];
  ASSERT_TRUE(host.Until([&] {
    if (!host[0].sends.empty() && host[0].sends.back() == 0) return true;
    if (!host[0].sending) {
      host[0].sending = true;
      host.transport_->Send(id, &piece, 1, SendMode::kTry);
    }
    return false;
  }));
  const size_t sends = host[0].sends.size();
  host[0].sending = true;
  host.transport_->Send(id, &piece, 1, SendMode::kWait);
  host.Turns(3);
  ASSERT_EQ(host[0].sends.size(), sends);
  host.transport_->Abort(id);
  size_t told = 0;
  ASSERT_TRUE(host.Until([&] {
    if (host.released == 0) told = host[0].sends.size();
    return host.released == 1;
  }));
  EXPECT_EQ(host.released, 1);
  ASSERT_TRUE(host.UntilPeerEnds(peer));
  host.Turns(3);
  EXPECT_EQ(host.Counter("stale"), 0u);
}

TEST_P(UnixConnectionTest, RefusingNewHandshakesIsNoError) {
  TransportHost host(GetParam());
  Peer peer = Connected(host);
  host.transport_->RefuseNew(0);
  EXPECT_EQ(host.Counter("refuse_new_errors"), 0u);
  Peer late = socket_.Connect();  // there is no handshake: connected is connected
  late.Write("x");
  ASSERT_TRUE(host.UntilPeerHas(late, 1));
  EXPECT_EQ(late.in, "x");
}

TEST_P(UnixConnectionTest, ARefusedPeerSeesTheEnd) {
  TransportHost host(GetParam());
  host.refuse = true;
  host.transport_->Listen(0, socket_.Duplicate(), 16, /*shared=*/true);
  host.transport_->SetAcceptMode(0, AcceptMode::kRoomy);
  for (int i = 0; i < 300; ++i) {  // more than there are descriptors for
    Peer peer = socket_.Connect();
    ASSERT_TRUE(host.UntilPeerEnds(peer)) << i;
  }
  EXPECT_EQ(host.Counter("accepts_refused"), 300u);
}

}  // namespace
}  // namespace mooring::net
