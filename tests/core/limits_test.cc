// SPDX-License-Identifier: Apache-2.0
#include "core/limits.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace mooring::core {
namespace {

rlimit Limit() {
  rlimit limit{};
  EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  return limit;
}

void SetSoftLimit(uint64_t soft) {
  rlimit limit = Limit();
  limit.rlim_cur = soft;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

// Entries of the kernel's table for this process.
uint64_t TableSize() {
  std::ifstream status("/proc/self/status");
  std::string word;
  uint64_t size = 0;
  while (status >> word) {
    if (word == "FDSize:") status >> size;
  }
  return size;
}

class LimitsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (fcntl(0, F_GETFD) < 0) {
      ASSERT_EQ(open("/dev/null", O_RDONLY), 0);
    }
  }
  void TearDown() override { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }

  const rlimit before_ = Limit();
};

TEST_F(LimitsTest, RaisesTheSoftLimitToTheHardOne) {
  SetSoftLimit(100);
  const auto limit = RaiseDescriptorLimit();
  ASSERT_TRUE(limit.ok()) << limit.status();
  EXPECT_EQ(limit->soft, before_.rlim_max);
  EXPECT_EQ(limit->hard, before_.rlim_max);
  EXPECT_EQ(Limit().rlim_cur, before_.rlim_max);
}

TEST_F(LimitsTest, RaisingTwiceChangesNothing) {
  ASSERT_TRUE(RaiseDescriptorLimit().ok());
  EXPECT_EQ(RaiseDescriptorLimit()->soft, before_.rlim_max);
}

// The table never shrinks, so the small sizes come first.
TEST_F(LimitsTest, TableGrowsToWhatIsAskedButNotBeyondTheSoftLimit) {
  ASSERT_GE(before_.rlim_max, 4096u);
  const uint64_t small = TableSize();
  ASSERT_GT(small, 0u);
  ASSERT_LT(small, 1000u);
  const int free_before = dup(0);
  close(free_before);
  GrowDescriptorTable(0);
  EXPECT_EQ(TableSize(), small);
  SetSoftLimit(1000);
  GrowDescriptorTable(uint64_t{1} << 40);
  EXPECT_GE(TableSize(), 1000u) << "asking for too much must grow it to the limit";
  EXPECT_LE(TableSize(), 2048u);
  SetSoftLimit(4096);
  GrowDescriptorTable(3000);
  EXPECT_GE(TableSize(), 3000u);
  EXPECT_LE(TableSize(), 4096u);
  const int free_after = dup(0);
  close(free_after);
  EXPECT_EQ(free_after, free_before) << "left a descriptor open";
  EXPECT_LT(fcntl(2999, F_GETFD), 0) << "left a descriptor open";
}

}  // namespace
}  // namespace mooring::core
