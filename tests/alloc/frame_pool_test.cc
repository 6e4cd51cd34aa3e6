// SPDX-License-Identifier: Apache-2.0
#include "alloc/frame_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <iostream>
#include <random>
#include <vector>

#include "alloc/poison.h"

namespace mooring::alloc {
namespace {

TEST(FramePool, EverySizeHasTheSmallestClassThatHoldsIt) {
  uint32_t last = 0;
  for (size_t bytes = 1; bytes <= FramePool::kClassBytesMax; ++bytes) {
    const uint32_t size_class = FramePool::ClassOf(bytes);
    ASSERT_LT(size_class, FramePool::kClasses) << bytes;
    ASSERT_GE(FramePool::ClassBytes(size_class), bytes);
    ASSERT_LE(size_class, last + 1) << bytes;
    ASSERT_GE(size_class, last) << bytes;
    if (size_class > 0) {
      ASSERT_LT(FramePool::ClassBytes(size_class - 1), bytes);
    }
    if (bytes > 128) {
      ASSERT_LE(FramePool::ClassBytes(size_class) - bytes, bytes / 4);
    }
    last = size_class;
  }
  EXPECT_EQ(last, FramePool::kClasses - 1);
  EXPECT_EQ(FramePool::ClassBytes(FramePool::ClassOf(48)), 48u);
  EXPECT_EQ(FramePool::ClassBytes(FramePool::ClassOf(112)), 112u);
}

TEST(FramePool, FramesOfAnySizeAreAlignedAndDoNotOverlap) {
  Accounting accounting;
  FramePool pool(&accounting);
  const uint32_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  struct Frame {
    unsigned char* memory;
    size_t bytes;
    unsigned char mark;
  };
  std::vector<Frame> frames;
  for (int step = 0; step < 20000; ++step) {
    if (frames.empty() || random() % 5 < 3) {
      const size_t bytes = random() % 4 == 0 ? random() % 6000 : random() % 300;
      auto* memory = static_cast<unsigned char*>(pool.Acquire(bytes));
      ASSERT_NE(memory, nullptr);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(memory) % 16, 0u);
      const auto mark = static_cast<unsigned char>(random());
      std::memset(memory, mark, bytes);
      frames.push_back({memory, bytes, mark});
    } else {
      std::swap(frames[random() % frames.size()], frames.back());
      const Frame frame = frames.back();
      frames.pop_back();
      for (size_t i = 0; i < frame.bytes; ++i) ASSERT_EQ(frame.memory[i], frame.mark);
      pool.Release(frame.memory, frame.bytes);
    }
    ASSERT_EQ(pool.live(), frames.size());
  }
  for (const Frame& frame : frames) pool.Release(frame.memory, frame.bytes);
  EXPECT_EQ(pool.live(), 0u);
  EXPECT_TRUE(pool.Trim());
  EXPECT_FALSE(pool.Trim());
  EXPECT_EQ(accounting.Total(), 0u);
}

TEST(FramePool, ReusesTheLowestFrame) {
  Accounting accounting;
  FramePool pool(&accounting);
  pool.LeaveLive();
  void* first = pool.Acquire(48);
  void* second = pool.Acquire(40);
  EXPECT_EQ(static_cast<char*>(second) - static_cast<char*>(first), 48);
  pool.Release(first, 48);
  EXPECT_EQ(pool.Acquire(33), first);
}

TEST(FramePool, AccountsPagesAndLargeFrames) {
  Accounting accounting;
  FramePool pool(&accounting);
  EXPECT_EQ(accounting.Total(), 0u);
  void* small = pool.Acquire(64);
  EXPECT_EQ(accounting.Bytes(Purpose::kFrames), 4096u);
  void* large = pool.Acquire(5000);
  EXPECT_EQ(accounting.Bytes(Purpose::kFrames), 9096u);
  EXPECT_EQ(pool.live(), 2u);
  pool.Release(large, 5000);
  EXPECT_EQ(accounting.Bytes(Purpose::kFrames), 4096u);
  pool.Release(small, 64);
  pool.Trim(true);
  EXPECT_EQ(accounting.Total(), 0u);
}

TEST(FramePool, AFullClassAnswersNullAndTheOthersServe) {
  Accounting accounting;
  FramePool pool(&accounting, 3);
  pool.LeaveLive();
  void* frames[3];
  for (void*& frame : frames) frame = pool.Acquire(48);
  EXPECT_EQ(pool.Acquire(48), nullptr);
  EXPECT_EQ(pool.live(), 3u);
  EXPECT_NE(pool.Acquire(64), nullptr);
  pool.Release(frames[1], 48);
  EXPECT_EQ(pool.Acquire(48), frames[1]);
}

TEST(FramePool, ReleasingNullDoesNothing) {
  Accounting accounting;
  FramePool pool(&accounting);
  pool.Release(nullptr, 48);
  EXPECT_EQ(pool.live(), 0u);
}

TEST(FramePool, UseAfterReleaseIsFoundByAddressSanitizer) {
#ifdef MOORING_ASAN
  Accounting accounting;
  FramePool pool(&accounting);
  void* frame = pool.Acquire(48);
  EXPECT_FALSE(__asan_address_is_poisoned(frame));
  pool.Release(frame, 48);
  EXPECT_TRUE(__asan_address_is_poisoned(frame));
#else
  GTEST_SKIP() << "needs --config=asan";
#endif
}

TEST(FramePool, DoubleReleaseIsAssertedInDebugBuilds) {
#ifdef NDEBUG
  GTEST_SKIP() << "built without asserts";
#else
  Accounting accounting;
  FramePool pool(&accounting);
  void* frame = pool.Acquire(48);
  pool.Release(frame, 48);
  EXPECT_DEATH(pool.Release(frame, 48), "Live|frames of 48 bytes: slot 0 is returned twice");
#endif
}

}  // namespace
}  // namespace mooring::alloc
