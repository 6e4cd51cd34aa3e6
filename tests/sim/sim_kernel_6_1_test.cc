// SPDX-License-Identifier: Apache-2.0
// The simulated 6.1 kernel: each difference of RULES.md's list.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "core/uapi.h"
#include "tests/sim/machine.h"
#include "tests/sim/sim_kernel.h"

namespace mooring::sim {
namespace {

// A bare ring of the old kernel: core::Ring may refuse what it likes.
class OldRing {
 public:
  explicit OldRing(KernelAge age = KernelAge::k6_1) : kernel(1, &clock, Mood::kCalm, age) {
    io_uring_params params = {};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
                   IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    params.cq_entries = 1024;
    EXPECT_EQ(kernel.RingSetup(256, &params, &ring), 0);
    features = params.features;
    listener = kernel.ListenAsPeer("127.0.0.1:7000");
  }
  ~OldRing() { kernel.RingExit(&ring); }

  io_uring_sqe* Sqe(uint8_t opcode, int fd, uint64_t user_data) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    *sqe = {};
    sqe->opcode = opcode;
    sqe->fd = fd;
    sqe->user_data = user_data;
    ++queued;
    return sqe;
  }
  int Enter(unsigned min_complete = 0, unsigned flags = 0) {
    ring.sq.sqe_head = ring.sq.sqe_tail;
    __atomic_store_n(ring.sq.ktail, ring.sq.sqe_tail, __ATOMIC_RELEASE);
    __kernel_timespec none = {};
    return kernel.RingEnter(&ring, std::exchange(queued, 0), min_complete, IORING_ENTER_GETEVENTS | flags, &none);
  }
  std::vector<io_uring_cqe> Reap() {
    std::vector<io_uring_cqe> all;
    while (*ring.cq.khead != __atomic_load_n(ring.cq.ktail, __ATOMIC_ACQUIRE)) {
      all.push_back(ring.cq.cqes[*ring.cq.khead & ring.cq.ring_mask]);
      __atomic_store_n(ring.cq.khead, *ring.cq.khead + 1, __ATOMIC_RELEASE);
    }
    return all;
  }
  int Result(uint64_t user_data) {
    Enter();
    for (const io_uring_cqe& cqe : Reap()) {
      if (cqe.user_data == user_data) return cqe.res;
    }
    return 1 << 30;
  }
  int Connected(SimPeer** peer) {
    *peer = kernel.Connect("127.0.0.1:7000");
    kernel.network().DeliverAll();
    return kernel.Accept(listener);
  }

  core::ManualClock clock{core::kNanosPerSecond};
  SimKernel kernel;
  io_uring ring = {};
  uint32_t features = 0;
  unsigned queued = 0;
  int listener = -1;
};

TEST(SimKernel61, LacksWhatCameLater) {
  OldRing old;
  EXPECT_EQ(old.features & (core::uapi::kFeatRecvSendBundle | core::uapi::kFeatRwAttr | core::uapi::kFeatNoIowait), 0u);
  EXPECT_NE(old.features & IORING_FEAT_EXT_ARG, 0u);
  EXPECT_EQ(old.Enter(0, core::uapi::kEnterNoIowait), -EINVAL);

  SimPeer* peer = nullptr;
  const int fd = old.Connected(&peer);
  old.Sqe(IORING_OP_ACCEPT, old.listener, 1)->ioprio = core::uapi::kAcceptDontWait;
  EXPECT_EQ(old.Result(1), -EINVAL);
  old.Sqe(core::uapi::kOpFixedFdInstall, fd, 2);
  EXPECT_EQ(old.Result(2), -EINVAL);
  old.Sqe(IORING_OP_URING_CMD, fd, 3)->cmd_op = core::uapi::kSocketOutQueue;
  EXPECT_EQ(old.Result(3), -EOPNOTSUPP);
}

TEST(SimKernel61, OneRunsCompletionsComeNewestFirstAndAllOfThem) {
  for (const KernelAge age : {KernelAge::k6_1, KernelAge::k6_18}) {
    OldRing old(age);
    std::vector<SimPeer*> peers(40);
    std::vector<std::string> into(40, std::string(16, '\0'));
    for (uint64_t i = 0; i < peers.size(); ++i) {
      io_uring_sqe* sqe = old.Sqe(IORING_OP_RECV, old.Connected(&peers[i]), i);
      sqe->addr = reinterpret_cast<uint64_t>(into[i].data());
      sqe->len = 16;
    }
    old.Enter();
    for (SimPeer* peer : peers) {
      peer->Send("x");
      old.kernel.network().DeliverAll();
    }
    old.Enter();
    const std::vector<io_uring_cqe> all = old.Reap();
    if (age == KernelAge::k6_18) {
      ASSERT_EQ(all.size(), 20u);
      EXPECT_EQ(all[0].user_data, 0u);
      continue;
    }
    ASSERT_EQ(all.size(), 40u);
    for (uint64_t i = 0; i < 40; ++i) EXPECT_EQ(all[i].user_data, 39 - i);
  }
}

TEST(SimKernel61, AMultishotReceiveHasNoBound) {
  for (const KernelAge age : {KernelAge::k6_1, KernelAge::k6_18}) {
    OldRing old(age);
    SimPeer* peer = nullptr;
    const int fd = old.Connected(&peer);
    SimPeer* other = nullptr;
    std::string into(16, '\0');
    io_uring_sqe* one = old.Sqe(IORING_OP_RECV, old.Connected(&other), 2);
    one->addr = reinterpret_cast<uint64_t>(into.data());
    one->len = 16;
    constexpr unsigned kBlocks = 256;
    std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(4096, kBlocks * sizeof(io_uring_buf)),
                                                       &std::free);
    std::vector<char> blocks(kBlocks * 64);
    auto* group = static_cast<io_uring_buf_ring*>(memory.get());
    io_uring_buf_ring_init(group);
    io_uring_buf_reg registration = {};
    registration.ring_addr = reinterpret_cast<uint64_t>(group);
    registration.ring_entries = kBlocks;
    ASSERT_EQ(old.kernel.RingRegister(&old.ring, IORING_REGISTER_PBUF_RING, &registration, 1), 0);
    for (unsigned i = 0; i < kBlocks; ++i) {
      io_uring_buf_ring_add(group, &blocks[size_t{i} * 64], 64, static_cast<uint16_t>(i), kBlocks - 1,
                            static_cast<int>(i));
    }
    io_uring_buf_ring_advance(group, kBlocks);
    io_uring_sqe* sqe = old.Sqe(IORING_OP_RECV, fd, 1);
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->ioprio = IORING_RECV_MULTISHOT | IORING_RECVSEND_POLL_FIRST;
    old.Enter();
    const auto say = [&](SimPeer* from, size_t bytes) {
      from->Send(std::string(bytes, 'f'));
      old.kernel.network().DeliverAll();
    };
    say(age == KernelAge::k6_1 ? other : peer, age == KernelAge::k6_1 ? 1 : 200 * 64);  // the flood is to run first
    say(age == KernelAge::k6_1 ? peer : other, age == KernelAge::k6_1 ? 200 * 64 : 1);
    old.Enter();
    const std::vector<io_uring_cqe> all = old.Reap();
    EXPECT_EQ(all.size(), age == KernelAge::k6_1 ? 201u : 34u);
    EXPECT_EQ(all.back().user_data, 2u) << "the other one is served after the flood's batch";
  }
}

TEST(SimKernel61, ADirectCloseEndsTheConnectionASecondLater) {
  for (const KernelAge age : {KernelAge::k6_1, KernelAge::k6_18}) {
    OldRing old(age);
    io_uring_rsrc_register files = {};
    files.nr = 4;
    files.flags = IORING_RSRC_REGISTER_SPARSE;
    ASSERT_EQ(old.kernel.RingRegister(&old.ring, IORING_REGISTER_FILES2, &files, sizeof(files)), 0);
    SimPeer* peer = old.kernel.Connect("127.0.0.1:7000");
    old.kernel.network().DeliverAll();
    old.Sqe(IORING_OP_ACCEPT, old.listener, 1)->file_index = IORING_FILE_INDEX_ALLOC;
    ASSERT_EQ(old.Result(1), 0);
    old.Sqe(IORING_OP_CLOSE, 0, 2)->file_index = 1;
    EXPECT_EQ(old.Result(2), 0);
    old.kernel.network().DeliverAll();
    EXPECT_EQ(peer->saw_fin(), age == KernelAge::k6_18);
    old.clock.Set(old.clock.Now() + core::kNanosPerSecond);
    old.kernel.network().RunTimers();
    old.kernel.network().DeliverAll();
    EXPECT_TRUE(peer->saw_fin());
  }
}

}  // namespace
}  // namespace mooring::sim
