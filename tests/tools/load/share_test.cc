// SPDX-License-Identifier: Apache-2.0
#include "tools/load/share.h"

#include "gtest/gtest.h"

namespace mooring::tools::load {
namespace {

TEST(ShareOut, GivesEveryShardItsOwnSources) {
  Options options;
  options.target = *net::Address::Parse("127.0.0.1:7000");
  options.connections = 28003;
  const auto shares = ShareOut(options, 2);
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_EQ(shares[0].connections, 14002u);
  EXPECT_EQ(shares[1].connections, 14001u);
  ASSERT_EQ(shares[0].sources.size(), 2u);
  EXPECT_EQ(shares[0].sources[0].ToString(), "127.0.0.1:0");
  EXPECT_EQ(shares[1].sources[0].ToString(), "127.0.0.3:0");
}

TEST(ShareOut, ElsewhereTheKernelChooses) {
  Options options;
  options.target = *net::Address::Parse("[::1]:7000");
  EXPECT_TRUE(ShareOut(options, 1)[0].sources.empty());
}

TEST(ShareOut, ConnectsUnderWayAreBoundedOverAllShards) {
  Options options;
  options.target = *net::Address::Parse("127.0.0.1:7000");
  options.connections = 1'000'000;
  EXPECT_EQ(ShareOut(options, 1)[0].connecting_max, 128u);
  EXPECT_EQ(ShareOut(options, 64)[63].connecting_max, 2u);
  options.mode = Mode::kChurn;
  options.connections = 500;
  EXPECT_EQ(ShareOut(options, 2)[1].connecting_max, 250u) << "so many at a time is what it is for";
}

TEST(PartOf, FewerThingsNeverGiveAPartMore) {
  for (uint32_t whole = 1; whole <= 40; ++whole) {
    for (uint32_t parts = 1; parts <= 8; ++parts) {
      uint32_t sum = 0;
      for (uint32_t part = 0; part < parts; ++part) {
        sum += PartOf(whole, part, parts);
        EXPECT_LE(PartOf(whole - 1, part, parts), PartOf(whole, part, parts));
      }
      EXPECT_EQ(sum, whole);
    }
  }
}

}  // namespace
}  // namespace mooring::tools::load
