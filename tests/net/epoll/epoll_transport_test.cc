// SPDX-License-Identifier: Apache-2.0
// What is hard about edges: what proves a connection drained, events that come too late, everybody's turn, and what a
// Poll may say of what is left in the kernel.
#include <gtest/gtest.h>
#include <sys/un.h>

#include <cstring>

#include "tests/core/forwarding_kernel.h"
#include "tests/net/transport_host.h"

namespace mooring::net::epoll {
namespace {

constexpr TransportKind kKind = TransportKind::kEpoll;
constexpr uint32_t kBlock = alloc::BufferPool::kReceiveBlockBytes;

// A Unix listener without a path, and its address.
int ListenUnix(sockaddr_un* address, socklen_t* size) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  *address = {.sun_family = AF_UNIX, .sun_path = {}};
  *size = sizeof(sa_family_t);  // an abstract name of the kernel's choice
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(address), *size), 0);
  *size = sizeof(*address);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(address), size), 0);
  EXPECT_EQ(listen(fd, 64), 0);
  return fd;
}

int ConnectUnix(const sockaddr_un& address, socklen_t size) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), size), 0);
  return fd;
}

// Draining.

TEST(EpollReceive, ShortOneNeedsNoSecond) {
  TransportHost host(kKind);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  for (int i = 1; i <= 3; ++i) {
    peer.Write("hello");
    ASSERT_TRUE(host.Until([&] { return host[0].in.size() == size_t(i) * 5; }));
  }
  EXPECT_EQ(host.Counter("receives"), 3u);
  EXPECT_EQ(host.Counter("receive_empty"), 0u);
}

TEST(EpollReceive, FullBlockIsReadOn) {
  TransportHost host(kKind);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(3);
  for (const size_t bytes : {size_t{kBlock}, size_t{kBlock} + 1, 3 * size_t{kBlock}}) {
    host[0].in.clear();
    const std::string sent = Pattern(bytes);
    ASSERT_EQ(peer.Write(sent), bytes);
    host.Turns(1);  // all of it at once: no further edge would come
    EXPECT_TRUE(host[0].in == sent) << bytes;
    EXPECT_TRUE(host.transport_->ReadToEnd());
  }
}

TEST(EpollReceive, FinBehindBytesComesWithThem) {
  for (const bool off_first : {false, true}) {
    TransportHost host(kKind);
    host.echo = false;
    Peer peer = Connected(host, host.Listen(0));
    if (off_first) host.transport_->SetReading(host.accepted[0], false);
    host.Turns(2);
    peer.Write("last");
    shutdown(peer.fd(), SHUT_WR);
    host.Turns(1);
    if (off_first) {
      EXPECT_EQ(host[0].in, "");
      host.transport_->SetReading(host.accepted[0], true);
      host.Turns(1);
    }
    EXPECT_EQ(host[0].in, "last");
    EXPECT_EQ(host[0].receive_end, 0);
  }
}

TEST(EpollReceive, ResetBehindBytesComesWithThem) {
  TransportHost host(kKind);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(2);
  peer.Write("last");
  peer.Reset();
  host.Turns(1);
  EXPECT_EQ(host[0].in, "last");
  EXPECT_EQ(host[0].receive_end, -ECONNRESET);
}

TEST(EpollReceive, UrgentDataHidesNothingBehindIt) {
  TransportHost host(kKind);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(2);
  peer.Write("before");
  ASSERT_EQ(send(peer.fd(), "!", 1, MSG_OOB), 1);
  peer.Write("after");
  host.Turns(1);
  EXPECT_EQ(host[0].in, "beforeafter");
}

TEST(EpollReceive, DescriptorsOnAUnixSocketHideNothingBehindThem) {
  sockaddr_un address;
  socklen_t size;
  TransportHost host(kKind);
  host.echo = false;
  host.transport_->Listen(0, ListenUnix(&address, &size), 64, false);
  host.transport_->SetAcceptMode(0, AcceptMode::kRoomy);
  Peer peer(ConnectUnix(address, size));
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 1; }));
  host.Turns(2);
  union {
    cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {};
  control.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  *reinterpret_cast<int*>(CMSG_DATA(&control.header)) = peer.fd();
  iovec piece = {const_cast<char*>("before"), 6};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof(control);
  ASSERT_EQ(sendmsg(peer.fd(), &message, 0), 6);
  peer.Write("after");
  host.Turns(1);
  EXPECT_EQ(host[0].in, "beforeafter");
}

TEST(EpollReceive, EdgeWhileNotReadIsKept) {
  TransportHost host(kKind);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  host.transport_->SetReading(host.accepted[0], false);
  host.Turns(2);
  peer.Write("kept");
  host.Turns(5);
  EXPECT_EQ(host[0].in, "");
  EXPECT_EQ(host.Counter("receives"), 0u);
  host.transport_->SetReading(host.accepted[0], true);
  host.transport_->SetReading(host.accepted[0], false);
  host.Turns(2);
  EXPECT_EQ(host[0].in, "");
  host.transport_->SetReading(host.accepted[0], true);
  host.shard_.RunTurn(10 * core::kNanosPerSecond);  // does not wait
  EXPECT_EQ(host[0].in, "kept");
}

// Switched off by each upcall and on again later: what was received already still comes, which is two blocks at most.
TEST(EpollReceive, StopsInTheMiddleAndGoesOn) {
  TransportHost host(kKind);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(2);
  host.on_receive = [&](ConnId id) { host.transport_->SetReading(id, false); };
  const std::string sent = Pattern(5 * kBlock + 1);
  ASSERT_EQ(peer.Write(sent), sent.size());
  for (const size_t bytes : {size_t{kBlock}, 3 * size_t{kBlock}, 5 * size_t{kBlock}, sent.size()}) {
    host.Turns(3);
    ASSERT_EQ(host[0].in.size(), bytes);
    host.transport_->SetReading(host.accepted[0], true);
  }
  EXPECT_TRUE(host[0].in == sent);
}

TEST(EpollReceive, MessagesOfABlockCostOneReceiveEach) {
  TransportHost host(kKind);
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(2);
  const std::string message = Pattern(kBlock);
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(peer.Write(message), message.size());
    ASSERT_TRUE(host.UntilPeerHas(peer, message.size()));
    EXPECT_TRUE(peer.in == message);
    peer.in.clear();
    ASSERT_TRUE(host.UntilSent(host.accepted[0]));
  }
  EXPECT_EQ(host.Counter("receives"), 10u);
  EXPECT_EQ(host.Counter("receive_empty"), 1u) << "the first one's";
  EXPECT_LE(host.shard_.buffers().receive_live(), 1u);
}

// The second of two blocks is dropped, and comes back, when the first one's upcall ends the connection.
TEST(EpollReceive, ClosedBetweenTwoBlocksOfOneReceive) {
  TransportHost host(kKind);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(2);
  peer.Write(Pattern(kBlock));
  host.Turns(2);
  ASSERT_EQ(host[0].in.size(), kBlock);
  host.on_receive = [&](ConnId id) { host.transport_->Abort(id); };
  ASSERT_EQ(peer.Write(Pattern(2 * kBlock)), 2 * kBlock);
  host.Turns(1);
  EXPECT_EQ(host[0].in.size(), 2 * kBlock);
  host.Turns(2);
  EXPECT_EQ(host.released, 1);
  EXPECT_LE(host.shard_.buffers().receive_live(), 1u);
}

TEST(EpollReceive, KeepsOneBlockAndNoMore) {
  TransportHost host(kKind, {.connections_max = 256});
  host.echo = false;
  const Address at = host.Listen(0, 256);
  std::vector<Peer> peers;
  for (int i = 0; i < 100; ++i) peers.emplace_back(at);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 100; }));
  for (Peer& peer : peers) peer.Write(Pattern(kBlock));
  ASSERT_TRUE(host.Until([&] { return host.Counter("receives") >= 100; }));
  host.Turns(2);
  EXPECT_EQ(host.Counter("receive_empty"), 100u);
  EXPECT_LE(host.shard_.buffers().receive_live(), 1u);
  EXPECT_LE(host.shard_.accounting().Bytes(alloc::Purpose::kReceiveBlocks), 2 * uint64_t{kBlock}) << "for a hundred";
}

// Everybody's turn.

// The real kernel, which has so many full blocks more to give of the first connection that is read.
struct Flood final : core::ForwardingKernel {
  size_t blocks = 0;
  int flooded = -1;
  int Receive(int fd, void* to, size_t size) override {
    if (blocks > 0 && flooded < 0) flooded = fd;
    if (fd != flooded || blocks < size / kBlock) return ForwardingKernel::Receive(fd, to, size);
    blocks -= size / kBlock;
    std::memset(to, 'f', size);
    return static_cast<int>(size);
  }
};

TEST(EpollReceive, FloodDoesNotKeepOthersWaiting) {
  Flood kernel;
  TransportHost host(kKind, {.connections_max = 256}, &kernel);
  host.echo = false;
  const Address at = host.Listen(0);
  Peer flood = Connected(host, at);
  Peer other = Connected(host, at);
  host.Turns(2);
  kernel.blocks = 1000;
  flood.Write("x");
  for (size_t turn = 1; turn <= 10; ++turn) {
    host.shard_.RunTurn(10 * core::kNanosPerSecond);  // never waits
    ASSERT_EQ(host[0].in.size(), turn * Transport::kKernelBatch * kBlock);
    ASSERT_FALSE(host.transport_->ReadToEnd());
    ASSERT_EQ(host[1].in.size(), turn - 1) << "served in each turn";
    other.Write("y");
  }
  ASSERT_TRUE(host.Until([&] { return host.transport_->ReadToEnd(); }));
  EXPECT_EQ(host[0].in.size(), 1000 * size_t{kBlock} + 1);
  EXPECT_EQ(host.Counter("receive_shared"), 30u);
}

TEST(EpollReceive, MoreEventsThanOneWaitTakes) {
  constexpr int kPeers = 600;
  TransportHost host(kKind, {.connections_max = 1024});
  host.echo = false;
  const Address at = host.Listen(0, 1024);
  std::vector<Peer> peers;
  for (int i = 0; i < kPeers; ++i) peers.emplace_back(at);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == kPeers; }));
  host.Turns(4);
  for (Peer& peer : peers) peer.Write("x");
  const auto got = [&] {
    size_t n = 0;
    for (int i = 0; i < kPeers; ++i) n += host[static_cast<size_t>(i)].in.size();
    return n;
  };
  size_t turns = 0;
  do {
    host.shard_.RunTurn(10 * core::kNanosPerSecond);
    ++turns;
    ASSERT_EQ(host.transport_->ReadToEnd(), got() == kPeers) << turns;
  } while (got() < kPeers);
  EXPECT_GT(turns, 1u);
  EXPECT_GT(host.Counter("epoll_waits_full"), 0u);
}

// A connection that has something to tell in every turn.
TEST(EpollResults, NeverKeepTheShardFromItsEvents) {
  TransportHost host(kKind);
  host.echo = false;
  const Address at = host.Listen(0);
  Peer chatty = Connected(host, at);
  Peer other = Connected(host, at);
  host.Turns(2);
  int answers = 0;
  host.on_out_queue = [&](ConnId id) {
    ++answers;
    host.transport_->AskOutQueue(id);
  };
  host.transport_->AskOutQueue(host.accepted[0]);
  for (size_t i = 1; i <= 10; ++i) {
    other.Write("x");
    host.Turns(2);
    ASSERT_EQ(host[1].in.size(), i);
  }
  EXPECT_EQ(answers, 20);
  EXPECT_EQ(host.Counter("epoll_waits_spared"), 10u);
}

TEST(EpollResults, OfASendCostNoWait) {
  TransportHost host(kKind);
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(4);
  const uint64_t before = host.Counter("epoll_waits");
  for (size_t i = 1; i <= 5; ++i) {
    peer.Write("x");
    host.shard_.RunTurn(10 * core::kNanosPerSecond);  // received, and answered at once
    peer.Read();
    EXPECT_EQ(peer.in.size(), i);
    EXPECT_EQ(host[0].sends.size(), i - 1);
    host.shard_.RunTurn(10 * core::kNanosPerSecond);  // what became of the answer
    EXPECT_EQ(host[0].sends.size(), i);
    EXPECT_FALSE(host.transport_->ReadToEnd()) << "nobody has looked";
  }
  EXPECT_EQ(host.Counter("epoll_waits") - before, 5u);
}

// Late events.

TEST(EpollEvents, OfOneClosedInTheSameWaitAreCounted) {
  TransportHost host(kKind);
  host.echo = false;
  const Address at = host.Listen(0);
  Peer first = Connected(host, at);
  Peer second = Connected(host, at);
  host.Turns(2);
  // The new connection gets the descriptor of the one closed, and none of its events.
  auto claim = Claim::Take(core::RealKernel(), *Address::Parse("127.0.0.1:0"), {.backlog = 1});
  ASSERT_TRUE(claim.ok());
  const int listener = claim->Release(0);
  ConnId fresh = kNoConn;
  host.on_receive = [&](ConnId id) {
    if (fresh != kNoConn) return;
    EXPECT_EQ(id, host.accepted[0]);
    host.transport_->Close(host.accepted[1]);
    fresh = host.conns_.Acquire()->handle;
    host.transport_->Connect(fresh, claim->address(), {});
  };
  first.Write("x");
  second.Write("y");
  host.Turns(1);
  ASSERT_NE(fresh, kNoConn);
  EXPECT_EQ(host[1].in, "");
  EXPECT_EQ(host.Find(fresh)->in, "");
  EXPECT_EQ(host.Counter("stale"), 1u);
  ASSERT_TRUE(host.Until([&] { return host.released == 1 && host.Find(fresh)->connect_result == 0; }));
  Peer accepted(core::RealKernel()->Accept(listener));
  accepted.Write("z");
  ASSERT_TRUE(host.Until([&] { return host.Find(fresh)->in == "z"; }));
  close(listener);
}

// The same where the one closed waits in the list of those that the last Poll left something of.
TEST(EpollEvents, ClosedWhileItWaitsForItsNextTurn) {
  Flood kernel;
  TransportHost host(kKind, {.connections_max = 256}, &kernel);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(2);
  kernel.blocks = 100;
  peer.Write("x");
  host.Turns(1);
  ASSERT_FALSE(host.transport_->ReadToEnd());
  const uint64_t receives = host.Counter("receives");
  host.transport_->Abort(host.accepted[0]);
  host.Turns(3);
  EXPECT_EQ(host.released, 1);
  EXPECT_EQ(host.Counter("receives"), receives);
  EXPECT_TRUE(host.transport_->ReadToEnd());
}

// Sends that wait.

// First attempts until one takes nothing.
void Fill(TransportHost& host, size_t i) {
  static const std::string bytes = Pattern(1 << 20);
  iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};
  ASSERT_TRUE(host.Until([&] {
    if (!host[i].sends.empty() && host[i].sends.back() == 0) return true;
    if (!host[i].sending) host.transport_->Send(host.accepted[i], &piece, 1, SendMode::kTry);
    host[i].sending = true;
    return false;
  }));
}

TEST(EpollSend, WaitsWithItsPiecesUntilThePeerReads) {
  for (const unsigned count : {1u, 2u, Transport::kGatherMax}) {
    TransportHost host(kKind);
    host.echo = false;
    Peer peer = Connected(host, host.Listen(0));
    Fill(host, 0);
    size_t taken = 0;
    for (int sent : host[0].sends) taken += static_cast<size_t>(sent);
    const std::string bytes = Pattern(count * 100, 7);
    std::vector<iovec> pieces;
    for (unsigned i = 0; i < count; ++i) pieces.push_back({const_cast<char*>(bytes.data()) + i * 100, 100});
    const size_t sends = host[0].sends.size();
    host.transport_->Send(host.accepted[0], pieces.data(), count, SendMode::kWait);
    std::fill(pieces.begin(), pieces.end(), iovec{});  // copied at the call
    host.Turns(5);
    ASSERT_EQ(host[0].sends.size(), sends);
    EXPECT_EQ(host.Counter("sends_waited"), 1u);
    EXPECT_EQ(host.shard_.buffers().blocks_live(), count == 1 ? 0u : 1u);
    ASSERT_TRUE(host.Until([&] {
      peer.Read();
      return host[0].sends.size() > sends;
    }));
    EXPECT_EQ(host[0].sends.back(), static_cast<int>(bytes.size()));
    ASSERT_TRUE(host.UntilPeerHas(peer, taken + bytes.size()));
    EXPECT_TRUE(peer.in.substr(taken) == bytes);
    EXPECT_EQ(host.shard_.buffers().blocks_live(), 0u);
  }
}

TEST(EpollSend, AbortEndsOneThatWaits) {
  TransportHost host(kKind);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  Fill(host, 0);
  iovec pieces[2] = {{const_cast<char*>("ab"), 2}, {const_cast<char*>("cd"), 2}};
  host.transport_->Send(host.accepted[0], pieces, 2, SendMode::kWait);
  host.Turns(3);
  host.transport_->Abort(host.accepted[0]);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
  EXPECT_EQ(host.released_sends.back(), -ECONNRESET);
  EXPECT_EQ(host.shard_.buffers().blocks_live(), 0u);
  ASSERT_TRUE(host.UntilPeerEnds(peer));
  EXPECT_EQ(peer.end, ECONNRESET);
}

TEST(EpollSend, AbortLetsOneThatIsDoneTellItsResult) {
  TransportHost host(kKind);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  iovec piece = {const_cast<char*>("ab"), 2};
  host.transport_->Send(host.accepted[0], &piece, 1, SendMode::kTry);
  host.transport_->Abort(host.accepted[0]);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
  EXPECT_EQ(host.released_sends, std::vector<int>{2});
}

TEST(EpollSend, ResetByThePeerEndsOneThatWaits) {
  TransportHost host(kKind);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  Fill(host, 0);
  host.transport_->SetReading(host.accepted[0], false);
  const size_t sends = host[0].sends.size();
  iovec piece = {const_cast<char*>("ab"), 2};
  host.transport_->Send(host.accepted[0], &piece, 1, SendMode::kWait);
  host.Turns(3);
  peer.Reset();
  ASSERT_TRUE(host.Until([&] { return host[0].sends.size() > sends; }));
  EXPECT_EQ(host[0].sends.back(), -ECONNRESET);
}

// Ends.

TEST(EpollAbort, HasNoResetForAUnixPeer) {
  sockaddr_un address;
  socklen_t size;
  TransportHost host(kKind);
  host.transport_->Listen(0, ListenUnix(&address, &size), 64, false);
  host.transport_->SetAcceptMode(0, AcceptMode::kRoomy);
  Peer peer(ConnectUnix(address, size));
  peer.Write("hello");
  ASSERT_TRUE(host.UntilPeerHas(peer, 5));
  EXPECT_EQ(peer.in, "hello");
  host.transport_->AskPeer(host.accepted[0]);
  host.transport_->AskOutQueue(host.accepted[0]);
  ASSERT_TRUE(host.Until([&] { return host[0].peer.has_value() && host[0].out_queue.has_value(); }));
  EXPECT_TRUE(host[0].peer->empty());
  EXPECT_EQ(host[0].out_queue, -EOPNOTSUPP);
  host.transport_->Abort(host.accepted[0]);
  ASSERT_TRUE(host.UntilPeerEnds(peer));
  EXPECT_EQ(peer.end, 0);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
  EXPECT_EQ(host.Counter("abort_fallbacks"), 1u);
  host.transport_->RefuseNew(0);
  EXPECT_EQ(host.Counter("refuse_new_errors"), 0u);
}

TEST(EpollEnd, OfTheTransportClosesWhatIsOpen) {
  std::optional<TransportHost> host(std::in_place, kKind);
  Peer peer = Connected(*host, host->Listen(0));
  host.reset();
  pollfd readable = {peer.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&readable, 1, 2000), 1);
  peer.Read();
  EXPECT_EQ(peer.end, 0);
}

// Listeners that several shards share.

TEST(EpollShared, TakesEightInARowAndLeavesTheRestToTheOthers) {
  sockaddr_un address;
  socklen_t size;
  const int fd = ListenUnix(&address, &size);
  TransportHost a(kKind), b(kKind);
  b.transport_->Listen(0, core::RealKernel()->Duplicate(fd), 64, true);
  a.transport_->Listen(0, fd, 64, true);
  for (TransportHost* host : {&a, &b}) {
    host->transport_->SetAcceptMode(0, AcceptMode::kRoomy);
    host->Turns(1);
  }
  std::vector<Peer> peers;
  for (int i = 0; i < 40; ++i) peers.emplace_back(ConnectUnix(address, size));
  for (size_t turn = 1; turn <= 2; ++turn) {
    a.Turns(1);
    EXPECT_EQ(a.accepted.size(), 8 * turn);
    b.Turns(1);
    EXPECT_EQ(b.accepted.size(), 8 * turn);
  }
  ASSERT_TRUE(a.Until([&] { return a.accepted.size() == 24; }));
  EXPECT_EQ(b.accepted.size(), 16u);
}

TEST(EpollShared, ListenerLeavesNoEventsBehind) {
  for (const bool empty_queue : {false, true}) {
    sockaddr_un address;
    socklen_t size;
    const int fd = ListenUnix(&address, &size);
    TransportHost a(kKind), b(kKind);
    b.transport_->Listen(0, core::RealKernel()->Duplicate(fd), 64, true);
    a.transport_->Listen(0, fd, 64, true);
    a.transport_->SetAcceptMode(0, AcceptMode::kRoomy);
    b.transport_->SetAcceptMode(0, AcceptMode::kRoomy);
    a.Turns(1);
    b.Turns(1);
    a.transport_->StopAccept(0, empty_queue);
    ASSERT_TRUE(a.Until([&] { return a.stopped == 1; }));
    const uint64_t events = a.Counter("epoll_events");
    Peer peer(ConnectUnix(address, size));
    a.Turns(2);
    EXPECT_EQ(a.Counter("epoll_events"), events);
    peer.Write("x");
    ASSERT_TRUE(b.UntilPeerHas(peer, 1));
    EXPECT_EQ(peer.in, "x");
  }
}

}  // namespace
}  // namespace mooring::net::epoll
