// SPDX-License-Identifier: Apache-2.0
#include "alloc/region.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <random>
#include <set>
#include <vector>

#include "alloc/poison.h"
#include "tests/alloc/resident.h"

namespace mooring::alloc {
namespace {

constexpr uint64_t kPage = SlotRegions::kPageBytes;

class Slots : public testing::Test {
 protected:
  static void* Take(SlotRegions& regions, uint32_t expected) {
    uint32_t slot = ~0u;
    void* memory = regions.Acquire(&slot);
    EXPECT_NE(memory, nullptr);
    EXPECT_EQ(slot, expected);
    return memory;
  }

  Accounting accounting_;
};

TEST_F(Slots, TakesTheLowestFreeSlot) {
  SlotRegions regions(128, 1000, Purpose::kOther, &accounting_);
  for (uint32_t i = 0; i < 300; ++i) Take(regions, i);
  for (const uint32_t slot : {200u, 5u, 64u, 63u, 299u}) regions.Release(slot);
  EXPECT_EQ(regions.live(), 295u);
  for (const uint32_t slot : {5u, 63u, 64u, 200u, 299u, 300u}) Take(regions, slot);
}

TEST_F(Slots, AnswersTheLowestFreeSlotOverAllBitmapLevels) {
  // 300,000 slots fill more than one word of the topmost level but one.
  constexpr uint32_t kSlots = 300000;
  SlotRegions regions(8, kSlots, Purpose::kOther, &accounting_);
  for (uint32_t i = 0; i < kSlots; ++i) {
    uint32_t slot;
    ASSERT_NE(regions.Acquire(&slot), nullptr);
    ASSERT_EQ(slot, i);
  }
  uint32_t slot;
  EXPECT_EQ(regions.Acquire(&slot), nullptr);

  const uint32_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  std::set<uint32_t> free;
  for (int step = 0; step < 200000; ++step) {
    // Phases of mostly release and mostly acquire, so that both nearly full and ragged states occur.
    if (random() % 8 < (step / 5000 % 2 == 0 ? 6u : 2u)) {
      const uint32_t victim = random() % kSlots;
      ASSERT_EQ(regions.Live(victim), !free.contains(victim));
      if (free.insert(victim).second) regions.Release(victim);
    } else if (!free.empty()) {
      ASSERT_NE(regions.Acquire(&slot), nullptr);
      ASSERT_EQ(slot, *free.begin());
      free.erase(free.begin());
    }
  }
  EXPECT_EQ(regions.live(), kSlots - free.size());
}

TEST_F(Slots, GrowsByRegionAndIsFullAtSlotsMax) {
  SlotRegions regions(40, 10000, Purpose::kOther, &accounting_);
  std::set<void*> seen;
  for (uint32_t i = 0; i < 10000; ++i) {
    void* memory = Take(regions, i);
    std::memset(memory, 0xee, 40);
    seen.insert(memory);
    ASSERT_EQ(regions.At(i), memory);
    ASSERT_EQ(regions.SlotOf(static_cast<char*>(memory)), i);
    ASSERT_EQ(regions.SlotOf(static_cast<char*>(memory) + 39), i);
  }
  EXPECT_EQ(seen.size(), 10000u);
  uint32_t slot = 77;
  EXPECT_EQ(regions.Acquire(&slot), nullptr);
  EXPECT_EQ(regions.live(), 10000u);
  EXPECT_EQ(regions.slots_max(), 10000u);
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), (10000 * 40 + kPage - 1) / kPage * kPage);
  regions.Release(1234);
  Take(regions, 1234);
}

TEST_F(Slots, FindsTheSlotOfAnAddressForEverySize) {
  for (const uint32_t bytes : {8u, 24u, 40u, 48u, 112u, 128u, 640u, 3584u, 4096u, 16384u, 100000u}) {
    SlotRegions regions(bytes, 4000, Purpose::kOther, &accounting_);
    for (uint32_t i = 0; i < 4000; ++i) {
      const char* memory = static_cast<const char*>(Take(regions, i));
      ASSERT_EQ(regions.SlotOf(memory), i) << bytes;
      ASSERT_EQ(regions.SlotOf(memory + bytes - 1), i) << bytes;
    }
  }
}

TEST_F(Slots, LiveIsFalseForAnyNumberThatIsNotLive) {
  SlotRegions regions(64, 100, Purpose::kOther, &accounting_);
  Take(regions, 0);
  Take(regions, 1);
  regions.Release(0);
  EXPECT_TRUE(regions.Live(1));
  for (const uint32_t slot : {0u, 2u, 99u, 100u, 127u, 128u, 1u << 22, ~0u}) EXPECT_FALSE(regions.Live(slot)) << slot;
}

TEST_F(Slots, NextLiveWalksTheLiveSlots) {
  SlotRegions regions(64, 5000, Purpose::kOther, &accounting_);
  EXPECT_EQ(regions.NextLive(0), 5000u);
  for (uint32_t i = 0; i < 5000; ++i) Take(regions, i);
  const std::vector<uint32_t> kept = {0, 63, 64, 1000, 4999};
  for (uint32_t i = 0; i < 5000; ++i) {
    if (std::find(kept.begin(), kept.end(), i) == kept.end()) regions.Release(i);
  }
  std::vector<uint32_t> walked;
  for (uint32_t slot = regions.NextLive(0); slot < 5000; slot = regions.NextLive(slot + 1)) walked.push_back(slot);
  EXPECT_EQ(walked, kept);
  EXPECT_EQ(regions.NextLive(5000), 5000u);
  EXPECT_EQ(regions.NextLive(~0u), 5000u);
}

TEST_F(Slots, GivesAnEmptyPageBackAtTheSecondTrim) {
  SlotRegions regions(128, 1000, Purpose::kOther, &accounting_);
  for (uint32_t i = 0; i < 64; ++i) Take(regions, i);  // two pages
  EXPECT_FALSE(regions.Trim());
  for (uint32_t i = 32; i < 64; ++i) regions.Release(i);
  EXPECT_TRUE(regions.Trim());
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), 2 * kPage);
  EXPECT_FALSE(regions.Trim());
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), kPage);
  EXPECT_FALSE(regions.Trim());
  Take(regions, 32);
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), 2 * kPage);
}

TEST_F(Slots, APageUsedBetweenTwoTrimsStartsToAgeAnew) {
  SlotRegions regions(128, 1000, Purpose::kOther, &accounting_);
  Take(regions, 0);
  regions.Release(0);
  EXPECT_TRUE(regions.Trim());
  Take(regions, 0);
  regions.Release(0);
  EXPECT_TRUE(regions.Trim());
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), kPage);
  EXPECT_FALSE(regions.Trim());
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), 0u);
}

TEST_F(Slots, ForcedTrimGivesBackAtOnce) {
  SlotRegions regions(128, 1000, Purpose::kOther, &accounting_);
  for (uint32_t i = 0; i < 1000; ++i) Take(regions, i);
  for (uint32_t i = 0; i < 1000; ++i) regions.Release(i);
  EXPECT_FALSE(regions.Trim(true));
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), 0u);
}

TEST_F(Slots, KeepsLiveBytesAndThePagesThatASlotStraddles) {
  // 3 slots of 3,000 bytes lie on pages 0, 0-1, 1-2.
  SlotRegions regions(3000, 100, Purpose::kOther, &accounting_);
  for (uint32_t i = 0; i < 3; ++i) std::memset(Take(regions, i), static_cast<int>(i) + 1, 3000);
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), 3 * kPage);
  regions.Release(0);
  regions.Release(2);
  regions.Trim(true);
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), 2 * kPage);
  const char* kept = static_cast<const char*>(regions.At(1));
  EXPECT_EQ(std::count(kept, kept + 3000, 2), 3000);
}

TEST_F(Slots, MarksEachSlotSpanningManyPages) {
  SlotRegions regions(16384, 100, Purpose::kOther, &accounting_);
  Take(regions, 0);
  Take(regions, 1);
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), 8 * kPage);
  regions.Release(0);
  regions.Trim(true);
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), 4 * kPage);
  regions.Release(1);
  EXPECT_TRUE(regions.Trim());  // it ages first
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), 4 * kPage);
  EXPECT_FALSE(regions.Trim());
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), 0u);
  Take(regions, 0);
  EXPECT_EQ(accounting_.Bytes(Purpose::kOther), 4 * kPage);
}

TEST_F(Slots, RandomUseAgreesWithAModelOfThePages) {
  const uint32_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  for (const uint32_t bytes : {48u, 128u, 3000u, 5000u, 12288u, 16384u}) {
    SlotRegions regions(bytes, 2000, Purpose::kOther, &accounting_);
    PageMap all;
    std::vector<uint32_t> live;
    for (uint32_t i = 0; i < 2000; ++i) {
      char* memory = static_cast<char*>(Take(regions, i));
      std::memset(memory, 1, bytes);
      all.Add(memory, bytes);
      live.push_back(i);
    }
    std::shuffle(live.begin(), live.end(), random);
    for (int round = 0; round < 20; ++round) {
      while (!live.empty() && random() % 300 != 0) {
        regions.Release(live.back());
        live.pop_back();
      }
      regions.Trim(true);
      PageMap expected = all;
      for (const uint32_t slot : live) expected.AddLive(regions.At(slot), bytes);
      const PageMap::Count count = expected.Look();
      ASSERT_EQ(count.resident_not_live, 0u) << bytes << " round " << round;
      ASSERT_EQ(count.live_not_resident, 0u) << bytes << " round " << round;
      ASSERT_EQ(accounting_.Bytes(Purpose::kOther), count.live * kPage);
      for (int i = 0; i < 100 && live.size() < 2000; ++i) {
        uint32_t slot;
        std::memset(regions.Acquire(&slot), 1, bytes);
        live.push_back(slot);
      }
      std::shuffle(live.begin(), live.end(), random);
    }
  }
}

TEST_F(Slots, AccountingIsEmptyWhenTheRegionsAreGone) {
  {
    SlotRegions regions(128, 1000, Purpose::kTimers, &accounting_);
    Take(regions, 0);
    EXPECT_EQ(accounting_.Bytes(Purpose::kTimers), kPage);
  }
  EXPECT_EQ(accounting_.Total(), 0u);
}

TEST_F(Slots, AcquireIsNullWhenTheKernelHasNoMemory) {
  SlotRegions regions(4096, 1000, Purpose::kOther, &accounting_);
  for (uint32_t i = 0; i < 16; ++i) Take(regions, i);  // one region
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &before), 0);
  rlimit none = before;
  none.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &none), 0);
  uint32_t slot;
  void* memory = regions.Acquire(&slot);
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &before), 0);
  EXPECT_EQ(memory, nullptr);
  EXPECT_EQ(regions.live(), 16u);
  Take(regions, 16);
}

TEST_F(Slots, HasNoSlotWhenNoAddressSpaceIsLeft) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &before), 0);
  rlimit none = before;
  none.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &none), 0);
  SlotRegions regions(4096, 1000, Purpose::kOther, &accounting_);
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &before), 0);
  EXPECT_EQ(regions.slots_max(), 0u);
  uint32_t slot;
  EXPECT_EQ(regions.Acquire(&slot), nullptr);
  EXPECT_FALSE(regions.Live(0));
  EXPECT_EQ(regions.NextLive(0), 0u);
  EXPECT_FALSE(regions.Trim(true));
}

TEST_F(Slots, UseOfAFreeSlotIsFoundByAddressSanitizer) {
#ifdef MOORING_ASAN
  SlotRegions regions(128, 1000, Purpose::kOther, &accounting_);
  char* first = static_cast<char*>(Take(regions, 0));
  EXPECT_FALSE(__asan_address_is_poisoned(first + 127));
  EXPECT_TRUE(__asan_address_is_poisoned(first + 128));  // grown, never taken
  regions.Release(0);
  EXPECT_TRUE(__asan_address_is_poisoned(first));
  EXPECT_TRUE(__asan_address_is_poisoned(first + 127));
  Take(regions, 0);
  EXPECT_FALSE(__asan_address_is_poisoned(first));
#else
  GTEST_SKIP() << "needs --config=asan";
#endif
}

TEST_F(Slots, DoubleReleaseIsAssertedInDebugBuilds) {
#ifdef NDEBUG
  GTEST_SKIP() << "built without asserts";
#else
  SlotRegions regions(128, 1000, Purpose::kOther, &accounting_);
  Take(regions, 0);
  regions.Release(0);
  EXPECT_DEATH(regions.Release(0), "Live");
#endif
}

}  // namespace
}  // namespace mooring::alloc
