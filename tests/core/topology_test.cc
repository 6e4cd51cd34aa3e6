// SPDX-License-Identifier: Apache-2.0
#include "core/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace mooring::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ErrorOf(std::string_view list) {
  const auto cpus = ParseCpuList(list);
  if (cpus.ok()) return "";
  EXPECT_EQ(cpus.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(cpus.status().message());
}

TEST(ParseCpuList, ReadsNumbersAndRangesSortedAndUnique) {
  EXPECT_THAT(*ParseCpuList("0-3,8"), ElementsAre(0, 1, 2, 3, 8));
  EXPECT_THAT(*ParseCpuList("8,0-3,2-4"), ElementsAre(0, 1, 2, 3, 4, 8));
  EXPECT_THAT(*ParseCpuList("5"), ElementsAre(5));
  EXPECT_THAT(*ParseCpuList("5-5"), ElementsAre(5));
  EXPECT_THAT(*ParseCpuList(" 1 , 2 - 3\n"), ElementsAre(1, 2, 3));
  EXPECT_EQ(ParseCpuList("0-65535")->size(), 65536u);
}

TEST(ParseCpuList, NamesThePartThatIsWrongAndShowsAnExample) {
  for (const auto& [list, part] : std::vector<std::pair<std::string, std::string>>{
           {"", "\"\""},
           {"0,,1", "\"\""},
           {"0,1,", "\"\""},
           {"0,x,2", "\"x\""},
           {"0,1-,2", "\"1-\""},
           {"-1", "\"-1\""},
           {"0x3", "\"0x3\""},
           {"1-2-3", "\"1-2-3\""},
           {"0,7-4", "\"7-4\""},
           {"0-99999999999999", "\"0-99999999999999\""},
           {"65536", "\"65536\""},
           {"1 2", "\"1 2\""},
       }) {
    const std::string error = ErrorOf(list);
    EXPECT_THAT(error, HasSubstr(": " + part + " ")) << list;
    EXPECT_THAT(error, HasSubstr("0-3,8")) << list;
  }
  EXPECT_THAT(ErrorOf("3-1"), HasSubstr("backwards"));
}

TEST(ParseCpuList, RepeatedRangesCannotEatTheMemory) {
  std::string list = "0-65535";
  for (int i = 0; i < 1000; ++i) list += ",0-65535";
  EXPECT_THAT(ErrorOf(list), HasSubstr("named before"));
}

TEST(FormatCpuList, WritesRanges) {
  EXPECT_EQ(FormatCpuList({}), "");
  EXPECT_EQ(FormatCpuList({4}), "4");
  EXPECT_EQ(FormatCpuList({0, 1, 2, 3, 8}), "0-3,8");
  EXPECT_EQ(FormatCpuList({0, 2, 3, 5}), "0,2-3,5");
  EXPECT_THAT(*ParseCpuList(FormatCpuList({1, 2, 9, 70, 71, 5000})), ElementsAre(1, 2, 9, 70, 71, 5000));
}

TEST(AllowedCpus, AgreesWithProc) {
  const auto allowed = AllowedCpus();
  ASSERT_TRUE(allowed.ok()) << allowed.status();
  std::ifstream status("/proc/thread-self/status");
  std::string line;
  const std::string key = "Cpus_allowed_list:";
  while (std::getline(status, line) && line.rfind(key, 0) != 0) {
  }
  ASSERT_EQ(line.rfind(key, 0), 0u);
  EXPECT_EQ(*allowed, *ParseCpuList(line.substr(key.size())));
}

TEST(PinThisThread, LeavesTheThreadOneCpu) {
  std::thread([] {  // its affinity ends with it
    const auto allowed = AllowedCpus();
    ASSERT_TRUE(allowed.ok());
    const int cpu = allowed->back();
    ASSERT_TRUE(PinThisThread(cpu).ok());
    EXPECT_THAT(*AllowedCpus(), ElementsAre(cpu));
    EXPECT_EQ(sched_getcpu(), cpu);
  })
      .join();
}

TEST(PinThisThread, SaysWhyItCannot) {
  const auto before = AllowedCpus();
  const absl::Status absent = PinThisThread(kCpuMax);
  EXPECT_EQ(absent.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(absent.message()), HasSubstr("CPU 65535"));
  EXPECT_EQ(PinThisThread(-1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(*AllowedCpus(), *before);
}

}  // namespace
}  // namespace mooring::core
