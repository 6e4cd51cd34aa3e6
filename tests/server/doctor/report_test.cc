// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace mooring::server::doctor {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

Report Example() {
  Report report;
  report.demand = {.connections = 20'000, .program = "mooringd", .shards = 2};
  report.findings = {{"limits", "nofile", Verdict::kOk, "nofile 20,000"},
                     {"limits", "memlock", Verdict::kProblem, "memlock 1 KB", "ulimit -l 672"},
                     {"plan", "fits", Verdict::kWarning, "few fit"}};
  return report;
}

TEST(Report, ExitCodeIsTheWorstVerdicts) {
  struct Case {
    std::vector<Verdict> verdicts;
    int code;
  };
  for (const Case& each :
       {Case{{}, 0}, Case{{Verdict::kOk, Verdict::kNote}, 0}, Case{{Verdict::kWarning, Verdict::kOk}, 1},
        Case{{Verdict::kWarning, Verdict::kProblem, Verdict::kNote}, 3}}) {
    Report report;
    for (const Verdict verdict : each.verdicts) report.findings.push_back({"a", "b", verdict, "c"});
    EXPECT_EQ(report.ExitCode(), each.code);
  }
}

TEST(Report, TextHasALineForEachUnderItsArea) {
  EXPECT_EQ(ToText(Example()),
            "mooringd doctor: this machine for 20,000 connections\n"
            "\nlimits\n"
            "  ok       nofile 20,000\n"
            "  problem  memlock 1 KB\n"
            "           > ulimit -l 672\n"
            "\nplan\n"
            "  warning  few fit\n"
            "\n1 problem, 1 warning\n");
  Report warned;
  warned.findings = {{"limits", "nofile", Verdict::kWarning, "x"}};
  EXPECT_THAT(ToText(warned), EndsWith("\n\n0 problems, 1 warning\n"));
  Report well;
  well.findings = {{"limits", "nofile", Verdict::kNote, "x"}};
  EXPECT_THAT(ToText(well), EndsWith("\n\nall well\n"));
}

TEST(Report, TextNamesTheScriptThatSetsSysctls) {
  Report report;
  report.demand.connections = 777;
  report.findings = {{"sysctls", "a", Verdict::kOk, "a = 1"}, {"plan", "b", Verdict::kNote, "b"}};
  EXPECT_THAT(ToText(report), Not(HasSubstr("tune-host")));
  report.findings[0].verdict = Verdict::kNote;
  EXPECT_THAT(ToText(report), HasSubstr("\ntune-host --apply --connections=777 "));
}

TEST(Report, JsonSaysTheSame) {
  Report report = Example();
  report.capacity.emplace();
  report.capacity->bounds = {{"descriptors", "RLIMIT_NOFILE", 7}, {"memory", "90 %", 8}};
  report.capacity->memory_bytes = 4096;
  report.capacity->server_bytes = 5;
  report.capacity->user_bytes = 2;
  report.capacity->kernel_bytes = 3;
  const std::string text = ToJson(report);
  EXPECT_THAT(text, EndsWith("}\n"));
  const nlohmann::json json = nlohmann::json::parse(text);
  EXPECT_EQ(json["verdict"], "problem");
  EXPECT_EQ(json["exit_code"], 3);
  EXPECT_EQ(json["connections"], 20'000);
  EXPECT_EQ(json["shards"], 2);
  EXPECT_EQ(json["plan"]["fits"], 7);
  EXPECT_EQ(json["plan"]["limited_by"], "descriptors");
  EXPECT_EQ(json["plan"]["bounds"][1]["name"], "memory");
  EXPECT_EQ(json["plan"]["bounds"][1]["connections"], 8);
  EXPECT_EQ(json["plan"]["bounds"][1]["limit"], "90 %");
  EXPECT_EQ(json["plan"]["user_bytes"], 40'005);
  EXPECT_EQ(json["plan"]["kernel_bytes"], 60'000);
  EXPECT_EQ(json["plan"]["memory_bytes"], 4096);
  ASSERT_EQ(json["findings"].size(), 3u);
  EXPECT_EQ(json["findings"][1]["area"], "limits");
  EXPECT_EQ(json["findings"][1]["name"], "memlock");
  EXPECT_EQ(json["findings"][1]["verdict"], "problem");
  EXPECT_EQ(json["findings"][1]["text"], "memlock 1 KB");
  EXPECT_EQ(json["findings"][1]["mend"], "ulimit -l 672");
  EXPECT_FALSE(json["findings"][0].contains("mend"));
}

TEST(Report, JsonOfAServerThatWouldNotStartHasNoPlan) {
  EXPECT_TRUE(nlohmann::json::parse(ToJson(Example()))["plan"].is_null());
}

TEST(Report, JsonIsValidWhateverTheMachineSays) {
  Report report;
  report.findings = {{"kernel", "version", Verdict::kOk, "Linux \xff\n\""}};
  EXPECT_TRUE(nlohmann::json::accept(ToJson(report)));
}

}  // namespace
}  // namespace mooring::server::doctor
