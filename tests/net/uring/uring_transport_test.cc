// SPDX-License-Identifier: Apache-2.0
// What only the io_uring transport has: the receive group, half-closes by an installed descriptor, the direct table, two
// ways to accept.
#include <gtest/gtest.h>

#include "tests/net/transport_host.h"

namespace mooring::net::uring {
namespace {

class UringTransportTest : public TransportSuite {
 protected:
  bool direct() const { return GetParam() == TransportKind::kUring; }
};
INSTANTIATE_TEST_SUITE_P(Kinds, UringTransportTest,
                         ::testing::Values(TransportKind::kUring, TransportKind::kUringBase), KindName);

TEST_P(UringTransportTest, StarvedConnectionsGoOnWhenLeasesReturn) {
  TransportHost host(GetParam());
  host.echo = false;
  const Address at = host.Listen(0);
  Peer greedy = Connected(host, at);
  Peer other = Connected(host, at);
  host[0].hold = true;
  // One small message at a time, so each takes a block; the pool has 8,192 receive blocks, the group at most 512.
  core::Shard& shard = host.shard_;
  std::vector<alloc::Block*> taken;
  while (alloc::Block* block = shard.buffers().AcquireReceive()) taken.push_back(block);
  for (int i = 0; i < 64; ++i) {
    ASSERT_EQ(greedy.Write("x"), 1u);
    ASSERT_TRUE(host.Until([&] { return host[0].out.size() == static_cast<size_t>(i + 1); }));
  }
  greedy.Write("y");
  other.Write("late");
  ASSERT_TRUE(host.Until([&] { return host.Counter("receive_starved") >= 2; }));
  host.Turns(5);
  EXPECT_EQ(host[1].in, "");
  EXPECT_FALSE(host.transport_->ReadToEnd());
  Peer idle = Connected(host, at);  // has sent nothing, so it needs no block
  host.Turns(5);
  EXPECT_EQ(host.Counter("receive_starved"), 2u);  // and nobody spins
  {
    core::Shard::Enter enter(&shard);
    host[0].out.clear();
    host[0].hold = false;
  }
  ASSERT_TRUE(host.Until([&] { return host[1].in == "late" && host[0].in == "y"; }));
  ASSERT_TRUE(host.Until([&] { return host.transport_->ReadToEnd(); }));
  EXPECT_GE(host.Counter("group_grown"), 1u);
  for (alloc::Block* block : taken) shard.buffers().Release(block);
}

TEST_P(UringTransportTest, HalfClosesSendOneFinEach) {
  for (const char* off : {"", "fd_install,registered_ring,no_iowait"}) {
    TransportHost host(GetParam(), {.connections_max = 256, .shards = 512, .features_off = off});  // one install at a time
    const Address at = host.Listen(0);
    std::vector<Peer> peers;
    for (int i = 0; i < 5; ++i) peers.push_back(Connected(host, at));
    for (const ConnId& id : host.accepted) host.transport_->ShutdownSend(id);
    for (Peer& peer : peers) {
      ASSERT_TRUE(host.UntilPeerEnds(peer));
      EXPECT_EQ(peer.end, 0);
    }
    ASSERT_TRUE(host.Until([&] {
      return std::all_of(host.accepted.begin(), host.accepted.end(), [&](ConnId id) { return host.Find(id)->shutdowns == 1; });
    }));
    peers[0].Write("still");
    ASSERT_TRUE(host.Until([&] { return host[0].in == "still"; }));
    EXPECT_EQ(host.Counter("half_closes"), 5u);  // plain descriptors need neither worker nor queue
    EXPECT_EQ(host.Counter("half_closes_by_worker"), direct() && *off != 0 ? 5u : 0u);
    EXPECT_EQ(host.Counter("half_closes_queued"), direct() && *off == 0 ? 4u : 0u);
  }
}

TEST_P(UringTransportTest, HalfCloseNeedsNoFreeDescriptor) {
  TransportHost host(GetParam());
  Peer peer = Connected(host, host.Listen(0));
  std::vector<int> fds;
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  const int top = dup(0);
  const rlimit low = {static_cast<rlim_t>(top), before.rlim_max};
  close(top);
  setrlimit(RLIMIT_NOFILE, &low);
  host.transport_->ShutdownSend(host.accepted[0]);
  EXPECT_TRUE(host.UntilPeerEnds(peer));
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(peer.end, 0);
  EXPECT_EQ(host.Counter("half_closes_by_worker"), direct() ? 1u : 0u);
}

TEST_P(UringTransportTest, ParksABurstOfAccepts) {
  TransportHost host(GetParam(), {.connections_max = 2048});
  const Address at = host.Listen(0, 256);
  std::vector<Peer> peers;
  for (int i = 0; i < 200; ++i) peers.emplace_back(at);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 200; }));
  EXPECT_GT(host.Counter("accepts_parked"), 0u);
}

TEST_P(UringTransportTest, AcceptsOneByOneInASmallTable) {
  TransportHost host(GetParam(), {.connections_max = 4});
  const Address at = host.Listen(0, 16);
  std::vector<Peer> peers;
  for (int i = 0; i < 4; ++i) peers.emplace_back(at);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 4; }));
  EXPECT_EQ(host.Counter("accepts_near"), 4u);
  EXPECT_EQ(host.Counter("group_out_of_order"), 0u);
}

TEST_P(UringTransportTest, CrossesBetweenTheModesWithoutLosingAnybody) {
  TransportHost host(GetParam(), {.connections_max = 64});
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

TEST(UringTransport, TableAboveTheDescriptorLimitNamesIt) {
  if (!Available(TransportKind::kUring)) GTEST_SKIP() << "SKIPPED: this kernel has no direct table worth using";
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
