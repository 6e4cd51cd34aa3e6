// SPDX-License-Identifier: Apache-2.0
// Which personality runs when, and what the base one does differently: fairness by one block a turn, plain descriptors
// that nobody else is given too early and that do not outlive the transport.
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <liburing.h>

#include <algorithm>
#include <set>

#include "core/uapi.h"
#include "net/uring/provider.h"
#include "tests/core/forwarding_kernel.h"
#include "tests/net/transport_host.h"

namespace mooring::net::uring {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The real kernel without the features of 6.14, and, if a test wishes, without operations or descriptors.
class Older final : public core::ForwardingKernel {
 public:
  int RingSetup(unsigned entries, io_uring_params* params, io_uring* ring) override {
    const int result = ForwardingKernel::RingSetup(entries, params, ring);
    params->features &= ~(core::uapi::kFeatRecvSendBundle | core::uapi::kFeatNoIowait);
    return result;
  }
  int RingRegister(io_uring* ring, unsigned opcode, void* arg, unsigned count) override {
    const int result = ForwardingKernel::RingRegister(ring, opcode, arg, count);
    if (opcode == IORING_REGISTER_PROBE && opcode_hidden != 0) {
      static_cast<io_uring_probe*>(arg)->ops[opcode_hidden].flags = 0;
    }
    return result;
  }
  int Accept(int fd) override {
    if (accept_error != 0) return accept_error;
    return ForwardingKernel::Accept(fd);
  }

  uint8_t opcode_hidden = 0;
  int accept_error = 0;
};

absl::StatusOr<std::unique_ptr<Transport>> Open(core::Kernel* kernel, TransportKind kind, const char* off = "") {
  static core::MonotonicClock clock;
  static core::Shard shard({.id = 0, .clock = &clock});
  core::Shard::Enter enter(&shard);
  return UringProvider(kernel, kind).Open(&shard, nullptr, {.features_off = off});
}

std::set<int> OpenDescriptors() {
  std::set<int> found;
  DIR* directory = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(directory)) {
    const int fd = atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != dirfd(directory)) found.insert(fd);
  }
  closedir(directory);
  return found;
}

class PersonalityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Available(TransportKind::kUringBase)) GTEST_SKIP() << "SKIPPED: no io_uring here";
    modern_ = Available(TransportKind::kUring);
  }
  bool modern_ = false;
};

TEST_F(PersonalityTest, AnOlderKernelGetsTheBaseOneAndRefusesTheOther) {
  Older kernel;
  EXPECT_EQ(*ProbeUring(&kernel), TransportKind::kUringBase);
  auto base = Open(&kernel, TransportKind::kUringBase);
  ASSERT_TRUE(base.ok()) << base.status().ToString();
  EXPECT_EQ((*base)->Describe(), "io_uring-base: registered_ring");
  const absl::Status status = Open(&kernel, TransportKind::kUring).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("--transport=io_uring-base"), HasSubstr("6.14 or newer")));
}

TEST_F(PersonalityTest, ANewKernelHasBothAndModernCanBeSwitchedOff) {
  if (!modern_) GTEST_SKIP() << "SKIPPED: this kernel is older than 6.14";
  EXPECT_EQ(*ProbeUring(core::RealKernel()), TransportKind::kUring);
  EXPECT_EQ(*ProbeUring(core::RealKernel(), "no_iowait,modern"), TransportKind::kUringBase);
  EXPECT_THAT((*Open(core::RealKernel(), TransportKind::kUring))->Describe(), HasSubstr("io_uring: modern"));
  EXPECT_EQ((*Open(core::RealKernel(), TransportKind::kUringBase, "no_iowait"))->Describe(),
            "io_uring-base: registered_ring");
  const absl::Status status = Open(core::RealKernel(), TransportKind::kUring, "modern").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--transport=io_uring-base"));
}

TEST_F(PersonalityTest, AKernelWithoutTheOperationsIsRefusedAndEpollNamed) {
  Older kernel;
  kernel.opcode_hidden = IORING_OP_RECV;
  for (const absl::Status& status :
       {ProbeUring(&kernel).status(), Open(&kernel, TransportKind::kUringBase).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("operation 27"), HasSubstr("--transport=epoll")));
  }
  EXPECT_EQ(core::Shard::Current(), nullptr);
}

class BaseTest : public PersonalityTest {
 protected:
  static constexpr TransportKind kKind = TransportKind::kUringBase;
};

TEST_F(BaseTest, AFloodingPeerGetsOneBlockATurnLikeAnyOther) {
  TransportHost host(kKind);
  host.echo = false;
  const Address at = host.Listen(0);
  Peer flood = Connected(host, at), modest = Connected(host, at);
  ASSERT_GT(flood.Write(Pattern(1'000'000)), 400'000u);
  modest.Write("x");
  host.Turns(1);
  EXPECT_LE(host[0].in.size(), alloc::BufferPool::kReceiveBlockBytes);
  EXPECT_EQ(host[1].in, "x");
  for (int turn = 0; turn < 20; ++turn) {
    const size_t before = host[0].in.size();
    modest.Write("y");
    host.Turns(1);
    EXPECT_GT(host[0].in.size(), before);  // armed again in the same batch
    EXPECT_LE(host[0].in.size() - before, alloc::BufferPool::kReceiveBlockBytes);
    EXPECT_EQ(host[1].in.size(), 2u + static_cast<size_t>(turn));
    EXPECT_FALSE(host.transport_->ReadToEnd());
  }
  ASSERT_TRUE(host.Until([&] { return host.transport_->ReadToEnd(); }));
  const size_t all = host[0].in.size();
  host.Turns(5);
  EXPECT_EQ(host[0].in.size(), all);  // ReadToEnd meant it
}

TEST_F(BaseTest, ATurnOfTheRingCostsOneEnter) {
  TransportHost host(kKind);
  Peer peer = Connected(host, host.Listen(0));
  host.Turns(3);
  const uint64_t before = host.Counter("ring_enters");
  for (int i = 0; i < 50; ++i) {
    peer.Write("x");
    host.Turns(1);
  }
  EXPECT_EQ(host.Counter("ring_enters") - before, 50u);
  ASSERT_TRUE(host.UntilPeerHas(peer, 50));
}

TEST_F(BaseTest, FullDescriptorTableLeavesPeersInTheBacklogUntilItIsRaised) {
  TransportHost host(kKind);
  const Address at = host.Listen(0);
  Peer early = Connected(host, at);
  host.transport_->SetAcceptMode(0, AcceptMode::kStopped);  // an armed accept goes by the limit at its arming
  host.Turns(3);
  Peer late(at);  // its own descriptor comes before the limit
  const int top = dup(0);
  close(top);
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit low = {static_cast<rlim_t>(top), before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &low);
  host.transport_->SetAcceptMode(0, AcceptMode::kRoomy);
  EXPECT_TRUE(host.Until([&] { return !host.accept_errors.empty(); }));
  host.Turns(5);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(host.accept_errors, std::vector<int>{EMFILE});  // it waits to be told, and does not spin
  EXPECT_EQ(host.Counter("accept_table_full"), 0u);
  late.Write("kept");
  host.Turns(5);
  EXPECT_EQ(host.accepted.size(), 1u);
  host.transport_->SetAcceptMode(0, AcceptMode::kRoomy);
  ASSERT_TRUE(host.UntilPeerHas(late, 4));
  EXPECT_EQ(late.in, "kept");
}

TEST_F(BaseTest, NearABoundAcceptErrorsGiveBackWhatWasTaken) {
  Older kernel;
  TransportHost host(kKind, {.connections_max = 8}, &kernel);
  host.mode = AcceptMode::kNear;
  host.credit = 8;
  const Address at = host.Listen(0);
  kernel.accept_error = -EMFILE;
  Peer peer(at);
  ASSERT_TRUE(host.Until([&] { return !host.accept_errors.empty(); }));
  EXPECT_EQ(host.accept_errors, std::vector<int>{EMFILE});
  EXPECT_EQ(host.credit, 8);
  kernel.accept_error = -ECONNABORTED;
  host.transport_->SetAcceptMode(0, AcceptMode::kNear);
  ASSERT_TRUE(host.Until([&] { return host.Counter("accept_transient") > 0; }));
  kernel.accept_error = 0;
  std::vector<Peer> peers;
  for (int i = 0; i < 7; ++i) peers.emplace_back(at);
  ASSERT_TRUE(host.Until([&] { return host.accepted.size() == 8; }));  // the bound is whole
  EXPECT_EQ(host.credits_spent, 8);
  EXPECT_EQ(host.credit, 0);
}

TEST_F(BaseTest, ANumberIsNotUsedAgainBeforeItsEntriesHaveRun) {
  // Connections are aborted and closed in the same turn in which new ones are accepted by accept4(2), which takes the
  // lowest free number at once: if CLOSE ran early, a CONNECT to AF_UNSPEC would hit a newcomer.
  TransportHost host(kKind, {.connections_max = 12});
  const Address at = host.Listen(0, 8);
  std::vector<Peer> peers;
  size_t served = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 4; ++i) peers.emplace_back(at);
    ASSERT_TRUE(host.Until([&] { return host.accepted.size() == peers.size(); }));
    for (size_t i = served; i < peers.size(); ++i) peers[i].Write("x");
    for (size_t i = served; i < peers.size(); ++i) {
      ASSERT_TRUE(host.UntilPeerHas(peers[i], 1));
      ASSERT_EQ(peers[i].in, "x") << i;
      if (i % 2 == 0) {
        host.transport_->Abort(host.accepted[i]);
      } else {
        ASSERT_TRUE(host.UntilSent(host.accepted[i]));
        host.transport_->Close(host.accepted[i]);
      }
    }
    served = peers.size();
  }
  for (size_t i = 0; i < peers.size(); ++i) {
    ASSERT_TRUE(host.UntilPeerEnds(peers[i]));
    EXPECT_EQ(*peers[i].end, i % 2 == 0 ? ECONNRESET : 0) << i;
  }
  EXPECT_EQ(host.Counter("close_errors"), 0u);
  EXPECT_EQ(host.Counter("abort_fallbacks"), 0u);
}

TEST_F(BaseTest, NoDescriptorOutlivesTheTransport) {
  const std::set<int> before = OpenDescriptors();
  std::vector<Peer> peers;
  std::set<int> ours;
  {
    TransportHost host(kKind);
    const Address at = host.Listen(0);
    for (int i = 0; i < 20; ++i) peers.push_back(Connected(host, at));
    for (int i = 0; i < 5; ++i) host.transport_->Abort(host.accepted[i]);  // their CLOSE is queued, not submitted
  }
  for (const Peer& peer : peers) ours.insert(peer.fd());
  for (const int fd : OpenDescriptors()) EXPECT_TRUE(before.count(fd) == 1 || ours.count(fd) == 1) << fd;
  for (Peer& peer : peers) {
    pollfd readable = {peer.fd(), POLLIN, 0};
    ASSERT_EQ(poll(&readable, 1, 2000), 1);
    peer.Read();
    EXPECT_TRUE(peer.end.has_value());
  }
}

// Both personalities: a receive that is armed behind bytes and a reset tells both.
class ResetBehindBytesTest : public TransportSuite {};
INSTANTIATE_TEST_SUITE_P(Kinds, ResetBehindBytesTest, ::testing::ValuesIn(kTestedKinds), KindName);

TEST_P(ResetBehindBytesTest, IsSeenWhenReadingIsSwitchedOn) {
  TransportHost host(GetParam());
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  host.transport_->SetReading(host.accepted[0], false);
  host.Turns(3);
  peer.Write("last words");
  peer.Reset();
  host.Turns(3);
  EXPECT_EQ(host[0].in, "");
  host.transport_->SetReading(host.accepted[0], true);
  ASSERT_TRUE(host.Until([&] { return host[0].receive_end.has_value(); }));
  EXPECT_EQ(host[0].in, "last words");
  EXPECT_EQ(host[0].receive_end, -ECONNRESET);
}

TEST_P(ResetBehindBytesTest, IsSeenOfAPeerThatWasResetInTheBacklog) {
  TransportHost host(GetParam());
  host.echo = false;
  host.mode = AcceptMode::kStopped;
  const Address at = host.Listen(0);
  Peer peer(at);
  peer.Write("last words");
  peer.Reset();
  host.transport_->SetAcceptMode(0, AcceptMode::kRoomy);
  ASSERT_TRUE(host.Until([&] { return !host.accepted.empty() && host[0].receive_end.has_value(); }));
  EXPECT_EQ(host[0].in, "last words");
  EXPECT_EQ(host[0].receive_end, -ECONNRESET);
}

TEST_P(ResetBehindBytesTest, MoreThanOneBlockArrivesBeforeIt) {
  TransportHost host(GetParam());
  host.echo = false;
  Peer peer = Connected(host, host.Listen(0));
  host.transport_->SetReading(host.accepted[0], false);
  host.Turns(3);
  const std::string bytes = Pattern(100'000);
  ASSERT_EQ(peer.Write(bytes), bytes.size());
  peer.Reset();
  host.transport_->SetReading(host.accepted[0], true);
  ASSERT_TRUE(host.Until([&] { return host[0].receive_end.has_value(); }));
  EXPECT_TRUE(host[0].in == bytes.substr(0, host[0].in.size()));
  EXPECT_GT(host[0].in.size(), alloc::BufferPool::kReceiveBlockBytes);
  EXPECT_EQ(host[0].receive_end, -ECONNRESET);
}

}  // namespace
}  // namespace mooring::net::uring
