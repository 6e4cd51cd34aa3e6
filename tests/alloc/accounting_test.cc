// SPDX-License-Identifier: Apache-2.0
#include "alloc/accounting.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <string_view>
#include <thread>

namespace mooring::alloc {
namespace {

TEST(Accounting, KeepsPurposesApartAndSumsThem) {
  Accounting accounting;
  EXPECT_EQ(accounting.Total(), 0u);
  accounting.Add(Purpose::kConnections, 4096);
  accounting.Add(Purpose::kOther, 100);
  accounting.Add(Purpose::kConnections, 4096);
  accounting.Add(Purpose::kOther, -40);
  EXPECT_EQ(accounting.Bytes(Purpose::kConnections), 8192u);
  EXPECT_EQ(accounting.Bytes(Purpose::kOther), 60u);
  EXPECT_EQ(accounting.Bytes(Purpose::kFrames), 0u);
  EXPECT_EQ(accounting.Total(), 8252u);
}

TEST(Accounting, EveryPurposeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int i = 0; i < kPurposes; ++i) names.insert(Name(static_cast<Purpose>(i)));
  EXPECT_EQ(names.size(), static_cast<size_t>(kPurposes));
  EXPECT_EQ(names.count("unknown"), 0u);
  EXPECT_EQ(Name(Purpose::kConnections), "connections");
  EXPECT_EQ(Name(Purpose::kFrames), "frames");
}

TEST(Accounting, CanBeReadWhileItIsWritten) {
  Accounting accounting;
  std::atomic<bool> reading{false};
  std::atomic<bool> done{false};
  uint64_t wrong = 0;
  std::thread reader([&] {
    do {
      const uint64_t bytes = accounting.Bytes(Purpose::kFrames);
      if (bytes % 4096 != 0 || bytes > 100 * 4096) ++wrong;
      if (accounting.Total() > 100 * 4096) ++wrong;
      reading.store(true, std::memory_order_relaxed);
    } while (!done.load(std::memory_order_relaxed));
  });
  while (!reading.load(std::memory_order_relaxed)) std::this_thread::yield();
  for (int round = 0; round < 1000; ++round) {
    for (int i = 0; i < 100; ++i) accounting.Add(Purpose::kFrames, 4096);
    for (int i = 0; i < 100; ++i) accounting.Add(Purpose::kFrames, -4096);
  }
  done.store(true, std::memory_order_relaxed);
  reader.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(accounting.Total(), 0u);
}

}  // namespace
}  // namespace mooring::alloc
