// SPDX-License-Identifier: Apache-2.0
#include "core/ring.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <liburing.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <string>
#include <vector>

#include "core/uapi.h"
#include "tests/core/forwarding_kernel.h"

namespace mooring::core {
namespace {

using ::testing::HasSubstr;

// The real kernel, with the four ring calls open to a test's wishes.
class Bent final : public ForwardingKernel {
 public:
  int RingSetup(unsigned entries, io_uring_params* params, io_uring* ring) override {
    if (setup_error != 0) return setup_error;
    const int result = ForwardingKernel::RingSetup(entries, params, ring);
    params->features &= ~features_hidden;
    return result;
  }
  void RingExit(io_uring* ring) override {
    ++exits;
    ForwardingKernel::RingExit(ring);
  }
  int RingEnter(io_uring* ring, unsigned to_submit, unsigned min_complete, unsigned flags,
                __kernel_timespec* timeout) override {
    last_min_complete = min_complete;
    last_flags = flags;
    last_timeout = timeout == nullptr ? -1 : timeout->tv_sec * kNanosPerSecond + timeout->tv_nsec;
    if (!enter_errors.empty()) {
      const int error = enter_errors.front();
      enter_errors.pop_front();
      return error;
    }
    return ForwardingKernel::RingEnter(ring, std::min(to_submit, submit_max), min_complete, flags, timeout);
  }
  int RingRegister(io_uring* ring, unsigned opcode, void* arg, unsigned count) override {
    if (opcode == IORING_REGISTER_RING_FDS) ++registered;
    if (opcode == IORING_UNREGISTER_RING_FDS) ++unregistered;
    const bool probe = opcode == IORING_REGISTER_PROBE;
    if (probe && probe_error != 0) return probe_error;
    const int result = ForwardingKernel::RingRegister(ring, opcode, arg, count);
    if (probe && opcode_hidden >= 0) static_cast<io_uring_probe*>(arg)->ops[opcode_hidden].flags = 0;
    return result;
  }

  int setup_error = 0;
  unsigned features_hidden = 0;
  int probe_error = 0;
  int opcode_hidden = -1;
  std::deque<int> enter_errors;  // answered first, with nothing done
  unsigned submit_max = ~0u;
  unsigned last_min_complete = 0;
  unsigned last_flags = 0;
  Nanos last_timeout = 0;
  int registered = 0;
  int unregistered = 0;
  int exits = 0;
};

const Ring::Options kSmall = {.sq_entries = 4, .cq_entries = 8};

class RingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto ring = Ring::Open(RealKernel(), {.sq_entries = 4, .cq_entries = 8});
    if (!ring.ok()) GTEST_SKIP() << "no io_uring to test with: " << ring.status();
  }
  std::unique_ptr<Ring> Open(const Ring::Options& options) {
    auto ring = Ring::Open(&kernel_, options);
    EXPECT_TRUE(ring.ok()) << ring.status();
    return ring.ok() ? *std::move(ring) : nullptr;
  }
  static void Nop(Ring* ring, uint64_t id) {
    io_uring_sqe* sqe = ring->NextSqe();
    ASSERT_NE(sqe, nullptr);
    for (const char byte : std::string(reinterpret_cast<char*>(sqe), sizeof(*sqe))) ASSERT_EQ(byte, 0);
    io_uring_prep_nop(sqe);
    sqe->user_data = id;
  }
  // Enters and reaps until `count` completions have come; their user_data in order.
  static std::vector<uint64_t> Take(Ring* ring, size_t count) {
    std::vector<uint64_t> got;
    for (int i = 0; i < 10'000 && got.size() < count; ++i) {
      ring->Enter(1, kNanosPerSecond);
      ring->Reap([&](const io_uring_cqe& cqe) {
        EXPECT_EQ(cqe.res, 0);
        got.push_back(cqe.user_data);
      });
    }
    return got;
  }
  static void ExpectInOrder(const std::vector<uint64_t>& got, size_t count) {
    ASSERT_EQ(got.size(), count);
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(got[i], i);
  }

  Bent kernel_;
};

TEST_F(RingTest, NopsCompleteInOrder) {
  auto ring = Open({.sq_entries = 64, .cq_entries = 128});
  for (uint64_t i = 0; i < 50; ++i) Nop(ring.get(), i);
  EXPECT_EQ(ring->SubmissionsWaiting(), 50u);
  EXPECT_FALSE(ring->CompletionsReady());
  ExpectInOrder(Take(ring.get(), 50), 50);
  EXPECT_EQ(ring->SubmissionsWaiting(), 0u);
  EXPECT_EQ(ring->counters().Read(RingCount::kSubmitted), 50u);
  EXPECT_EQ(ring->counters().Read(RingCount::kCompletions), 50u);
  EXPECT_EQ(ring->counters().Read(RingCount::kSqFull), 0u);
  EXPECT_EQ(ring->counters().Read(RingCount::kEnterRetries), 0u);
  EXPECT_GE(ring->memory_bytes(), 64 * 64 + 128 * 16u);
}

TEST_F(RingTest, AFullSubmissionQueueLosesNothingAndIsCounted) {
  auto ring = Open({.sq_entries = 4, .cq_entries = 1'024});
  for (uint64_t i = 0; i < 500; ++i) Nop(ring.get(), i);
  ExpectInOrder(Take(ring.get(), 500), 500);
  EXPECT_EQ(ring->counters().Read(RingCount::kSqFull), 124u);
  EXPECT_EQ(ring->counters().Read(RingCount::kSubmitted), 500u);
  EXPECT_EQ(ring->counters().Read(RingCount::kCqOverflow), 0u);
}

TEST_F(RingTest, AnOverflownCompletionQueueLosesNothingAndIsCounted) {
  auto ring = Open(kSmall);
  for (uint64_t i = 0; i < 500; ++i) Nop(ring.get(), i);
  EXPECT_TRUE(ring->Overflown());
  EXPECT_TRUE(ring->WorkPending());
  ExpectInOrder(Take(ring.get(), 500), 500);
  EXPECT_GT(ring->counters().Read(RingCount::kCqOverflow), 0u);
  EXPECT_EQ(ring->counters().Read(RingCount::kCompletions), 500u);
  EXPECT_FALSE(ring->Overflown());
}

TEST_F(RingTest, SubmissionsTheKernelRefusesWaitInOrder) {
  auto ring = Open(kSmall);
  for (int error : {-EBUSY, -EAGAIN, -EINTR}) kernel_.enter_errors.push_back(error);
  for (uint64_t i = 0; i < 4; ++i) Nop(ring.get(), i);
  for (uint64_t i = 4; i < 30; ++i) Nop(ring.get(), i);  // the first of these enters in vain, the rest line up
  EXPECT_EQ(ring->SubmissionsWaiting(), 30u);
  ring->Enter(0, 0);
  ring->Enter(0, 0);
  EXPECT_EQ(ring->SubmissionsWaiting(), 30u);
  EXPECT_EQ(ring->counters().Read(RingCount::kEnterRetries), 3u);
  EXPECT_EQ(ring->counters().Read(RingCount::kSubmitted), 0u);
  ExpectInOrder(Take(ring.get(), 30), 30);
  EXPECT_EQ(ring->SubmissionsWaiting(), 0u);
}

TEST_F(RingTest, APartlyTakenQueueIsSubmittedToTheEnd) {
  auto ring = Open({.sq_entries = 16, .cq_entries = 32});
  for (uint64_t i = 0; i < 16; ++i) Nop(ring.get(), i);
  kernel_.submit_max = 5;
  ring->Enter(0, 0);
  EXPECT_EQ(ring->SubmissionsWaiting(), 11u);
  kernel_.submit_max = 3;
  ExpectInOrder(Take(ring.get(), 16), 16);
  EXPECT_EQ(ring->counters().Read(RingCount::kSubmitted), 16u);
}

TEST_F(RingTest, WithSubmissionsLinedUpItDoesNotWait) {
  auto ring = Open(kSmall);
  kernel_.enter_errors = {-EBUSY};
  for (uint64_t i = 0; i < 10; ++i) Nop(ring.get(), i);
  ring->Enter(1, kNanosPerSecond);
  EXPECT_EQ(kernel_.last_timeout, 0);
  ExpectInOrder(Take(ring.get(), 10), 10);
}

TEST_F(RingTest, WhatIsLinedUpGoesOutThoughEachTurnAddsToIt) {
  auto ring = Open({.sq_entries = 1, .cq_entries = 64});
  kernel_.enter_errors = {-EBUSY};
  for (uint64_t i = 0; i < 5; ++i) Nop(ring.get(), i);
  EXPECT_EQ(ring->SubmissionsWaiting(), 5u);
  Nop(ring.get(), 5);
  ring->Enter(0, 0);
  EXPECT_EQ(ring->SubmissionsWaiting(), 0u);
  ExpectInOrder(Take(ring.get(), 6), 6);
}

TEST_F(RingTest, EntriesMayBeTakenWhileReaping) {
  auto ring = Open(kSmall);
  for (uint64_t i = 0; i < 4; ++i) Nop(ring.get(), i);
  std::vector<uint64_t> got;
  for (int turn = 0; turn < 1'000 && got.size() < 400; ++turn) {
    ring->Enter(1, kNanosPerSecond);
    ring->Reap([&](const io_uring_cqe& cqe) {
      got.push_back(cqe.user_data);
      if (cqe.user_data < 396) Nop(ring.get(), cqe.user_data + 4);  // each of the four breeds the next
    });
  }
  ExpectInOrder(got, 400);
}

TEST_F(RingTest, AWaitEndsAtItsTimeout) {
  auto ring = Open(kSmall);
  ring->Enter(1, 2 * kNanosPerMs);
  EXPECT_EQ(kernel_.last_min_complete, 1u);
  EXPECT_EQ(kernel_.last_timeout, 2 * kNanosPerMs);
  EXPECT_EQ(ring->Reap([](const io_uring_cqe&) {}), 0u);
  EXPECT_EQ(ring->counters().Read(RingCount::kEnters), 1u);
  EXPECT_EQ(ring->counters().Read(RingCount::kEnterRetries), 0u);  // the ordinary end
  ring->Enter(1, 2 * kNanosPerSecond - kNanosPerSecond - 1);       // seconds and nanoseconds are told apart
  EXPECT_EQ(kernel_.last_timeout, kNanosPerSecond - 1);
}

TEST_F(RingTest, WithoutATimeoutItWaitsForACompletionOnly) {
  auto ring = Open(kSmall);
  Nop(ring.get(), 0);
  ring->Enter(1, -1);
  EXPECT_EQ(kernel_.last_timeout, -1);
  EXPECT_TRUE(ring->CompletionsReady());
}

TEST_F(RingTest, TimeoutZeroDoesNotWait) {
  auto ring = Open(kSmall);
  ring->Enter(0, 0);
  EXPECT_EQ(kernel_.last_min_complete, 0u);
  ring->Enter(1, 0);
  EXPECT_EQ(kernel_.last_timeout, 0);
  EXPECT_FALSE(ring->CompletionsReady());
}

TEST_F(RingTest, EveryEnterAsksForEvents) {
  auto ring = Open(kSmall);
  for (Nanos timeout : {Nanos{0}, kNanosPerMs}) {
    ring->Enter(0, timeout);
    EXPECT_TRUE(kernel_.last_flags & IORING_ENTER_GETEVENTS);
  }
}

TEST_F(RingTest, FeaturesAreWhatTheKernelSays) {
  io_uring raw;
  io_uring_params params = {};
  ASSERT_EQ(io_uring_queue_init_params(4, &raw, &params), 0);
  io_uring_queue_exit(&raw);
  auto ring = Open(kSmall);
  EXPECT_EQ(ring->features().modern, (params.features >> 16 & 1) != 0);
  EXPECT_EQ(ring->features().no_iowait, (params.features >> 17 & 1) != 0);
  EXPECT_EQ(ring->features().registered_ring, kernel_.registered == 1);
  ring->Enter(0, 0);
  EXPECT_EQ((kernel_.last_flags & uapi::kEnterNoIowait) != 0, ring->features().no_iowait);
  EXPECT_EQ((kernel_.last_flags & IORING_ENTER_REGISTERED_RING) != 0, ring->features().registered_ring);
}

TEST_F(RingTest, AKernelWithoutNoIowaitIsNotAskedForIt) {
  kernel_.features_hidden = uapi::kFeatNoIowait;
  auto ring = Open(kSmall);
  EXPECT_FALSE(ring->features().no_iowait);
  Nop(ring.get(), 0);
  ExpectInOrder(Take(ring.get(), 1), 1);
  EXPECT_EQ(kernel_.last_flags & uapi::kEnterNoIowait, 0u);
}

TEST_F(RingTest, EachFeatureForcedOffLeavesARingThatWorks) {
  for (const char* off : {"no_iowait", "registered_ring", "fd_install", "no_iowait,registered_ring,fd_install", "modern"}) {
    auto ring = Open({.sq_entries = 4, .cq_entries = 8, .features_off = off});
    ASSERT_NE(ring, nullptr);
    EXPECT_FALSE(std::string(off).find("no_iowait") != std::string::npos && ring->features().no_iowait) << off;
    EXPECT_FALSE(std::string(off).find("registered") != std::string::npos && ring->features().registered_ring) << off;
    EXPECT_FALSE(std::string(off).find("install") != std::string::npos && ring->features().fd_install) << off;
    for (uint64_t i = 0; i < 20; ++i) Nop(ring.get(), i);
    ExpectInOrder(Take(ring.get(), 20), 20);
    EXPECT_EQ((kernel_.last_flags & uapi::kEnterNoIowait) != 0, ring->features().no_iowait) << off;
    EXPECT_EQ((kernel_.last_flags & IORING_ENTER_REGISTERED_RING) != 0, ring->features().registered_ring) << off;
  }
  EXPECT_EQ(kernel_.exits, 5);
  EXPECT_EQ(kernel_.registered, kernel_.unregistered);
}

TEST_F(RingTest, ARefusedOpenClosesItsRingAndUnregistersNobodys) {
  const Ring::Options options = {.sq_entries = 4, .cq_entries = 8, .features_off = "bundles"};
  const absl::Status status = Ring::Open(&kernel_, options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("bundles"));
  EXPECT_EQ(kernel_.exits, 1);
  EXPECT_EQ(kernel_.unregistered, 0);
}

// Otherwise one idle connection keeps every later one from its FIN.
TEST_F(RingTest, ModernFreesAClosedDirectDescriptorWhileAnotherHasARequest) {
  auto ring = Open(kSmall);
  if (!ring->features().modern) GTEST_SKIP() << "SKIPPED: this kernel is older than 6.14";
  int idle[2];
  int closed[2];
  ASSERT_EQ(pipe2(idle, O_CLOEXEC | O_NONBLOCK), 0);
  ASSERT_EQ(pipe2(closed, O_CLOEXEC | O_NONBLOCK), 0);
  int table[] = {idle[0], closed[1]};
  ASSERT_EQ(ring->Register(IORING_REGISTER_FILES, table, 2), 0);
  close(closed[1]);
  io_uring_sqe* sqe = ring->NextSqe();
  io_uring_prep_poll_add(sqe, 0, POLLIN);
  sqe->flags |= IOSQE_FIXED_FILE;
  sqe = ring->NextSqe();
  io_uring_prep_close_direct(sqe, 1);
  sqe->user_data = 1;
  EXPECT_EQ(Take(ring.get(), 1), std::vector<uint64_t>{1});
  // Only its absence takes the seconds.
  pollfd end = {closed[0], POLLIN, 0};
  EXPECT_EQ(poll(&end, 1, 5'000), 1) << "the closed one is not freed while the idle one waits";
  for (const int fd : {idle[0], idle[1], closed[0]}) close(fd);
}

TEST_F(RingTest, AKernelOlderThan614IsNotModernAndWorks) {
  kernel_.features_hidden = uapi::kFeatRwAttr | uapi::kFeatNoIowait;
  auto ring = Open(kSmall);
  ASSERT_NE(ring, nullptr);
  EXPECT_EQ(ring->features().ToString(), "registered_ring");
  for (uint64_t i = 0; i < 20; ++i) Nop(ring.get(), i);
  ExpectInOrder(Take(ring.get(), 20), 20);
}

TEST_F(RingTest, MissingOperationsAreNamed) {
  auto ring = Open(kSmall);
  const uint8_t needed[] = {IORING_OP_RECV, IORING_OP_ACCEPT};
  EXPECT_TRUE(ring->CheckOpcodes(needed).ok());
  const uint8_t beyond[] = {IORING_OP_RECV, 255};
  EXPECT_THAT(std::string(ring->CheckOpcodes(beyond).message()), HasSubstr("operation 255"));
  kernel_.opcode_hidden = IORING_OP_ACCEPT;
  EXPECT_THAT(std::string(ring->CheckOpcodes(needed).message()), HasSubstr("operation 13"));
  EXPECT_EQ(ring->CheckOpcodes(needed).code(), absl::StatusCode::kFailedPrecondition);
  kernel_.probe_error = -EINVAL;
  EXPECT_THAT(std::string(ring->CheckOpcodes(needed).message()), HasSubstr("Invalid argument"));
}

TEST(Ring, ASetUpThatFailsSaysWhatToDoAndExitsNothing) {
  const std::pair<int, const char*> cases[] = {
      {-EPERM, "io_uring"}, {-ENOSYS, "no io_uring"}, {-ENOMEM, "LimitMEMLOCK"}, {-EINVAL, "6.1 or newer"}};
  for (const auto& [error, says] : cases) {
    Bent kernel;
    kernel.setup_error = error;
    const auto ring = Ring::Open(&kernel, kSmall);
    ASSERT_FALSE(ring.ok());
    EXPECT_THAT(std::string(ring.status().message()), HasSubstr(says));
    EXPECT_EQ(kernel.exits, 0);
  }
}

}  // namespace
}  // namespace mooring::core
