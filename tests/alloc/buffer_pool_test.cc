// SPDX-License-Identifier: Apache-2.0
#include "alloc/buffer_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "alloc/poison.h"

namespace mooring::alloc {
namespace {

class Buffers : public testing::Test {
 protected:
  Lease Text(std::string_view text) {
    Block* block = pool_.Acquire(static_cast<uint32_t>(text.size()));
    std::memcpy(block->data, text.data(), text.size());
    return Lease(block, 0, static_cast<uint32_t>(text.size()));
  }

  Accounting accounting_;
  BufferPool pool_{&accounting_, 4};
};

TEST_F(Buffers, ReceiveBlocksArePageAlignedAndRunOut) {
  pool_.LeaveLive();
  std::vector<Block*> blocks;
  for (int i = 0; i < 4; ++i) {
    Block* block = pool_.AcquireReceive();
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block->data) % 4096, 0u);
    EXPECT_EQ(block->capacity, 16384u);
    EXPECT_EQ(block->refs, 1u);
    EXPECT_TRUE(block->receive);
    EXPECT_EQ(block->charge, BufferPool::kNoCharge);
    EXPECT_EQ(block->pool, &pool_);
    std::memset(block->data, 1, block->capacity);
    blocks.push_back(block);
  }
  EXPECT_EQ(pool_.AcquireReceive(), nullptr);
  EXPECT_EQ(pool_.receive_live(), 4u);
  EXPECT_EQ(pool_.blocks_live(), 0u);
  EXPECT_EQ(accounting_.Bytes(Purpose::kReceiveBlocks), 4u * 16384);
  EXPECT_NE(pool_.Acquire(16384), nullptr) << "the other blocks do not depend on them";
  char* data = blocks[2]->data;
  pool_.Release(blocks[2]);
  EXPECT_EQ(pool_.receive_live(), 3u);
  Block* again = pool_.AcquireReceive();
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->data, data);
}

TEST_F(Buffers, BlocksComeInTheSmallestClassThatFits) {
  struct Case {
    uint32_t bytes_min;
    uint32_t capacity;
    uint8_t size_class;
  };
  const Case cases[] = {{0, 256, 0},       {256, 256, 0},     {257, 1024, 1},      {512, 1024, 1},    {1024, 1024, 1},
                        {1025, 4096, 2},   {2049, 4096, 2},   {4096, 4096, 2},     {4097, 16384, 3},
                        {16384, 16384, 3}, {16385, 32768, 4}, {32769, 65536, 5},   {1 << 20, 1 << 20, 9}};
  for (const Case& c : cases) {
    Block* block = pool_.Acquire(c.bytes_min);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(block->capacity, c.capacity) << c.bytes_min;
    EXPECT_EQ(block->size_class, c.size_class) << c.bytes_min;
    EXPECT_FALSE(block->receive);
    EXPECT_EQ(block->refs, 1u);
    EXPECT_EQ(pool_.blocks_live(), 1u);
    std::memset(block->data, 2, block->capacity);
    pool_.Release(block);
    EXPECT_EQ(pool_.blocks_live(), 0u);
  }
  EXPECT_EQ(pool_.Acquire(BufferPool::kBlockBytesMax + 1), nullptr);
}

TEST_F(Buffers, BigBlocksAreAccountedByTheByte) {
  Block* small = pool_.Acquire(100);
  const uint64_t before = accounting_.Bytes(Purpose::kBlocks);
  EXPECT_EQ(before, 2 * 4096u) << "one page of the block, one of its descriptor";
  Block* big = pool_.Acquire(100000);
  EXPECT_EQ(accounting_.Bytes(Purpose::kBlocks), before + 131072);
  pool_.Release(big);
  EXPECT_EQ(accounting_.Bytes(Purpose::kBlocks), before);
  pool_.Release(small);
  EXPECT_TRUE(pool_.Trim());
  EXPECT_FALSE(pool_.Trim());
  EXPECT_EQ(accounting_.Total(), 0u);
}

TEST_F(Buffers, AcquireIsNullWhenThereIsNoMemory) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &before), 0);
  rlimit none = before;
  none.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &none), 0);
  Block* block = pool_.Acquire(256);
  Block* receive = pool_.AcquireReceive();
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &before), 0);
  EXPECT_EQ(block, nullptr);
  EXPECT_EQ(receive, nullptr);
  EXPECT_EQ(pool_.receive_live(), 0u);
  EXPECT_EQ(pool_.blocks_live(), 0u);
}

// The leak checker of AddressSanitizer would find it.
TEST_F(Buffers, ABlockFromTheHeapGoesWithItsPool) {
  Accounting accounting;
  {
    BufferPool pool(&accounting);
    pool.LeaveLive();
    EXPECT_NE(pool.Acquire(100'000), nullptr);
    EXPECT_EQ(accounting.Bytes(Purpose::kBlocks), 131072u + 4096u);
  }
  EXPECT_EQ(accounting.Total(), 0u);
}

TEST_F(Buffers, NothingIsLostWhenABlockFindsNoDescriptor) {
  pool_.LeaveLive();
  constexpr uint32_t kDescriptors = SlotRegions::kRegionBytes / sizeof(Block);  // in their first region
  ASSERT_NE(pool_.AcquireReceive(), nullptr);
  for (uint32_t i = 1; i < kDescriptors; ++i) ASSERT_NE(pool_.Acquire(256), nullptr);
  ASSERT_NE(kDescriptors % 256, 1u) << "else the blocks' own region is full too";
  const uint64_t accounted = accounting_.Total();
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &before), 0);
  rlimit none = before;
  none.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &none), 0);
  Block* block = pool_.Acquire(256);
  Block* receive = pool_.AcquireReceive();
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &before), 0);
  EXPECT_EQ(block, nullptr);
  EXPECT_EQ(receive, nullptr);
  EXPECT_EQ(pool_.receive_live(), 1u);
  EXPECT_EQ(pool_.blocks_live(), kDescriptors - 1);
  pool_.Trim(true);
  EXPECT_EQ(accounting_.Total(), accounted);
  EXPECT_NE(pool_.Acquire(256), nullptr);
  EXPECT_NE(pool_.AcquireReceive(), nullptr);
}

TEST_F(Buffers, ABlockGoesBackWithItsLastLease) {
  Lease whole = Text("hello world");
  Block* block = whole.block();
  Lease world = whole.Share(6, 5);
  EXPECT_EQ(block->refs, 2u);
  EXPECT_EQ(world.view(), "world");
  EXPECT_EQ(world.offset(), 6u);
  Lease rl = world.Share(2, 2);
  EXPECT_EQ(rl.view(), "rl") << "counts from the lease that is shared";
  EXPECT_EQ(block->refs, 3u);
  whole.Reset();
  EXPECT_FALSE(whole);
  world = Lease();
  EXPECT_EQ(block->refs, 1u);
  EXPECT_EQ(pool_.blocks_live(), 1u);
  EXPECT_EQ(rl.view(), "rl");
  rl.Reset();
  EXPECT_EQ(pool_.blocks_live(), 0u);
}

TEST_F(Buffers, TakeFrontSplitsAndMovesTheHoldWhenItTakesAll) {
  Lease rest = Text("hello world");
  Block* block = rest.block();
  Lease front = rest.TakeFront(5);
  EXPECT_EQ(front.view(), "hello");
  EXPECT_EQ(rest.view(), " world");
  EXPECT_EQ(block->refs, 2u);
  const Lease none = rest.TakeFront(0);
  EXPECT_FALSE(none);
  EXPECT_EQ(block->refs, 2u);
  Lease all = rest.TakeFront(6);
  EXPECT_EQ(all.view(), " world");
  EXPECT_FALSE(rest);
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(block->refs, 2u);
  EXPECT_FALSE(rest.TakeFront(0));
}

TEST_F(Buffers, NarrowingKeepsTheHold) {
  Lease lease = Text("hello world");
  lease.RemovePrefix(6);
  EXPECT_EQ(lease.view(), "world");
  EXPECT_EQ(lease.size(), 5u);
  lease.Truncate(2);
  EXPECT_EQ(lease.view(), "wo");
  lease.RemovePrefix(2);
  EXPECT_TRUE(lease.empty());
  EXPECT_TRUE(lease);
  EXPECT_EQ(lease.block()->refs, 1u);
  EXPECT_EQ(pool_.blocks_live(), 1u);
}

TEST_F(Buffers, MovingALeaseMovesItsOneReference) {
  Lease first = Text("first");
  Lease second = Text("second");
  Block* block = first.block();
  second = std::move(first);
  EXPECT_EQ(second.view(), "first");
  EXPECT_EQ(pool_.blocks_live(), 1u) << "what was held before is released";
  EXPECT_FALSE(first);  // NOLINT: the state after a move is promised
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(first.data(), nullptr);
  Lease& alias = second;
  second = std::move(alias);
  EXPECT_EQ(second.view(), "first");
  EXPECT_EQ(block->refs, 1u);
}

TEST_F(Buffers, DetachGivesTheReferenceAway) {
  Lease lease = Text("hello");
  Block* block = lease.Detach();
  EXPECT_FALSE(lease);
  EXPECT_EQ(lease.size(), 0u);
  EXPECT_EQ(block->refs, 1u);
  EXPECT_EQ(pool_.blocks_live(), 1u);
  lease = Lease(block, 1, 3);
  EXPECT_EQ(lease.view(), "ell");
  EXPECT_EQ(Lease().Detach(), nullptr);
}

TEST_F(Buffers, TheHookHearsOfEachChargedBlockOnce) {
  std::vector<uint64_t> returned;
  pool_.SetReturnHook(
      [](void* context, uint64_t charge) { static_cast<std::vector<uint64_t>*>(context)->push_back(charge); },
      &returned);
  {
    Block* block = pool_.AcquireReceive();
    Lease lease(block, 0, 100);
    block->charge = 42;
    Lease shared = lease.Share(0, 50);
    lease.Reset();
    EXPECT_TRUE(returned.empty()) << "still held";
    shared.Reset();
    EXPECT_EQ(returned, std::vector<uint64_t>{42});
  }
  Block* block = pool_.AcquireReceive();
  EXPECT_EQ(block->charge, BufferPool::kNoCharge) << "a charge does not outlive its block";
  pool_.Release(block);
  EXPECT_EQ(returned.size(), 1u) << "nobody is charged";
  block = pool_.Acquire(100);
  block->charge = 0;
  ++block->refs;
  pool_.Release(block);
  EXPECT_EQ(returned.size(), 1u);
  pool_.Release(block);
  EXPECT_EQ(returned, (std::vector<uint64_t>{42, 0}));
}

TEST_F(Buffers, TrimGivesBackTheBytesOfReturnedBlocks) {
  Block* first = pool_.AcquireReceive();
  Block* second = pool_.AcquireReceive();
  EXPECT_EQ(accounting_.Bytes(Purpose::kReceiveBlocks), 2u * 16384);
  pool_.Release(second);
  EXPECT_TRUE(pool_.Trim());
  EXPECT_FALSE(pool_.Trim());
  EXPECT_EQ(accounting_.Bytes(Purpose::kReceiveBlocks), 16384u);
  pool_.Release(first);
  pool_.Trim(true);
  EXPECT_EQ(accounting_.Total(), 0u);
}

TEST_F(Buffers, UseAfterReleaseIsFoundByAddressSanitizer) {
#ifdef MOORING_ASAN
  Block* blocks[] = {pool_.AcquireReceive(), pool_.Acquire(256)};
  for (Block* block : blocks) {
    char* data = block->data;
    EXPECT_FALSE(__asan_address_is_poisoned(data));
    pool_.Release(block);
    EXPECT_TRUE(__asan_address_is_poisoned(data));
    EXPECT_TRUE(__asan_address_is_poisoned(block));
  }
#else
  GTEST_SKIP() << "needs --config=asan";
#endif
}

TEST_F(Buffers, DoubleReleaseIsAssertedInDebugBuilds) {
#ifdef NDEBUG
  GTEST_SKIP() << "built without asserts";
#else
  Block* block = pool_.Acquire(256);
  pool_.Release(block);
  EXPECT_DEATH(pool_.Release(block), "refs|use-after-poison|block descriptors of .* slot 0 is returned twice");
#endif
}

}  // namespace
}  // namespace mooring::alloc
