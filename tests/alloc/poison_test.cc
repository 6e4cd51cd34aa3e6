// SPDX-License-Identifier: Apache-2.0
#include "alloc/poison.h"

#include <gtest/gtest.h>

#include "alloc/buffer_pool.h"
#include "alloc/frame_pool.h"
#include "alloc/slab.h"

namespace mooring::alloc {
namespace {

#ifdef MOORING_ASAN

struct Item {
  SlabHandle handle;
  char bytes[120];
};

char Read(const volatile char* at) { return *at; }

class Poisoned : public testing::Test {
 protected:
  Accounting accounting_;
};

TEST_F(Poisoned, AFreeSlot) {
  Slab<Item> slab(100, Purpose::kConnections, &accounting_);
  Item* item = slab.Acquire();
  Read(item->bytes);
  slab.Release(item);
  EXPECT_DEATH(Read(item->bytes), "use-after-poison");
}

TEST_F(Poisoned, AFreeFrameAndTheRestOfItsClassBehindAFrame) {
  FramePool pool(&accounting_);
  auto* frame = static_cast<char*>(pool.Acquire(100));  // of the class of 112
  Read(frame + 99);
  EXPECT_DEATH(Read(frame + 104), "use-after-poison");
  pool.Release(frame, 100);
  EXPECT_DEATH(Read(frame), "use-after-poison");
}

TEST_F(Poisoned, ABlockOfEveryKindWhenItsLastLeaseIsGone) {
  BufferPool pool(&accounting_);
  for (Block* block : {pool.AcquireReceive(), pool.Acquire(1), pool.Acquire(1000), pool.Acquire(4000),
                       pool.Acquire(16'000), pool.Acquire(1 << 20)}) {
    const char* data = block->data;
    const uint32_t capacity = block->capacity;
    Lease lease(block, 0, capacity);
    Lease shared = lease.Share(0, 1);
    lease.Reset();
    Read(data + capacity - 1);
    shared.Reset();
    EXPECT_DEATH(Read(data), "use-after-poison|heap-use-after-free");
    EXPECT_DEATH(Read(data + capacity - 1), "use-after-poison|heap-use-after-free");
  }
}

TEST_F(Poisoned, WhatIsLentUntilItIsReclaimed) {
  BufferPool pool(&accounting_);
  Block* block = pool.AcquireReceive();
  EXPECT_FALSE(Lent(block->data, 1));
  Lend(block->data, block->capacity);
  EXPECT_TRUE(Lent(block->data, block->capacity));
  EXPECT_TRUE(Lent(block->data + 100, 16));
  EXPECT_FALSE(Lent(block->data + 100, block->capacity));
  EXPECT_DEATH(Read(block->data), "use-after-poison");
  EXPECT_DEATH(block->data[block->capacity - 1] = 1, "use-after-poison");
  Reclaim(block->data);
  EXPECT_FALSE(Lent(block->data, 1));
  Read(block->data);
  pool.Release(block);
}

TEST_F(Poisoned, WhatIsLentCannotBeGivenBackOrLentAgain) {
  BufferPool pool(&accounting_);
  Block* block = pool.AcquireReceive();
  Lend(block->data, block->capacity);
  EXPECT_DEATH(pool.Release(block), "given away while an operation in flight owns it");
  EXPECT_DEATH(Lend(block->data + 8, 8), "given away while an operation in flight owns it");
  EXPECT_DEATH(Reclaim(block->data + 8), "not lent");
  Reclaim(block->data);
  pool.Release(block);
}

#else

TEST(Poisoned, Skipped) { GTEST_SKIP() << "needs --config=asan"; }

#endif

}  // namespace
}  // namespace mooring::alloc
