// SPDX-License-Identifier: Apache-2.0
#include "net/slot_table.h"

#include <gtest/gtest.h>

#include "alloc/accounting.h"

namespace mooring::net {
namespace {

TEST(SlotTable, KeepsWhatWasSetUntilItIsForgotten) {
  alloc::Accounting accounting;
  SlotTable<uint32_t> table(3 * SlotTable<uint32_t>::kPageSlots, &accounting);
  EXPECT_EQ(table.Find(5), nullptr);
  ASSERT_TRUE(table.Set(5, 0));
  ASSERT_NE(table.Find(5), nullptr) << "nought is a value";
  EXPECT_EQ(table.Find(6), nullptr);
  table.Forget(5);
  EXPECT_EQ(table.Find(5), nullptr);
  table.Forget(5);
  ASSERT_TRUE(table.Set(5, 9));
  EXPECT_EQ(*table.Find(5), 9u);
}

TEST(SlotTable, MemoryComesByThePageAndGoesWhenNobodyIsInIt) {
  alloc::Accounting accounting;
  {
    constexpr uint32_t kPage = SlotTable<uint64_t>::kPageSlots;
    SlotTable<uint64_t> table(4 * kPage, &accounting);
    EXPECT_EQ(accounting.Total(), 0u);
    ASSERT_TRUE(table.Set(0, 1));
    const uint64_t page = accounting.Total();
    EXPECT_GE(page, kPage * sizeof(uint64_t));
    ASSERT_TRUE(table.Set(kPage - 1, 1));
    EXPECT_EQ(accounting.Total(), page);
    ASSERT_TRUE(table.Set(3 * kPage, 1));
    EXPECT_EQ(accounting.Total(), 2 * page);
    table.Forget(0);
    table.Trim();
    EXPECT_EQ(accounting.Total(), 2 * page) << "somebody is in each";
    table.Forget(kPage - 1);
    table.Trim();
    EXPECT_EQ(accounting.Total(), page);
    EXPECT_EQ(*table.Find(3 * kPage), 1u);
  }
  EXPECT_EQ(accounting.Total(), 0u);
}

}  // namespace
}  // namespace mooring::net
