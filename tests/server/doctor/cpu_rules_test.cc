// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/doctor/rules.h"
#include "tests/server/doctor/found.h"

namespace mooring::server::doctor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Findings Judge(const HostFacts& host, int shards) {
  Findings findings;
  JudgeCpus(host, {.shards = shards}, &findings);
  return findings;
}

TEST(CpuRules, MoreShardsThanCpusTakeTurns) {
  HostFacts host;
  host.allowed_cpus = {0, 1, 4};
  EXPECT_EQ(Found(Judge(host, 3), "cpus").verdict, Verdict::kOk);
  EXPECT_THAT(Found(Judge(host, 3), "cpus").text, HasSubstr("3 shards, CPU 0-1,4"));
  EXPECT_EQ(Found(Judge(host, 4), "cpus").verdict, Verdict::kWarning);
  EXPECT_THAT(Found(Judge(host, 4), "cpus").mend, HasSubstr("--shards=3"));
  host.allowed_cpus.clear();
  EXPECT_EQ(Found(Judge(host, 4), "cpus").verdict, Verdict::kNote);
}

TEST(CpuRules, MoreShardsThanTheQuotaIsSaidAloud) {
  struct Case {
    std::optional<double> quota;
    int shards;
    Verdict verdict;
    const char* mend;
  };
  for (const Case& each :
       {Case{std::nullopt, 64, Verdict::kOk, ""}, Case{2.0, 2, Verdict::kOk, ""}, Case{2.5, 2, Verdict::kOk, ""},
        Case{1.5, 2, Verdict::kWarning, "--shards=1"}, Case{3.9, 8, Verdict::kWarning, "--shards=3"},
        Case{0.5, 1, Verdict::kWarning, "larger quota"}, Case{0.5, 2, Verdict::kWarning, "--shards=1"}}) {
    HostFacts host;
    host.cpu_quota = each.quota;
    const Finding finding = Found(Judge(host, each.shards), "quota");
    EXPECT_EQ(finding.verdict, each.verdict) << each.shards;
    EXPECT_THAT(finding.mend, HasSubstr(each.mend));
    if (each.quota == 0.5 && each.shards == 1) {
      EXPECT_THAT(finding.mend, Not(HasSubstr("--shards")));
    }
  }
}

TEST(CpuRules, NodesAreSaid) {
  HostFacts host;
  host.nodes = {{.number = 0, .cpus = {0}}};
  EXPECT_THAT(Found(Judge(host, 1), "numa").text, HasSubstr("one NUMA node"));
  host.nodes = {{.number = 0, .cpus = {0, 1, 2, 3}, .memory_bytes = uint64_t{64} << 30},
                {.number = 1, .cpus = {4, 5, 6, 7}, .memory_bytes = uint64_t{32} << 30},
                {.number = 2, .cpus = {}, .memory_bytes = uint64_t{8} << 30}};
  EXPECT_THAT(Found(Judge(host, 1), "numa").text, HasSubstr("3 NUMA nodes: node 0 has CPU 0-3 and 64.0 GB; node 1 has "
                                                            "CPU 4-7 and 32.0 GB; node 2 has no CPU and 8.0 GB"));
}

TEST(CpuRules, ACardAtANodeThatIsNotUsedIsANote) {
  HostFacts host;
  host.nodes = {{.number = 0, .cpus = {0, 1}}, {.number = 1, .cpus = {2, 3}}};
  host.nics = {{.name = "eth0", .node = 1}, {.name = "eth1", .node = 0}, {.name = "eth2", .node = -1}};
  host.allowed_cpus = {0, 1};
  const Findings findings = Judge(host, 2);
  EXPECT_EQ(Found(findings, "numa:eth0").verdict, Verdict::kNote);
  EXPECT_THAT(Found(findings, "numa:eth0").mend, HasSubstr("node 1"));
  EXPECT_FALSE(Has(findings, "numa:eth1"));
  EXPECT_FALSE(Has(findings, "numa:eth2"));
  host.allowed_cpus = {0, 3};
  EXPECT_FALSE(Has(Judge(host, 2), "numa:eth0"));
}

}  // namespace
}  // namespace mooring::server::doctor
