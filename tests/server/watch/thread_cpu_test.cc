// SPDX-License-Identifier: Apache-2.0
// ThreadCpu: what is read of a made /proc, and of this thread.
#include "server/watch/thread_cpu.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "tests/core/made_tree.h"

namespace mooring::server::watch {
namespace {

class ThreadCpuTest : public testing::Test {
 protected:
  std::optional<ThreadCpu> Read(const std::string& stat, const std::string& schedstat) {
    tree_.Write("/proc/self/task/7/stat", stat).Write("/proc/self/task/7/schedstat", schedstat);
    return ReadThreadCpu(7, tree_.host());
  }
  core::MadeTree tree_;
};

TEST_F(ThreadCpuTest, AThreadThatRunsOrWaitsForACpuIsRunnable) {
  const auto cpu = Read("7 (shard) R 1 7\n", "123456789 55 3\n");
  ASSERT_TRUE(cpu.has_value());
  EXPECT_TRUE(cpu->runnable);
  EXPECT_EQ(cpu->used, 123456789);
}

TEST_F(ThreadCpuTest, OneThatWaitsForSomethingElseIsNotWhateverItsName) {
  const auto cpu = Read("7 (a) R (b) D 1 7\n", "9 55 3\n");
  ASSERT_TRUE(cpu.has_value());
  EXPECT_FALSE(cpu->runnable);
  EXPECT_EQ(cpu->used, 9);
}

TEST_F(ThreadCpuTest, WhatIsNotThereOrSaysSomethingElseIsNone) {
  EXPECT_FALSE(ReadThreadCpu(0, tree_.host()).has_value());
  EXPECT_FALSE(ReadThreadCpu(7, tree_.host()).has_value());
  EXPECT_FALSE(Read("7 (shard)", "9 55 3\n").has_value());
  EXPECT_FALSE(Read("7 (shard) R 1 7\n", "").has_value());
  EXPECT_FALSE(Read("7 (shard) R 1 7\n", "x 55 3\n").has_value());
}

TEST_F(ThreadCpuTest, ThisThreadRuns) {
  const auto cpu = ReadThreadCpu(gettid());
  ASSERT_TRUE(cpu.has_value());
  EXPECT_TRUE(cpu->runnable);
}

}  // namespace
}  // namespace mooring::server::watch
