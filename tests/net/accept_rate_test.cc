// SPDX-License-Identifier: Apache-2.0
#include "net/accept_rate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace mooring::net {
namespace {

constexpr core::Nanos kMs = core::kNanosPerMs;

TEST(AcceptRate, ATenthOfASecondIsThereAtOnceAndThenOneAfterTheOther) {
  AcceptRate rate(100);
  core::Nanos now = 5000 * kMs;
  int at_once = 0;
  while (rate.Take(now)) ++at_once;
  EXPECT_EQ(at_once, 10);
  EXPECT_EQ(rate.Due(), now + 10 * kMs);
  EXPECT_FALSE(rate.Take(now + 10 * kMs - 1));
  EXPECT_TRUE(rate.Take(now + 10 * kMs));
  EXPECT_FALSE(rate.Take(now + 10 * kMs));
  now += 60'000 * kMs;
  for (at_once = 0; rate.Take(now);) ++at_once;
  EXPECT_EQ(at_once, 10) << "a long rest earns no more";
}

TEST(AcceptRate, ALowOneHasOneTokenToBeginWith) {
  AcceptRate rate(2);
  EXPECT_TRUE(rate.Take(0));
  EXPECT_FALSE(rate.Take(499 * kMs));
  EXPECT_TRUE(rate.Take(500 * kMs));
}

TEST(AcceptRate, WhatWasGivenBackIsThereAgain) {
  AcceptRate rate(1);
  EXPECT_TRUE(rate.Take(kMs));
  EXPECT_FALSE(rate.Take(kMs));
  rate.GiveBack();
  EXPECT_TRUE(rate.Take(kMs));
  EXPECT_FALSE(rate.Take(kMs));
}

TEST(AcceptRate, ChangesWhileItRuns) {
  AcceptRate rate(0);
  EXPECT_FALSE(rate.on());
  rate.SetRate(1000);
  EXPECT_TRUE(rate.on());
  int taken = 0;
  for (core::Nanos now = 0; now < 1000 * kMs; now += kMs / 4) taken += rate.Take(now);
  EXPECT_GE(taken, 1000);
  EXPECT_LE(taken, 1100);
  rate.SetRate(0);
  EXPECT_FALSE(rate.on());
}

// Under --config=tsan too.
TEST(AcceptRate, IsExactWhateverThreadsDo) {
  constexpr int kShards = 6;
  constexpr core::Nanos kSteps = 20'000;
  AcceptRate rate(1000);
  std::atomic<core::Nanos> now{0};
  std::atomic<int> taken{0};
  std::vector<std::thread> shards;
  for (int i = 0; i < kShards; ++i) {
    shards.emplace_back([&] {
      for (core::Nanos at; (at = now.fetch_add(kMs / 10)) < kSteps * kMs / 10;) {
        if (rate.Take(at)) ++taken;
      }
    });
  }
  for (std::thread& shard : shards) shard.join();
  // Two seconds' tokens, and those of the first tenth. A thread that is late has an older time, and gets none for it.
  EXPECT_LE(taken, 2100);
  EXPECT_GE(taken, 1000);
}

}  // namespace
}  // namespace mooring::net
