// SPDX-License-Identifier: Apache-2.0
// The promise of the memory design: what connections held goes back to the kernel when they are gone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <numeric>
#include <random>
#include <vector>

#include "alloc/frame_pool.h"
#include "alloc/poison.h"
#include "alloc/slab.h"
#include "tests/alloc/resident.h"

#if defined(__SANITIZE_THREAD__)
#define MOORING_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MOORING_TSAN 1
#endif
#endif

namespace mooring::alloc {
namespace {

#if defined(MOORING_ASAN) || defined(MOORING_TSAN)
constexpr bool kShadowed = true;
#else
constexpr bool kShadowed = false;
#endif

constexpr uint32_t kConnections = 100000;

struct Connection {
  SlabHandle handle;
  char bytes[120];
};
static_assert(sizeof(Connection) == 128);

// A population of connections, each with a slot of 128 bytes and a frame of GetParam() bytes, all written.
class GiveBack : public testing::TestWithParam<size_t> {
 protected:
  GiveBack() : connections_(kConnections), frames_(kConnections), order_(kConnections) {
    std::iota(order_.begin(), order_.end(), 0u);
    std::memset(frames_.data(), 0xff, frames_.size() * sizeof(void*));  // resident before the first measurement
    std::memset(connections_.data(), 0xff, connections_.size() * sizeof(void*));
    slab_.LeaveLive();
    pool_.LeaveLive();
  }

  void Fill() {
    resident_before_ = ResidentBytes();
    for (uint32_t i = 0; i < kConnections; ++i) {
      connections_[i] = slab_.Acquire();
      ASSERT_NE(connections_[i], nullptr);
      std::memset(connections_[i]->bytes, 1, sizeof(connections_[i]->bytes));
      frames_[i] = pool_.Acquire(GetParam());
      ASSERT_NE(frames_[i], nullptr);
      std::memset(frames_[i], 1, GetParam());
    }
    growth_ = ResidentBytes() - resident_before_;
    for (uint32_t i = 0; i < kConnections; ++i) {
      slots_map_.Add(connections_[i], sizeof(Connection));
      frames_map_.Add(frames_[i], GetParam());
    }
  }

  // All but the first `kept` of order_.
  void Drop(uint32_t kept) {
    for (uint32_t i = kept; i < kConnections; ++i) {
      slab_.Release(connections_[order_[i]]);
      pool_.Release(frames_[order_[i]], GetParam());
    }
    for (uint32_t i = 0; i < kept; ++i) {
      slots_map_.AddLive(connections_[order_[i]], sizeof(Connection));
      frames_map_.AddLive(frames_[order_[i]], GetParam());
    }
  }

  void TrimTwice() {
    EXPECT_TRUE(slab_.Trim());
    EXPECT_TRUE(pool_.Trim());
    EXPECT_FALSE(slab_.Trim());
    EXPECT_FALSE(pool_.Trim());
    left_ = ResidentBytes() - resident_before_;
  }

  // Exactly the pages with a live slot are resident, and the accounting says so.
  void CheckPages() {
    const PageMap::Count slots = slots_map_.Look();
    const PageMap::Count frames = frames_map_.Look();
    EXPECT_EQ(slots.resident_not_live, 0u) << "of " << slots.pages;
    EXPECT_EQ(slots.live_not_resident, 0u) << "of " << slots.pages;
    EXPECT_EQ(frames.resident_not_live, 0u) << "of " << frames.pages;
    EXPECT_EQ(frames.live_not_resident, 0u) << "of " << frames.pages;
    EXPECT_EQ(accounting_.Bytes(Purpose::kConnections), slots.resident * kTestPageBytes);
    EXPECT_EQ(accounting_.Bytes(Purpose::kFrames), frames.resident * kTestPageBytes);
    std::cout << "pages kept: slots " << slots.resident << " of " << slots.pages << ", frames " << frames.resident
              << " of " << frames.pages << "; resident growth " << growth_ / 1024 << " KB, left " << left_ / 1024
              << " KB\n";
    const size_t pages = slots.pages + frames.pages;
    pages_share_ = static_cast<double>(slots.resident + frames.resident) / static_cast<double>(pages);
  }

  Accounting accounting_;
  Slab<Connection> slab_{1u << 22, Purpose::kConnections, &accounting_};
  FramePool pool_{&accounting_};
  std::vector<Connection*> connections_;
  std::vector<void*> frames_;
  std::vector<uint32_t> order_;
  PageMap slots_map_;
  PageMap frames_map_;
  int64_t resident_before_ = 0;
  int64_t growth_ = 0;
  int64_t left_ = 0;
  double pages_share_ = 0;
};

TEST_P(GiveBack, EveryPageGoesBackWhenAllAreGone) {
  Fill();
  EXPECT_EQ(slots_map_.Look().resident, slots_map_.Look().pages);
  Drop(0);
  TrimTwice();
  CheckPages();
  EXPECT_EQ(accounting_.Total(), 0u);
  if (kShadowed) GTEST_SKIP() << "VmRSS NOT CHECKED: the sanitizer's shadow of the slots stays resident";
  EXPECT_GE(growth_, int64_t{kConnections} * static_cast<int64_t>(128 + GetParam()) * 9 / 10);
  EXPECT_LE(left_, growth_ / 10);
}

TEST_P(GiveBack, OnlyPagesWithALiveSlotStayWhenOneInAHundredIsLeft) {
  const uint32_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::shuffle(order_.begin(), order_.end(), std::mt19937(seed));
  Fill();
  Drop(kConnections / 100);
  TrimTwice();
  CheckPages();
  EXPECT_LE(pages_share_, 0.4);
  if (kShadowed) GTEST_SKIP() << "VmRSS NOT CHECKED: the sanitizer's shadow of the slots stays resident";
  EXPECT_LE(left_, growth_ * 4 / 10);
}

TEST_P(GiveBack, ServesAgainAfterItAllWentBack) {
  Fill();
  Drop(0);
  TrimTwice();
  Fill();
  EXPECT_EQ(slots_map_.Look().resident, slots_map_.Look().pages);
  EXPECT_EQ(slab_.live(), kConnections);
  EXPECT_EQ(pool_.live(), kConnections);
  const auto pages = static_cast<uint64_t>(slots_map_.Look().pages);
  EXPECT_EQ(accounting_.Bytes(Purpose::kConnections), pages * kTestPageBytes);
}

INSTANTIATE_TEST_SUITE_P(FrameBytes, GiveBack, testing::Values(48, 64));

}  // namespace
}  // namespace mooring::alloc
