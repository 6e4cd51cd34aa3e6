// SPDX-License-Identifier: Apache-2.0
#include "net/credit.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace mooring::net {
namespace {

TEST(Credit, AShardThatFindsNoneIsNamedOnceWhenSomeComesBack) {
  Credit credit(1);
  EXPECT_TRUE(credit.Take(3));
  EXPECT_FALSE(credit.AnyWaiting());
  EXPECT_FALSE(credit.Take(70));
  EXPECT_FALSE(credit.Take(1023));
  EXPECT_TRUE(credit.AnyWaiting());
  credit.Give(1);
  std::vector<uint32_t> named;
  credit.TakeWaiting([&](uint32_t shard) { named.push_back(shard); });
  EXPECT_EQ(named, (std::vector<uint32_t>{70, 1023}));
  EXPECT_FALSE(credit.AnyWaiting());
  EXPECT_EQ(credit.left(), 1);
}

TEST(Credit, WhatWasTakenUnaskedMayGoBelowNothingAndIsOwed) {
  Credit credit(2);
  credit.TakeUnasked(3);
  EXPECT_EQ(credit.left(), -1);
  EXPECT_FALSE(credit.Take(0));
  credit.Give(2);
  EXPECT_TRUE(credit.Take(0));
  EXPECT_FALSE(credit.Take(0));
}

// Under --config=tsan too.
TEST(Credit, TheCapIsExactAndNoShardIsForgottenWhateverThreadsDo) {
  constexpr int64_t kCap = 3;
  constexpr uint32_t kShards = 6;
  constexpr int kEach = 3'000;
  Credit credit(kCap);
  std::atomic<int64_t> held{0};
  std::atomic<int64_t> most{0};
  std::atomic<bool> mail[kShards] = {};  // as a shard is mailed when credit has come back
  std::vector<std::thread> shards;
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    shards.emplace_back([&, shard] {
      for (int taken = 0; taken < kEach;) {
        if (!credit.Take(shard)) {
          mail[shard].wait(false);  // a shard that is forgotten hangs here
          mail[shard] = false;
          continue;
        }
        ++taken;
        const int64_t now = held.fetch_add(1) + 1;
        int64_t before = most.load();
        while (before < now && !most.compare_exchange_weak(before, now)) {
        }
        held.fetch_sub(1);
        credit.Give(1);
        if (!credit.AnyWaiting()) continue;
        credit.TakeWaiting([&](uint32_t waiting) {
          mail[waiting] = true;
          mail[waiting].notify_one();
        });
      }
    });
  }
  for (std::thread& shard : shards) shard.join();
  EXPECT_EQ(credit.left(), kCap);
  EXPECT_LE(most.load(), kCap);
}

}  // namespace
}  // namespace mooring::net
