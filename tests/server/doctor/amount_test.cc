// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/amount.h"

#include <gtest/gtest.h>

namespace mooring::server::doctor {
namespace {

TEST(Amount, CountsHaveCommas) {
  EXPECT_EQ(Count(0), "0");
  EXPECT_EQ(Count(999), "999");
  EXPECT_EQ(Count(1000), "1,000");
  EXPECT_EQ(Count(123456), "123,456");
  EXPECT_EQ(Count(1048576), "1,048,576");
  EXPECT_EQ(Count(9223372036854775807u), "unlimited");
}

TEST(Amount, BytesAreInAUnitThatFits) {
  EXPECT_EQ(Bytes(1023), "1023 B");
  EXPECT_EQ(Bytes(1024), "1.0 KB");
  EXPECT_EQ(Bytes(1536 * 1024), "1.5 MB");
  EXPECT_EQ(Bytes(uint64_t{500} << 30), "500 GB");
  EXPECT_EQ(Bytes(UINT64_MAX), "unlimited");
}

}  // namespace
}  // namespace mooring::server::doctor
