// SPDX-License-Identifier: Apache-2.0
// What a kernel or a pool refuses: descriptors, memory, blocks, waits.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "tests/core/forwarding_kernel.h"
#include "tests/net/transport_host.h"

namespace mooring::net::epoll {
namespace {

constexpr TransportKind kKind = TransportKind::kEpoll;

// The real kernel, which fails the next calls as it is told: each entry is one call's -errno.
struct Refusing final : core::ForwardingKernel {
  std::deque<int> accepts, adds, waits, receives, sends;

  static bool Next(std::deque<int>* from, int* result) {
    if (from->empty()) return false;
    *result = from->front();
    from->pop_front();
    return true;
  }
  int Accept(int fd) override {
    int result;
    return Next(&accepts, &result) ? result : ForwardingKernel::Accept(fd);
  }
  int EpollControl(int epoll_fd, int operation, int fd, epoll_event* event) override {
    int result;
    if (operation == EPOLL_CTL_ADD && Next(&adds, &result)) return result;
    return ForwardingKernel::EpollControl(epoll_fd, operation, fd, event);
  }
  int EpollWait(int epoll_fd, epoll_event* events, int count, core::Nanos timeout) override {
    int result;
    return Next(&waits, &result) ? result : ForwardingKernel::EpollWait(epoll_fd, events, count, timeout);
  }
  int Receive(int fd, void* to, size_t size) override {
    int result;
    return Next(&receives, &result) ? result : ForwardingKernel::Receive(fd, to, size);
  }
  int Send(int fd, const iovec* pieces, unsigned count) override {
    int result;
    return Next(&sends, &result) ? result : ForwardingKernel::Send(fd, pieces, count);
  }
};

TEST(EpollRefused, AcceptForWantOfResourcesWaitsForTheEngine) {
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM, EINVAL}) {
    Refusing kernel;
    TransportHost host(kKind, {.connections_max = 256}, &kernel);
    const Address at = host.Listen(0);
    kernel.accepts = {-error};
    Peer peer(at);
    peer.Write("x");
    ASSERT_TRUE(host.Until([&] { return !host.accept_errors.empty(); }));
    EXPECT_EQ(host.accept_errors, std::vector<int>{error});
    const uint64_t events = host.Counter("epoll_events");
    host.Turns(10);
    EXPECT_TRUE(host.accepted.empty());
    EXPECT_EQ(host.Counter("epoll_events"), events) << "nobody spins";
    host.transport_->SetAcceptMode(0, AcceptMode::kRoomy);
    ASSERT_TRUE(host.UntilPeerHas(peer, 1));
    EXPECT_EQ(peer.in, "x");
    EXPECT_EQ(host.Counter("accept_errors"), 1u);
  }
}

TEST(EpollRefused, AcceptOfOneThatIsGoneGoesOn) {
  Refusing kernel;
  TransportHost host(kKind, {.connections_max = 256}, &kernel);
  host.mode = AcceptMode::kNear;
  host.credit = 3;
  const Address at = host.Listen(0);
  kernel.accepts = {-ECONNABORTED, -EPROTO, -EINTR, -EPERM, -ENETDOWN, -ETIMEDOUT};
  Peer peer(at);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 1; }));
  EXPECT_EQ(host.Counter("accept_transient"), 6u);
  EXPECT_TRUE(host.accept_errors.empty());
  EXPECT_EQ(host.credit, 2) << "what found nobody was given back";
}

TEST(EpollRefused, ConnectionThatEpollDoesNotTakeEnds) {
  Refusing kernel;
  TransportHost host(kKind, {.connections_max = 256}, &kernel);
  const Address at = host.Listen(0);
  host.Turns(1);
  kernel.adds = {-ENOSPC};  // /proc/sys/fs/epoll/max_user_watches
  Peer peer(at);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 1 && host[0].receive_end.has_value(); }));
  EXPECT_TRUE(host[0].open);
  EXPECT_EQ(host[0].receive_end, -ENOSPC);
  EXPECT_EQ(host.Counter("epoll_add_errors"), 1u);
  host.transport_->Abort(host.accepted[0]);
  ASSERT_TRUE(host.UntilPeerEnds(peer));
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
}

TEST(EpollRefused, OutgoingConnectionThatEpollDoesNotTakeFails) {
  Refusing kernel;
  TransportHost host(kKind, {.connections_max = 256}, &kernel);
  auto claim = Claim::Take(core::RealKernel(), *Address::Parse("127.0.0.1:0"), {});
  ASSERT_TRUE(claim.ok());
  kernel.adds = {-ENOMEM};
  const ConnId id = host.conns_.Acquire()->handle;
  host.transport_->Connect(id, claim->address(), {});
  ASSERT_TRUE(host.Until([&] { return host.Find(id)->connect_result.has_value(); }));
  EXPECT_EQ(host.Find(id)->connect_result, -ENOMEM);
  EXPECT_EQ(host.Counter("connect_errors"), 1u);
  host.transport_->Close(id);
  ASSERT_TRUE(host.Until([&] { return host.released == 1; }));
}

TEST(EpollRefused, ListenerThatEpollDoesNotTakeIsTriedAgain) {
  Refusing kernel;
  TransportHost host(kKind, {.connections_max = 256}, &kernel);
  kernel.adds = {-ENOSPC};
  Peer peer(host.Listen(0));
  ASSERT_TRUE(host.Until([&] { return !host.accept_errors.empty(); }));
  EXPECT_EQ(host.accept_errors, std::vector<int>{ENOSPC});
  host.Turns(5);
  EXPECT_TRUE(host.accepted.empty());
  host.transport_->SetAcceptMode(0, AcceptMode::kRoomy);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 1; }));
}

TEST(EpollRefused, InterruptedWaitSaysNothingOfWhatIsLeft) {
  Refusing kernel;
  TransportHost host(kKind, {.connections_max = 256}, &kernel);
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(2);
  ASSERT_TRUE(host.transport_->ReadToEnd());
  for (const int error : {EINTR, EBADF}) {
    kernel.waits = {-error};
    host.Turns(1);
    EXPECT_FALSE(host.transport_->ReadToEnd());
    host.Turns(1);
    EXPECT_TRUE(host.transport_->ReadToEnd());
  }
  EXPECT_EQ(host.Counter("epoll_wait_errors"), 1u) << "an interrupted one is none";
  peer.Write("x");
  ASSERT_TRUE(host.UntilPeerHas(peer, 1));
}

TEST(EpollRefused, InterruptedReceiveAndSendGoOn) {
  Refusing kernel;
  TransportHost host(kKind, {.connections_max = 256}, &kernel);
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(2);
  kernel.receives = {-EINTR};
  kernel.sends = {-EINTR};
  peer.Write("x");
  ASSERT_TRUE(host.UntilPeerHas(peer, 1));
  ASSERT_TRUE(host.UntilSent(host.accepted[0]));
  EXPECT_EQ(host[0].sends, (std::vector<int>{0, 1}));
}

TEST(EpollRefused, SendThatIsWokenForNothingWaitsOn) {
  Refusing kernel;
  TransportHost host(kKind, {.connections_max = 256}, &kernel);
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(2);
  kernel.sends = {-EAGAIN, -EAGAIN};
  iovec piece = {const_cast<char*>("ab"), 2};
  host.transport_->Send(host.accepted[0], &piece, 1, SendMode::kWait);
  peer.Write("x");  // the event says that there is room, too
  ASSERT_TRUE(host.Until([&] { return host[0].in == "x"; }));
  EXPECT_TRUE(host[0].sends.empty());
  EXPECT_TRUE(kernel.sends.empty()) << "it was tried again";
  peer.Write("y");
  ASSERT_TRUE(host.UntilPeerHas(peer, 2));
  EXPECT_EQ(peer.in, "ab");
  EXPECT_EQ(host[0].sends, std::vector<int>{2});
}

TEST(EpollRefused, ReceiveErrorEndsTheReceive) {
  Refusing kernel;
  TransportHost host(kKind, {.connections_max = 256}, &kernel);
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(2);
  kernel.receives = {-ETIMEDOUT};
  peer.Write("x");
  ASSERT_TRUE(host.Until([&] { return host[0].receive_end.has_value(); }));
  EXPECT_EQ(host[0].receive_end, -ETIMEDOUT);
  peer.Write("more");
  host.Turns(3);
  EXPECT_EQ(host.Counter("receives"), 0u);
}

// Blocks.

// All blocks that the pool has.
class Taken {
 public:
  explicit Taken(TransportHost* host) : pool_(host->shard_.buffers()) {
    while (alloc::Block* block = pool_.AcquireReceive()) blocks_.push_back(block);
  }
  ~Taken() {
    while (!blocks_.empty()) ReleaseOne();
  }
  void ReleaseOne() {
    pool_.Release(blocks_.back());
    blocks_.pop_back();
  }

 private:
  alloc::BufferPool& pool_;
  std::vector<alloc::Block*> blocks_;
};

TEST(EpollStarved, ConnectionsGoOnInTheirOrderWhenBlocksReturn) {
  TransportHost host(kKind);
  host.echo = false;
  const Address at = host.Listen(0);
  Peer first = Connected(host, at), second = Connected(host, at), idle = Connected(host, at);
  host.Turns(2);
  Taken taken(&host);  // there is no spare one yet
  first.Write("first");
  ASSERT_TRUE(host.Until([&] { return host.Counter("receive_starved") == 1; }));
  second.Write("second");
  ASSERT_TRUE(host.Until([&] { return host.Counter("receive_starved") == 2; }));
  first.Write(" more");  // a further edge changes nothing
  const uint64_t waits = host.Counter("epoll_waits");
  host.Turns(5);
  EXPECT_EQ(host.Counter("receive_starved"), 2u) << "nobody spins";
  EXPECT_EQ(host.Counter("epoll_waits"), waits + 5);
  EXPECT_FALSE(host.transport_->ReadToEnd());

  host[0].hold = true;  // keeps the only block there is
  taken.ReleaseOne();
  const core::Nanos before = host.clock_.Now();
  host.shard_.RunTurn(10 * core::kNanosPerSecond);  // does not wait
  EXPECT_LT(host.clock_.Now() - before, 5 * core::kNanosPerSecond);
  ASSERT_EQ(host[0].out.size(), 1u);
  EXPECT_EQ(host[0].out[0].view(), "first more");
  EXPECT_EQ(host[1].in, "");
  {
    core::Shard::Enter enter(&host.shard_);
    host[0].out.clear();
  }
  host.shard_.RunTurn(10 * core::kNanosPerSecond);
  EXPECT_EQ(host[1].in, "second");
  EXPECT_TRUE(host.transport_->ReadToEnd());
}

TEST(EpollStarved, OneThatIsClosedOrNotReadTakesNoBlock) {
  TransportHost host(kKind);
  host.echo = false;
  const Address at = host.Listen(0);
  Peer a = Connected(host, at), b = Connected(host, at), c = Connected(host, at);
  host.Turns(2);
  std::optional<Taken> taken(std::in_place, &host);
  for (Peer* peer : {&a, &b, &c}) peer->Write("x");
  ASSERT_TRUE(host.Until([&] { return host.Counter("receive_starved") == 3; }));
  host.transport_->Abort(host.accepted[0]);
  host.transport_->SetReading(host.accepted[1], false);
  taken->ReleaseOne();
  host.Turns(3);
  EXPECT_EQ(host[2].in, "x");
  EXPECT_EQ(host[1].in, "");
  host.transport_->SetReading(host.accepted[1], true);
  host.Turns(2);
  EXPECT_EQ(host[1].in, "x");
  EXPECT_EQ(host.Counter("receives"), 2u);
}

TEST(EpollOpen, WithoutDescriptorsNamesTheLimit) {
  // Before the limit: UBSan looks at an object of a new type by way of a pipe.
  core::MonotonicClock clock;
  core::Shard shard({.id = 0, .clock = &clock});
  core::Shard::Enter enter(&shard);
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  const int top = dup(0);
  const rlimit low = {static_cast<rlim_t>(top), before.rlim_max};
  close(top);
  setrlimit(RLIMIT_NOFILE, &low);
  auto opened = MakeProvider(core::RealKernel(), kKind)->Open(&shard, nullptr, {});
  setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.status().ToString().find("ulimit -n"), std::string::npos) << opened.status().ToString();
}

}  // namespace
}  // namespace mooring::net::epoll
