// SPDX-License-Identifier: Apache-2.0
#include "core/count_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "core/shard.h"

namespace mooring::core {
namespace {

enum class Fruit : uint8_t { kApples, kPears, kCount };
constexpr std::string_view kNames[] = {"apples", "pears"};
using Fruits = SharedCounts<Fruit>;

struct Shown {
  std::string family;
  std::string of;
  uint64_t apples;
  uint64_t pears;
  friend bool operator==(const Shown&, const Shown&) = default;
};
std::vector<Shown> All(Shard* shard) {
  std::vector<Shown> all;
  shard->counts().ForEach([&](const CountTable::Entry& entry) {
    EXPECT_EQ(entry.names().size(), 2u);
    all.push_back({std::string(entry.family()), entry.of(), entry.Read(0), entry.Read(1)});
  });
  return all;
}

class CountTableTest : public testing::Test {
 protected:
  ManualClock clock_;
  Shard shard_{{.id = 0, .clock = &clock_}};
};

TEST_F(CountTableTest, ShowsWhatObjectsOfTheShardCount) {
  Shard::Enter enter(&shard_);
  Fruits a("fruit", "a", kNames);
  Fruits b("fruit", "b", kNames);
  Fruits same("fruit", "a", kNames);  // two at a time have their own
  a.Add(Fruit::kApples);
  b.Add(Fruit::kPears, 5);
  same.Add(Fruit::kApples, 2);
  EXPECT_EQ(All(&shard_), (std::vector<Shown>{{"fruit", "a", 1, 0}, {"fruit", "b", 0, 5}, {"fruit", "a", 2, 0}}));
  EXPECT_EQ(b.set().Read(Fruit::kPears), 5u);
}

TEST_F(CountTableTest, CountsStayAndTheNextOneOfTheNameGoesOn) {
  Shard::Enter enter(&shard_);
  for (int i = 0; i < 10; ++i) {
    Fruits a("fruit", "a", kNames);
    a.Add(Fruit::kApples);
  }
  EXPECT_EQ(All(&shard_), (std::vector<Shown>{{"fruit", "a", 10, 0}}));
  Fruits other("vegetable", "a", kNames);
  EXPECT_EQ(All(&shard_).size(), 2u);
}

TEST_F(CountTableTest, OneTooManyCountsForItself) {
  Shard::Enter enter(&shard_);
  std::vector<std::unique_ptr<Fruits>> many;
  for (uint32_t i = 0; i < CountTable::kEntriesMax + 3; ++i) {
    many.push_back(std::make_unique<Fruits>("fruit", std::to_string(i), kNames));
    many.back()->Add(Fruit::kApples);
  }
  EXPECT_EQ(All(&shard_).size(), CountTable::kEntriesMax);
  EXPECT_EQ(many.back()->set().Read(Fruit::kApples), 1u);
}

TEST_F(CountTableTest, OutsideOfAShardAndBeyondItsEndItCountsForItself) {
  Fruits outside("fruit", "a", kNames);
  outside.Add(Fruit::kPears);
  EXPECT_EQ(outside.set().Read(Fruit::kPears), 1u);
  EXPECT_TRUE(All(&shard_).empty());
  std::unique_ptr<Fruits> longer;
  {
    Shard gone({.id = 1, .clock = &clock_});
    Shard::Enter enter(&gone);
    longer = std::make_unique<Fruits>("fruit", "a", kNames);
  }
  longer->Add(Fruit::kPears, 2);
  EXPECT_EQ(longer->set().Read(Fruit::kPears), 2u);
}

// Under ThreadSanitizer: entries come while they are read.
TEST_F(CountTableTest, IsReadWhileItGrows) {
  std::atomic<bool> done{false};
  uint64_t most = 0;
  std::thread reader([&] {
    while (!done.load()) {
      uint64_t sum = 0;
      shard_.counts().ForEach([&](const CountTable::Entry& entry) { sum += entry.Read(0) + entry.of().size(); });
      EXPECT_GE(sum, most);
      most = sum;
    }
  });
  {
    Shard::Enter enter(&shard_);
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 100; ++i) Fruits("fruit", std::to_string(i), kNames).Add(Fruit::kApples);
    }
  }
  done = true;
  reader.join();
  EXPECT_EQ(All(&shard_).size(), 100u);
  EXPECT_EQ(All(&shard_)[7].apples, 4u);
}

}  // namespace
}  // namespace mooring::core
