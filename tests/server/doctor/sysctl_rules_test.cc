// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/doctor/rules.h"
#include "tests/server/doctor/found.h"

namespace mooring::server::doctor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kTable[] =
    "limit.nofile|min|N|warning|not a sysctl\n"
    "one|min|N|warning|too few\n"
    "two:1|max|10|note|too many\n"
    "two:2|min|M / 2|warning|too little\n"
    "two:2|max|100|note|too much\n"
    "three:1|min|5|note|the same\n"
    "three:2|min|5|note|the same\n"
    "four:1|min|5|warning|first\n"
    "four:2|min|5|note|second\n"
    "absent|is|1|warning|nobody\n";

Findings Judge(std::map<std::string, std::vector<uint64_t>> sysctls, const Demand& demand) {
  HostFacts host;
  host.machine_memory_bytes = 60;
  host.cgroup_memory_bytes = 20;  // has no say: sysctls are the machine's
  host.sysctls = std::move(sysctls);
  Findings findings;
  JudgeSysctls(host, *ParseRecommendations(kTable), demand, &findings);
  return findings;
}

TEST(SysctlRules, WhatIsAsItShouldBeIsSaidToo) {
  const Findings findings = Judge({{"one", {1000}}, {"two", {10, 30, 7}}}, {.connections = 1000});
  ASSERT_EQ(findings.size(), 2u) << "what is absent, and a limit, is nothing";
  EXPECT_EQ(Worst(findings), Verdict::kOk);
  EXPECT_EQ(Found(findings, "two").text, "two = 10 30 7");
  EXPECT_THAT(Found(findings, "two").mend, IsEmpty());
}

TEST(SysctlRules, TheRowSaysHowMuchItMatters) {
  Findings findings = Judge({{"one", {999}}}, {.connections = 1000});
  EXPECT_EQ(Found(findings, "one").verdict, Verdict::kWarning);
  EXPECT_EQ(Found(findings, "one").text, "one = 999, better 1000: too few");
  EXPECT_EQ(Found(findings, "one").mend, "sysctl -w one=1000");
  findings = Judge({{"two", {11, 30}}}, {});
  EXPECT_EQ(Found(findings, "two").verdict, Verdict::kNote);
}

TEST(SysctlRules, OfSeveralNumbersTheOthersStay) {
  const Findings findings = Judge({{"two", {11, 29, 7}}}, {});
  EXPECT_EQ(Found(findings, "two").verdict, Verdict::kWarning) << "the worse of both";
  EXPECT_EQ(Found(findings, "two").text, "two = 11 29 7, better 10 30 7: too many; too little");
  EXPECT_EQ(Found(findings, "two").mend, "sysctl -w two='10 30 7'");
}

TEST(SysctlRules, TheWorstOfItsNumbersCounts) {
  EXPECT_EQ(Found(Judge({{"four", {1, 1}}}, {}), "four").verdict, Verdict::kWarning);
  EXPECT_EQ(Found(Judge({{"four", {5, 1}}}, {}), "four").verdict, Verdict::kNote);
}

TEST(SysctlRules, AReasonIsSaidOnce) {
  EXPECT_EQ(Found(Judge({{"three", {1, 1}}}, {}), "three").text, "three = 1 1, better 5 5: the same");
}

}  // namespace
}  // namespace mooring::server::doctor
