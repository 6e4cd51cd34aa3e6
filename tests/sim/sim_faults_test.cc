// SPDX-License-Identifier: Apache-2.0
// What a fault leaves behind in the simulated kernel is what the real one would.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "core/ring.h"
#include "core/uapi.h"
#include "tests/sim/fault_plan.h"
#include "tests/sim/sim_kernel.h"

namespace mooring::sim {
namespace {

struct Bed {
  explicit Bed(KernelAge age = KernelAge::k6_18, Mood mood = Mood::kCalm) : kernel(1, &clock, mood, age) {
    ring = *core::Ring::Open(&kernel, {.sq_entries = 16, .cq_entries = 64, .features_off = {}});
    io_uring_rsrc_register files = {};
    files.nr = 8;
    files.flags = IORING_RSRC_REGISTER_SPARSE;
    EXPECT_EQ(ring->Register(IORING_REGISTER_FILES2, &files, sizeof(files)), 0);
    listener = kernel.ListenAsPeer("127.0.0.1:7000");
  }
  // The next call at `site` fails with `error`.
  void Once(FaultSite site, int error) {
    kernel.choices().SetFaults([this, site, error](const FaultPoint& at) {
      if (at.site != site) return 0;
      ++asked;
      return asked == 1 ? error : 0;
    });
    asked = 0;
  }
  SimPeer* Connect() {
    SimPeer* peer = kernel.Connect("127.0.0.1:7000");
    kernel.network().DeliverAll();
    return peer;
  }
  int Connected(SimPeer** peer) {
    *peer = Connect();
    return kernel.Accept(listener);
  }
  int Receive(int fd) { return kernel.Receive(fd, bytes, sizeof(bytes)); }
  int Send(int fd, std::string_view text) {
    const iovec piece = {const_cast<char*>(text.data()), text.size()};
    return kernel.Send(fd, &piece, 1);
  }
  io_uring_sqe* Sqe(uint8_t opcode, int fd, uint64_t user_data) {
    io_uring_sqe* sqe = ring->NextSqe();
    sqe->opcode = opcode;
    sqe->fd = fd;
    sqe->user_data = user_data;
    return sqe;
  }
  std::vector<io_uring_cqe> Enter() {
    std::vector<io_uring_cqe> all;
    ring->Enter(0, 0);
    ring->Reap([&](const io_uring_cqe& cqe) { all.push_back(cqe); });
    return all;
  }

  core::ManualClock clock{core::kNanosPerSecond};
  SimKernel kernel;
  std::unique_ptr<core::Ring> ring;
  int listener = -1;
  unsigned asked = 0;
  char bytes[64] = {};
};

TEST(SimFaults, NoMemoryLosesNoByte) {
  Bed bed;
  SimPeer* peer = nullptr;
  const int fd = bed.Connected(&peer);
  peer->Send("abc");
  bed.kernel.network().DeliverAll();
  bed.Once(FaultSite::kReceive, ENOMEM);
  EXPECT_EQ(bed.Receive(fd), -ENOMEM);
  EXPECT_TRUE(peer->faulted());
  EXPECT_EQ(bed.Receive(fd), 3);
  bed.Once(FaultSite::kSend, ENOMEM);
  EXPECT_EQ(bed.Send(fd, "x"), -ENOMEM);
  EXPECT_EQ(bed.Send(fd, "y"), 1);
  bed.kernel.network().DeliverAll();
  EXPECT_EQ(peer->received(), "y");
}

TEST(SimFaults, AResetIsOneBothSidesAndBehindTheBytes) {
  Bed bed;
  SimPeer* peer = nullptr;
  const int fd = bed.Connected(&peer);
  peer->Send("abc");
  bed.kernel.network().DeliverAll();
  bed.Once(FaultSite::kReceive, ECONNRESET);
  EXPECT_EQ(bed.Receive(fd), 3) << "what had come is still read";
  EXPECT_EQ(bed.Receive(fd), -ECONNRESET);
  EXPECT_EQ(bed.Receive(fd), 0);
  EXPECT_EQ(bed.Send(fd, "x"), -EPIPE);
  bed.kernel.network().DeliverAll();
  EXPECT_TRUE(peer->saw_reset());
}

// Backlog 0 holds one: a connection that breaks before its handshake is done leaves the place to the next.
TEST(SimFaults, AHalfOpenConnectionThatBreaksKeepsNobodyOut) {
  Bed bed;
  sockaddr_storage at;
  const socklen_t size = SimAddress::Parse("127.0.0.1:7001").ToSockaddr(AF_INET, &at);
  const auto* to = reinterpret_cast<const sockaddr*>(&at);
  const int listener = bed.kernel.Socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(bed.kernel.Bind(listener, to, size), 0);
  ASSERT_EQ(bed.kernel.Listen(listener, 0), 0);
  const int fd = bed.kernel.Socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(bed.kernel.Connect(fd, to, size), -EINPROGRESS);
  bed.kernel.network().DeliverOne();  // the SYN is answered, and the answer is not yet
  bed.Once(FaultSite::kReceive, ECONNRESET);
  EXPECT_EQ(bed.Receive(fd), -ECONNRESET);
  bed.kernel.Connect("127.0.0.1:7001");
  bed.kernel.network().DeliverAll();
  EXPECT_GE(bed.kernel.Accept(listener), 0);
}

TEST(SimFaults, AnArmedReceiveThatFindsTheEndIsToldOnce) {
  Bed bed;
  SimPeer* peer = nullptr;
  const int fd = bed.Connected(&peer);
  io_uring_sqe* sqe = bed.Sqe(IORING_OP_RECV, fd, 7);
  sqe->addr = reinterpret_cast<uint64_t>(bed.bytes);
  sqe->len = sizeof(bed.bytes);
  EXPECT_EQ(bed.Enter().size(), 0u);
  peer->HalfClose();
  bed.kernel.network().DeliverAll();
  bed.Once(FaultSite::kReceive, ECONNRESET);
  EXPECT_EQ(bed.Enter().size(), 1u);
  EXPECT_EQ(bed.Enter().size(), 0u) << "its own wake-up went with it";
  EXPECT_EQ(bed.kernel.last_entered()->in_flight(), 0u);
}

TEST(SimFaults, ASendFindsAnEnd) {
  for (const int error : {ECONNRESET, EPIPE, ETIMEDOUT}) {
    Bed bed;
    SimPeer* peer = nullptr;
    const int fd = bed.Connected(&peer);
    bed.Once(FaultSite::kSend, error);
    EXPECT_EQ(bed.Send(fd, "x"), -error);
    EXPECT_EQ(bed.Send(fd, "x"), -EPIPE);
    bed.kernel.network().DeliverAll();
    EXPECT_TRUE(peer->saw_reset());
    EXPECT_TRUE(peer->faulted());
  }
}

TEST(SimFaults, AcceptKeepsTheConnectionOrEndsIt) {
  for (const int error : {EMFILE, ENFILE, ENOMEM, ENOBUFS, ECONNABORTED}) {
    SCOPED_TRACE(strerrorname_np(error));
    Bed bed;
    SimPeer* peer = bed.Connect();
    bed.Once(FaultSite::kAccept, error);
    EXPECT_EQ(bed.kernel.Accept(bed.listener), -error);
    bed.kernel.network().DeliverAll();
    EXPECT_EQ(peer->ended(), error == ECONNABORTED);
    EXPECT_EQ(peer->faulted(), error == ECONNABORTED);
    const int fd = bed.kernel.Accept(bed.listener);
    EXPECT_EQ(fd == -EAGAIN, error == ECONNABORTED);
    EXPECT_EQ(fd >= 0, error != ECONNABORTED);
  }
}

TEST(SimFaults, ADirectAcceptLosesTheConnectionWithEnfile) {
  for (const int error : {ENFILE, ENOMEM, ECONNABORTED}) {
    SCOPED_TRACE(strerrorname_np(error));
    Bed bed;
    SimPeer* peer = bed.Connect();
    bed.Once(FaultSite::kAccept, error);
    bed.Sqe(IORING_OP_ACCEPT, bed.listener, 1)->file_index = IORING_FILE_INDEX_ALLOC;
    const auto done = bed.Enter();
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].res, -error);
    bed.kernel.network().DeliverAll();
    EXPECT_EQ(peer->ended(), error != ENOMEM);
  }
}

TEST(SimFaults, NobodyIsTakenFromAnEmptyQueue) {
  Bed bed;
  bed.Once(FaultSite::kAccept, ECONNABORTED);
  EXPECT_EQ(bed.kernel.Accept(bed.listener), -EAGAIN);
}

TEST(SimFaults, AnEnterThatFindsNoMemoryTakesAFewEntries) {
  Bed bed;
  for (uint64_t i = 1; i <= 4; ++i) bed.Sqe(IORING_OP_NOP, -1, i);
  bed.Once(FaultSite::kRingEnter, EAGAIN);
  EXPECT_EQ(bed.Enter().size(), 0u);
  EXPECT_EQ(bed.ring->SubmissionsWaiting(), 4u);
  EXPECT_EQ(bed.Enter().size(), 4u);
}

TEST(SimFaults, ASignalEndsOnlyASleep) {
  Bed bed;
  bed.Sqe(IORING_OP_NOP, -1, 1);
  bed.Once(FaultSite::kRingEnter, EINTR);
  bed.ring->Enter(1, core::kNanosPerSecond);
  EXPECT_FALSE(bed.kernel.last_wait()->asleep()) << "something came";
  EXPECT_TRUE(bed.ring->CompletionsReady());
  bed.ring->Reap([](const io_uring_cqe&) {});
  bed.Once(FaultSite::kRingEnter, EINTR);
  bed.ring->Enter(1, core::kNanosPerSecond);
  EXPECT_EQ(bed.asked, 1u);
  EXPECT_FALSE(bed.kernel.last_wait()->asleep());
  bed.ring->Enter(1, core::kNanosPerSecond);
  EXPECT_TRUE(bed.kernel.last_wait()->asleep());
  bed.Once(FaultSite::kRingEnter, EBUSY);
  bed.ring->Enter(1, core::kNanosPerSecond);
  EXPECT_TRUE(bed.kernel.last_wait()->asleep()) << "only 6.1 says that";
}

TEST(SimFaults, SomeSeedsCancelTooLate) {
  unsigned late = 0, in_time = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    core::ManualClock clock{core::kNanosPerSecond};
    SimKernel kernel(seed, &clock);
    const auto ring = *core::Ring::Open(&kernel, {.sq_entries = 16, .cq_entries = 64, .features_off = {}});
    const int event = kernel.EventFd();
    uint64_t value = 0;
    io_uring_sqe* sqe = ring->NextSqe();
    io_uring_prep_read(sqe, event, &value, sizeof(value), 0);
    sqe->user_data = 7;
    ring->Enter(0, 0);
    kernel.Signal(event);
    sqe = ring->NextSqe();
    io_uring_prep_cancel64(sqe, 7, 0);
    sqe->user_data = 8;
    ring->Enter(0, 0);
    int read = 0, cancel = 1;
    ring->Reap([&](const io_uring_cqe& cqe) { (cqe.user_data == 7 ? read : cancel) = cqe.res; });
    const bool was_late = read == 8;
    EXPECT_EQ(cancel, was_late ? -ENOENT : 0);
    EXPECT_EQ(read, was_late ? 8 : -ECANCELED);
    (was_late ? late : in_time) += 1;
  }
  EXPECT_GT(late, 5u);
  EXPECT_GT(in_time, 100u);
}

TEST(FaultPlan, KeepsItsBudgetAndItsOffSwitch) {
  core::ManualClock clock{core::kNanosPerSecond};
  SimKernel kernel(3, &clock);
  {
    FaultPlan plan(&kernel.choices(), {{FaultSite::kEventFd, 1000}}, 3);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(kernel.EventFd() < 0, i < 3);
    EXPECT_EQ(plan.injected(), 3u);
    EXPECT_EQ(plan.injected(FaultSite::kEventFd), 3u);
    EXPECT_EQ(plan.injected(FaultSite::kSend), 0u);
    EXPECT_EQ(plan.ToString().substr(0, 8), "eventfd ");
  }
  FaultPlan plan(&kernel.choices(), {{FaultSite::kEventFd, 1000}}, 100);
  plan.Off();
  EXPECT_GE(kernel.EventFd(), 0);
  plan.On();
  EXPECT_LT(kernel.EventFd(), 0);
  EXPECT_GE(kernel.EpollCreate(), 0) << "no rate, no fault";
}

TEST(FaultPlan, EverySiteHasErrorsAndTheRatesAreMet) {
  for (size_t i = 0; i < FaultPlan::kSites; ++i) {
    EXPECT_NE(FaultPlan::Name(static_cast<FaultSite>(i)), nullptr) << i;
    EXPECT_FALSE(FaultPlan::Errors(static_cast<FaultSite>(i)).empty()) << i;
  }
  Choices choices(5);
  FaultPlan plan(&choices, {{FaultSite::kSend, 100}}, 1'000'000);
  for (int i = 0; i < 10'000; ++i) choices.Fault(FaultSite::kSend);
  EXPECT_GT(plan.injected(), 850u);
  EXPECT_LT(plan.injected(), 1150u);
}

}  // namespace
}  // namespace mooring::sim
