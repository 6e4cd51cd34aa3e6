// SPDX-License-Identifier: Apache-2.0
#include "alloc/checked.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "alloc/buffer_pool.h"
#include "alloc/frame_pool.h"
#include "alloc/slab.h"

namespace mooring::alloc {
namespace {

struct Item {
  SlabHandle handle;
};

class Checked : public testing::Test {
 protected:
  void SetUp() override {
    if constexpr (!kChecked) GTEST_SKIP() << "needs --config=checked (asan has it too)";
  }
  // What a process does whose pools go before it exits.
  template <class F>
  [[noreturn]] void PoolsGo(F leave) {
    {
      Accounting accounting;
      Slab<Item> slab(100, Purpose::kConnections, &accounting);
      FramePool frames(&accounting);
      BufferPool buffers(&accounting);
      leave(slab, frames, buffers);
    }
    std::exit(0);
  }

  Accounting accounting_;
};

TEST_F(Checked, ASecondReturnOfASlotNamesPoolAndSlot) {
  Slab<Item> slab(100, Purpose::kConnections, &accounting_);
  slab.Acquire();
  Item* item = slab.Acquire();
  slab.Release(item);
  EXPECT_DEATH(slab.Release(item), "checked: connections of 8 bytes: slot 1 is returned twice");
  slab.LeaveLive();
}

TEST_F(Checked, ASecondReturnOfAFrameNamesPoolAndSlot) {
  FramePool pool(&accounting_);
  void* frame = pool.Acquire(100);
  pool.Release(frame, 100);
  EXPECT_DEATH(pool.Release(frame, 100), "checked: frames of 112 bytes: slot 0 is returned twice");
}

TEST_F(Checked, AFrameReturnedWithAnotherSizeOrByAnAddressInsideIt) {
  FramePool pool(&accounting_);
  pool.Release(pool.Acquire(200), 200);
  void* frame = pool.Acquire(100);
  EXPECT_DEATH(pool.Release(frame, 200), "checked: frames of 224 bytes: slot [0-9]+ is returned, but is not of this pool");
  EXPECT_DEATH(pool.Release(static_cast<char*>(frame) + 16, 100), "slot 0 is returned by an address inside it");
  pool.Release(frame, 100);
}

TEST_F(Checked, ASecondReturnOfABlockNamesPoolAndSlot) {
  BufferPool pool(&accounting_);
  for (Block* block : {pool.AcquireReceive(), pool.Acquire(1000), pool.Acquire(1 << 20)}) {
    pool.Release(block);
    EXPECT_DEATH(pool.Release(block), "checked: block descriptors of .* bytes: slot [012] is returned twice");
  }
}

TEST_F(Checked, WhatIsLiveWhenItsPoolGoesFailsTheProcessWithACountForEachPool) {
  EXPECT_EXIT(PoolsGo([](auto& slab, auto&, auto&) { slab.Acquire(), slab.Acquire(); }),
              testing::ExitedWithCode(kLeakExitCode), "leak: 2 live in connections of 8 bytes");
  EXPECT_EXIT(PoolsGo([](auto&, auto& frames, auto&) { frames.Acquire(48), frames.Acquire(33), frames.Acquire(64); }),
              testing::ExitedWithCode(kLeakExitCode),
              "leak: 2 live in frames of 48 bytes when the pool goes\n.*leak: 1 live in frames of 64 bytes");
  EXPECT_EXIT(PoolsGo([](auto&, auto&, auto& buffers) { buffers.AcquireReceive(), buffers.Acquire(1000); }),
              testing::ExitedWithCode(kLeakExitCode),
              "leak: 1 live in receive_blocks of 16384 bytes when the pool goes\n.*leak: 1 live in blocks of 1024 bytes");
}

TEST_F(Checked, WhatCameFromTheHeapIsCountedToo) {
  EXPECT_EXIT(PoolsGo([](auto&, auto& frames, auto&) { frames.Acquire(5000); }),
              testing::ExitedWithCode(kLeakExitCode), "leak: 1 live in frames from the heap");
  EXPECT_EXIT(PoolsGo([](auto&, auto&, auto& buffers) { buffers.Acquire(20'000); }),
              testing::ExitedWithCode(kLeakExitCode), "leak: 1 live in blocks from the heap");
}

TEST_F(Checked, WhatWasGivenBackOrIsMeantToStayFailsNothing) {
  EXPECT_EXIT(PoolsGo([](auto& slab, auto& frames, auto& buffers) {
                slab.Release(slab.Acquire());
                frames.Release(frames.Acquire(5000), 5000);
                { Lease lease(buffers.Acquire(20'000), 0, 10); }
              }),
              testing::ExitedWithCode(0), "^$");
  EXPECT_EXIT(PoolsGo([](auto& slab, auto& frames, auto& buffers) {
                slab.LeaveLive(), frames.LeaveLive(), buffers.LeaveLive();
                slab.Acquire(), frames.Acquire(48), buffers.AcquireReceive();
              }),
              testing::ExitedWithCode(0), "^$");
}

}  // namespace
}  // namespace mooring::alloc
