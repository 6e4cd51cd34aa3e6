// SPDX-License-Identifier: Apache-2.0
#include "tools/load/message_sizes.h"

#include <map>

#include "gtest/gtest.h"

namespace mooring::tools::load {
namespace {

TEST(MessageSizes, OneSizeIsAlwaysThat) {
  const MessageSizes sizes({17});
  EXPECT_FALSE(sizes.mixed());
  for (uint32_t number = 0; number < 10; ++number) EXPECT_EQ(sizes.Of(number, number), 17u);
  EXPECT_EQ(sizes.Largest(), 17u);
}

TEST(MessageSizes, EachIsDrawnAboutAsOftenAsItIsSaid) {
  const MessageSizes sizes({64, 16'384, 64, 1024});
  EXPECT_EQ(sizes.Largest(), 16'384u);
  std::map<uint32_t, int> drawn;
  for (uint32_t number = 0; number < 40'000; ++number) ++drawn[sizes.Of(number % 7, number)];
  ASSERT_EQ(drawn.size(), 3u);
  EXPECT_NEAR(drawn[64], 20'000, 1000);
  EXPECT_NEAR(drawn[1024], 10'000, 1000);
  EXPECT_NEAR(drawn[16'384], 10'000, 1000);
}

TEST(MessageSizes, AreTheSameInEveryRunAndNotOnEveryConnection) {
  const MessageSizes sizes({1, 2});
  int differ = 0;
  for (uint32_t number = 0; number < 1000; ++number) {
    EXPECT_EQ(sizes.Of(5, number), MessageSizes({1, 2}).Of(5, number));
    differ += sizes.Of(5, number) != sizes.Of(6, number) ? 1 : 0;
  }
  EXPECT_NEAR(differ, 500, 100);
}

}  // namespace
}  // namespace mooring::tools::load
