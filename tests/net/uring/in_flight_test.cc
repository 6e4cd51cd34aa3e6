// SPDX-License-Identifier: Apache-2.0
// Kernel law under AddressSanitizer: what an operation in flight writes to is nobody else's meanwhile.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "alloc/poison.h"
#include "core/clock.h"
#include "core/ring.h"
#include "net/uring/gather_arena.h"
#include "net/uring/receive_group.h"
#include "tests/sim/sim_kernel.h"

namespace mooring::net::uring {
namespace {

#ifdef MOORING_ASAN

char Read(const volatile char* at) { return *at; }

class InFlight : public testing::Test {
 protected:
  alloc::Accounting accounting_;
  alloc::BufferPool pool_{&accounting_};
  core::ManualClock clock_;
  sim::SimKernel kernel_{1, &clock_, sim::Mood::kCalm};
};

TEST_F(InFlight, APublishedReceiveBlockIsTheKernelsUntilItsCompletion) {
  auto ring = core::Ring::Open(&kernel_, {.sq_entries = 8, .cq_entries = 16});
  ASSERT_TRUE(ring.ok()) << ring.status();
  {
    ReceiveGroup group(&pool_, &accounting_);
    ASSERT_TRUE(group.Open(ring->get()).ok());
    alloc::Block* taken = group.Take(0);
    Read(taken->data);
    // The pool fills from the lowest slot: the next block is published.
    char* published = taken->data + alloc::BufferPool::kReceiveBlockBytes;
    EXPECT_DEATH(Read(published), "use-after-poison");
    EXPECT_DEATH(published[alloc::BufferPool::kReceiveBlockBytes - 1] = 1, "use-after-poison");
    pool_.Release(taken);
    EXPECT_DEATH(Read(taken->data), "use-after-poison");
    group.Publish(0);
    ring->reset();
  }
  EXPECT_EQ(pool_.receive_live(), 0u);
}

TEST_F(InFlight, AMessageHeaderIsNobodysOnceTheKernelHasCopiedIt) {
  GatherArena arena(&accounting_);
  char text[] = "text";
  const iovec pieces[] = {{text, 2}, {text + 2, 2}};
  msghdr* header = arena.Copy(pieces, 2);
  EXPECT_EQ(header->msg_iov[1].iov_base, text + 2);
  EXPECT_DEATH(Read(reinterpret_cast<char*>(header->msg_iov + 2)), "use-after-poison");
  arena.Reset();
  EXPECT_DEATH(Read(reinterpret_cast<char*>(header)), "use-after-poison");
}

#else

TEST(InFlight, Skipped) { GTEST_SKIP() << "needs --config=asan"; }

#endif

}  // namespace
}  // namespace mooring::net::uring
