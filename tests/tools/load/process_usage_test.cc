// SPDX-License-Identifier: Apache-2.0
#include "tools/load/process_usage.h"

#include <unistd.h>

#include "gtest/gtest.h"

namespace mooring::tools::load {
namespace {

TEST(ProcessUsage, CpuTimeIsUserAndSystemBehindAnyName) {
  const std::string stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 7 8 20 0 1 0 12345 1000 10";
  const auto seconds = CpuSecondsOf(stat, 100);
  ASSERT_TRUE(seconds.ok()) << seconds.status();
  EXPECT_DOUBLE_EQ(*seconds, 2.0);
}

TEST(ProcessUsage, CutStatIsAnError) {
  EXPECT_FALSE(CpuSecondsOf("42 (a) S 1 42", 100).ok());
  EXPECT_FALSE(CpuSecondsOf("", 100).ok());
}

TEST(ProcessUsage, ResidentBytesAreKilobytesOfVmRss) {
  const auto bytes = ResidentBytesOf("Name:\ta\nVmHWM:\t   99 kB\nVmRSS:\t   12 kB\nRssAnon:\t 1 kB\n");
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(*bytes, 12u * 1024);
  EXPECT_FALSE(ResidentBytesOf("Name:\tkthreadd\n").ok());
}

TEST(ProcessUsage, ReadsThisProcessAndNoOther) {
  const auto usage = ReadProcessUsage(getpid());
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_GT(usage->resident_bytes, 100'000u);
  EXPECT_FALSE(ReadProcessUsage(0x7ffffffe).ok());
}

}  // namespace
}  // namespace mooring::tools::load
