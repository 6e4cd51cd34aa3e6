// SPDX-License-Identifier: Apache-2.0
#include "net/address_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string_view>
#include <thread>
#include <vector>

#include "net/address.h"

namespace mooring::net {
namespace {

using Answer = AddressTable::Answer;

uint64_t Source(std::string_view text) { return AddressTable::SourceOf(*Address::Parse(text)); }

TEST(AddressTable, ASourceIsAnIpv4AddressOrTheFirstHalfOfAnIpv6One) {
  EXPECT_EQ(Source("192.0.2.1:80"), Source("192.0.2.1:81"));
  EXPECT_NE(Source("192.0.2.1:80"), Source("192.0.2.2:80"));
  EXPECT_EQ(Source("192.0.2.1:80"), Source("[::ffff:192.0.2.1]:80")) << "on a socket of both families it looks so";
  EXPECT_EQ(Source("[2001:db8:1:2::1]:80"), Source("[2001:db8:1:2:ffff:ffff:ffff:ffff]:80"));
  EXPECT_NE(Source("[2001:db8:1:2::1]:80"), Source("[2001:db8:1:3::1]:80"));
  EXPECT_NE(Source("[::1]:80"), Source("0.0.0.1:80"));
}

TEST(AddressTable, HasNoMoreOfASourceThanTheCapAndForgetsWhoIsGone) {
  AddressTable table(2);
  EXPECT_EQ(table.Take(7), Answer::kTaken);
  EXPECT_EQ(table.Take(7), Answer::kTaken);
  EXPECT_EQ(table.Take(7), Answer::kFull);
  EXPECT_EQ(table.Take(8), Answer::kTaken);
  EXPECT_EQ(table.CountOf(7), 2u);
  table.Give(7);
  EXPECT_EQ(table.Take(7), Answer::kTaken);
  table.SetMax(3);
  EXPECT_EQ(table.Take(7), Answer::kTaken);
  table.SetMax(1);
  EXPECT_EQ(table.Take(7), Answer::kFull) << "those that are there stay";
  for (int i = 0; i < 3; ++i) table.Give(7);
  table.Give(8);
  EXPECT_EQ(table.sources(), 0u);
}

// Under --config=tsan too.
TEST(AddressTable, TheCapIsExactWhateverThreadsDo) {
  constexpr uint32_t kCap = 3;
  constexpr int kShards = 6;
  constexpr int kEach = 5'000;
  constexpr uint64_t kSources = 5;
  AddressTable table(kCap);
  std::atomic<uint32_t> held[kSources] = {};
  std::atomic<uint64_t> over{0}, full{0};
  std::vector<std::thread> shards;
  for (int shard = 0; shard < kShards; ++shard) {
    shards.emplace_back([&, shard] {
      for (int i = 0; i < kEach; ++i) {
        const uint64_t source = static_cast<uint64_t>(i / 7 + shard) % kSources;
        if (table.Take(source) != Answer::kTaken) {
          ++full;
          continue;
        }
        if (++held[source] > kCap) ++over;
        if (i % 16 == 0) std::this_thread::yield();
        --held[source];
        table.Give(source);
      }
    });
  }
  for (std::thread& shard : shards) shard.join();
  EXPECT_EQ(over, 0u);
  EXPECT_EQ(table.sources(), 0u);
}

}  // namespace
}  // namespace mooring::net
