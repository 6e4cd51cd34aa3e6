// SPDX-License-Identifier: Apache-2.0
#include "core/locals.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "core/shard.h"
#include "core/shards.h"
#include "tests/core/test_port.h"

namespace mooring::core {
namespace {

struct Count {
  int n = 0;
};

struct Named {
  Named(std::string name, std::string* log) : name(std::move(name)), log(log) {}
  ~Named() { *log += name + (Shard::Current()->locals().Find<Count>() == nullptr ? " alone;" : " with a count;"); }
  std::string name;
  std::string* log;
};
struct Second : Named {
  using Named::Named;
};

TEST(Locals, EachShardHasItsOwn) {
  SteppedShard a, b({.id = 1});
  a.shard.locals().Emplace<Count>();
  b.shard.locals().Emplace<Count>().n = 7;
  {
    Shard::Enter enter(&a.shard);
    ++Local<Count>().n;
    EXPECT_EQ(Local<Count>().n, 1);
  }
  Shard::Enter enter(&b.shard);
  EXPECT_EQ(Local<Count>().n, 7);
}

TEST(Locals, WhatWasNotMadeIsNotFound) {
  std::string log;
  SteppedShard stepped;
  EXPECT_EQ(stepped.shard.locals().Find<Count>(), nullptr);
  stepped.shard.locals().Emplace<Second>("x", &log);  // a type with a number beyond
  EXPECT_EQ(stepped.shard.locals().Find<Count>(), nullptr);
}

TEST(LocalsDeathTest, AskingForWhatNobodyMadeSaysWhatIsMissing) {
  SteppedShard stepped;
  Shard::Enter enter(&stepped.shard);
  EXPECT_DEATH(Local<Count>(), "no PerShard<T>\\(\\) was said for");
}

TEST(Locals, GoLastMadeFirstInsideTheirShard) {
  std::string log;
  {
    SteppedShard stepped;
    stepped.shard.locals().Emplace<Named>("first", &log);
    stepped.shard.locals().Emplace<Count>();
    stepped.shard.locals().Emplace<Second>("last", &log);
  }
  EXPECT_EQ(log, "last with a count;first alone;");
}

TEST(Shards, PostsToAShardByItsNumber) {
  SteppedShard a, b({.id = 1});
  Shards shards({&a.shard, &b.shard});
  EXPECT_EQ(a.shard.shards(), &shards);
  EXPECT_EQ(shards.size(), 2u);
  uint32_t ran_on = 99;
  EXPECT_TRUE(shards.Post(1, [&] { ran_on = Shard::Current()->id(); }));
  EXPECT_FALSE(shards.Post(2, [&] { ran_on = 2; }));
  a.shard.RunTurn();
  EXPECT_EQ(ran_on, 99u);
  b.shard.RunTurn();
  EXPECT_EQ(ran_on, 1u);
}

}  // namespace
}  // namespace mooring::core
