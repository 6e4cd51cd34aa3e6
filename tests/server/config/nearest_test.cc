// SPDX-License-Identifier: Apache-2.0
#include "server/config/nearest.h"

#include <gtest/gtest.h>

#include <string>

namespace mooring::server::config {
namespace {

TEST(Nearest, IsTheOneWithTheFewestChanges) {
  EXPECT_EQ(Nearest("shard", {"cpus", "shards", "share"}), "shards");
  EXPECT_EQ(Nearest("shrads", {"shares", "shards"}), "shards") << "two that changed places are one change";
  EXPECT_EQ(Nearest("dealine", {"delay", "deadline"}), "deadline");
  EXPECT_EQ(Nearest("deadlines", {"delay", "deadline"}), "deadline");
  EXPECT_EQ(Nearest("x", {"cpus", "shards"}), "");
  EXPECT_EQ(Nearest("ab", {"cd"}), "") << "nothing of it is right";
  EXPECT_EQ(Nearest("", {"cpus"}), "");
  EXPECT_EQ(Nearest("cpus", {}), "");
  EXPECT_EQ(Nearest(std::string(100, 'x'), {std::string(100, 'x')}), "") << "too long to be looked at";
}

TEST(Nearest, IsSaidOrElseAllThatIsKnown) {
  EXPECT_EQ(DidYouMean("shard", {"cpus", "shards"}, "--"), "; the nearest is --shards");
  EXPECT_EQ(DidYouMean("bogus", {"echo", "line"}), "; known are echo, line");
  EXPECT_EQ(DidYouMean("bogus", {}), "");
}

}  // namespace
}  // namespace mooring::server::config
