// SPDX-License-Identifier: Apache-2.0
#include "alloc/slab.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace mooring::alloc {
namespace {

struct Item {
  explicit Item(int value = 0, int* destroyed = nullptr) : value(value), destroyed(destroyed) {
    if (value < 0) throw value;  // stands for a user's constructor that fails
  }
  ~Item() {
    if (destroyed != nullptr) ++*destroyed;
  }
  SlabHandle handle;
  int value;
  int* destroyed;
};

TEST(Slab, FindsWhatWasAcquired) {
  Accounting accounting;
  Slab<Item> slab(100, Purpose::kConnections, &accounting);
  slab.LeaveLive();
  Item* item = slab.Acquire(7);
  ASSERT_NE(item, nullptr);
  EXPECT_EQ(item->value, 7);
  EXPECT_NE(item->handle.generation, 0u);
  EXPECT_EQ(slab.Find(item->handle), item);
  EXPECT_EQ(slab.FindLow(item->handle.slot, item->handle.generation & 0xffffff), item);
  EXPECT_EQ(slab.At(item->handle.slot), item);
  EXPECT_EQ(slab.live(), 1u);
  EXPECT_EQ(accounting.Bytes(Purpose::kConnections), 4096u);
}

TEST(Slab, AStaleHandleFindsNothing) {
  Accounting accounting;
  Slab<Item> slab(100, Purpose::kConnections, &accounting);
  slab.LeaveLive();
  Item* item = slab.Acquire(1);
  const SlabHandle stale = item->handle;
  slab.Release(item);
  EXPECT_EQ(slab.Find(stale), nullptr);
  EXPECT_EQ(slab.FindLow(stale.slot, stale.generation), nullptr);
  Item* next = slab.Acquire(2);
  ASSERT_EQ(next->handle.slot, stale.slot);  // the same slot with another generation
  EXPECT_NE(next->handle, stale);
  EXPECT_EQ(slab.Find(stale), nullptr);
  EXPECT_EQ(slab.FindLow(stale.slot, stale.generation), nullptr);
  EXPECT_EQ(slab.Find(next->handle), next);
}

TEST(Slab, AStaleHandleFindsNothingAfterThePageWasGivenBack) {
  Accounting accounting;
  Slab<Item> slab(100, Purpose::kConnections, &accounting);
  slab.LeaveLive();
  Item* item = slab.Acquire(1);
  const SlabHandle stale = item->handle;
  slab.Release(item);
  EXPECT_FALSE(slab.Trim(true));
  EXPECT_EQ(accounting.Total(), 0u);
  EXPECT_EQ(slab.Find(stale), nullptr);
  slab.Acquire(2);
  EXPECT_EQ(slab.Find(stale), nullptr);
}

TEST(Slab, AnyNumbersAreSafeToLookUp) {
  Accounting accounting;
  Slab<Item> slab(100, Purpose::kConnections, &accounting);
  slab.LeaveLive();
  Item* item = slab.Acquire(1);
  const uint32_t generation = item->handle.generation;
  EXPECT_EQ(slab.Find({}), nullptr);
  for (const uint32_t slot : {1u, 99u, 100u, 127u, 1u << 30, ~0u}) {
    EXPECT_EQ(slab.Find({slot, generation}), nullptr) << slot;
    EXPECT_EQ(slab.FindLow(slot, generation), nullptr) << slot;
  }
  EXPECT_EQ(slab.Find({0, 0}), nullptr);
  EXPECT_EQ(slab.FindLow(0, 0), nullptr);
  EXPECT_EQ(slab.FindLow(0, generation | 1u << 24), nullptr);
}

TEST(Slab, GenerationsSkipThoseWhoseLowBitsAreZero) {
  Accounting accounting;
  Slab<Item> slab(100, Purpose::kConnections, &accounting, 0x01fffffe);
  slab.LeaveLive();
  EXPECT_EQ(slab.Acquire()->handle.generation, 0x01ffffffu);
  Item* item = slab.Acquire();
  EXPECT_EQ(item->handle.generation, 0x02000001u);
  EXPECT_EQ(slab.FindLow(item->handle.slot, 1), item);
  Slab<Item> last(100, Purpose::kConnections, &accounting, 0xfffffffe);
  last.LeaveLive();
  EXPECT_EQ(last.Acquire()->handle.generation, 0xffffffffu);
  EXPECT_EQ(last.Acquire()->handle.generation, 1u);
}

TEST(Slab, IsFullAtSlotsMaxAndServesAgainAfterARelease) {
  Accounting accounting;
  Slab<Item> slab(100, Purpose::kConnections, &accounting);
  slab.LeaveLive();
  std::vector<Item*> items;
  for (int i = 0; i < 100; ++i) items.push_back(slab.Acquire(i));
  EXPECT_EQ(slab.Acquire(100), nullptr);
  EXPECT_EQ(slab.live(), slab.slots_max());
  slab.Release(items[60]);
  slab.Release(items[40]);
  EXPECT_EQ(slab.Acquire(1)->handle.slot, 40u);
  EXPECT_EQ(slab.Acquire(2)->handle.slot, 60u);
  EXPECT_EQ(slab.Acquire(3), nullptr);
}

TEST(Slab, ReleaseAndTheEndOfTheSlabDestroyEachObjectOnce) {
  Accounting accounting;
  int destroyed = 0;
  {
    Slab<Item> slab(100, Purpose::kConnections, &accounting);
    slab.LeaveLive();
    Item* first = slab.Acquire(1, &destroyed);
    for (int i = 0; i < 9; ++i) slab.Acquire(1, &destroyed);
    slab.Release(first);
    EXPECT_EQ(destroyed, 1);
  }
  EXPECT_EQ(destroyed, 10);
  EXPECT_EQ(accounting.Total(), 0u);
}

TEST(Slab, AThrowingConstructorLeavesTheSlotFree) {
  Accounting accounting;
  Slab<Item> slab(1, Purpose::kConnections, &accounting);
  slab.LeaveLive();
  EXPECT_THROW(slab.Acquire(-1), int);
  EXPECT_EQ(slab.live(), 0u);
  EXPECT_NE(slab.Acquire(1), nullptr);
}

TEST(Slab, ForEachVisitsEveryLiveObjectAndMayReleaseIt) {
  Accounting accounting;
  Slab<Item> slab(1000, Purpose::kConnections, &accounting);
  slab.LeaveLive();
  std::vector<Item*> items;
  for (int i = 0; i < 1000; ++i) items.push_back(slab.Acquire(i));
  for (int i = 0; i < 1000; ++i) {
    if (i % 3 != 0) slab.Release(items[i]);
  }
  std::set<int> visited;
  slab.ForEach([&](Item* item) {
    EXPECT_TRUE(visited.insert(item->value).second);
    if (item->value % 2 == 0) slab.Release(item);
  });
  EXPECT_EQ(visited.size(), 334u);
  EXPECT_EQ(slab.live(), 167u);
  slab.ForEach([&](Item* item) { EXPECT_EQ(item->value % 6, 3); });
}

TEST(Slab, ForEachDoesNotVisitWhatWasReleasedMeanwhile) {
  Accounting accounting;
  Slab<Item> slab(10, Purpose::kConnections, &accounting);
  slab.LeaveLive();
  Item* items[3] = {slab.Acquire(0), slab.Acquire(1), slab.Acquire(2)};
  std::vector<int> visited;
  slab.ForEach([&](Item* item) {
    if (visited.empty()) slab.Release(items[1]);
    visited.push_back(item->value);
  });
  EXPECT_EQ(visited, (std::vector<int>{0, 2}));
}

TEST(Slab, DoubleReleaseIsAssertedInDebugBuilds) {
#ifdef NDEBUG
  GTEST_SKIP() << "built without asserts";
#else
  Accounting accounting;
  Slab<Item> slab(10, Purpose::kConnections, &accounting);
  Item* item = slab.Acquire(1);
  slab.Release(item);
  EXPECT_DEATH(slab.Release(item), "Live|connections of 24 bytes: slot 0 is returned twice");
#endif
}

}  // namespace
}  // namespace mooring::alloc
