// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/recommendations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace mooring::server::doctor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<Recommendation> Parsed(const char* text) {
  const auto table = ParseRecommendations(text);
  EXPECT_TRUE(table.ok()) << table.status();
  return table.value_or(std::vector<Recommendation>());
}

TEST(Recommendations, AreReadFromRows) {
  const auto table =
      Parsed("# a comment|\n\nnet.ipv4.tcp_rmem:3|max|N * 2|warning|because\nfs.file-max|is|7|note|so\n");
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table[0].key, "net.ipv4.tcp_rmem");
  EXPECT_EQ(table[0].field, 2u);
  EXPECT_EQ(table[0].rule, Recommendation::Rule::kMax);
  EXPECT_EQ(table[0].value, "N * 2");
  EXPECT_TRUE(table[0].warns);
  EXPECT_EQ(table[0].reason, "because");
  EXPECT_EQ(table[1].field, 0u);
  EXPECT_EQ(table[1].rule, Recommendation::Rule::kIs);
  EXPECT_FALSE(table[1].warns);
}

TEST(Recommendations, ARowThatIsNoneIsNamed) {
  for (const char* row : {"a|min|1|note", "a|min|1|note|why|more", "|min|1|note|why", "a|least|1|note|why",
                          "a|min|one|note|why", "a|min|1|must|why", "a|min|1|note|", "a:0|min|1|note|why",
                          "a:x|min|1|note|why", "a:|min|1|note|why"}) {
    const auto table = ParseRecommendations(std::string("b|min|1|note|why\n") + row + "\n");
    ASSERT_FALSE(table.ok()) << row;
    EXPECT_THAT(std::string(table.status().message()), HasSubstr(row));
  }
}

TEST(Advise, AppliesTheRowsOfAKeyInTheirOrder) {
  const auto table = Parsed(
      "a|min|N|note|low\na|max|500|warning|high\n"
      "b:2|is|3|note|second\nc|min|1|note|c\nc|max|9|note|d\n");
  struct Case {
    uint64_t has, connections, should;
    bool warns;
    std::vector<std::string> reasons;
  };
  for (const Case& each : {Case{100, 100, 100, false, {}}, Case{99, 100, 100, false, {"low"}},
                           Case{600, 100, 500, true, {"high"}}, Case{600, 900, 500, true, {"low", "high"}},
                           Case{500, 900, 500, false, {}}}) {
    const Advice advice = Advise(table, "a", 0, each.has, {.connections = each.connections});
    EXPECT_EQ(advice.should, each.should) << each.has;
    EXPECT_EQ(advice.warns, each.warns) << each.has;
    EXPECT_EQ(advice.reasons, each.reasons) << each.has;
    EXPECT_EQ(advice.fine(), each.has == each.should);
  }
  EXPECT_TRUE(Advise(table, "b", 0, 7, {}).fine());
  EXPECT_EQ(Advise(table, "b", 1, 7, {}).should, 3u);
  EXPECT_TRUE(Advise(table, "none", 0, 7, {}).fine());
}

// The table that is built in, which is tools/sysctls.
TEST(Recommendations, TheTableHasAReasonForEachAndNoContradiction) {
  const auto table = ParseRecommendations(RecommendationsText());
  ASSERT_TRUE(table.ok()) << table.status();
  std::set<std::string> keys;
  for (const Recommendation& row : *table) keys.insert(row.key);
  for (const char* key : {"net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog", "net.core.netdev_max_backlog",
                          "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_tw_reuse", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
                          "net.ipv4.ip_local_port_range", "net.ipv4.tcp_migrate_req", "net.ipv4.tcp_syncookies",
                          "net.ipv4.tcp_mem", "net.ipv4.tcp_max_orphans", "net.ipv4.tcp_max_tw_buckets",
                          "net.netfilter.nf_conntrack_max", "vm.overcommit_memory", "vm.max_map_count", "fs.file-max",
                          "fs.nr_open", "limit.nofile", "limit.memlock"}) {
    EXPECT_EQ(keys.count(key), 1u) << key;
  }
  // Following it once is enough: what it wants, it is content with.
  for (const uint64_t connections : {1u, 10'000u, 1'000'000u, 10'000'000u}) {
    const Variables variables = {.connections = connections, .memory_bytes = uint64_t{16} << 30};
    for (const Recommendation& row : *table) {
      for (const uint64_t has : {uint64_t{0}, uint64_t{65536}, uint64_t{1} << 62}) {
        const Advice once = Advise(*table, row.key, row.field, has, variables);
        EXPECT_TRUE(Advise(*table, row.key, row.field, once.should, variables).fine()) << row.key << " " << has;
      }
    }
  }
}

TEST(Recommendations, TheTableIsContentWithAnOrdinaryKernelForTenThousand) {
  const auto table = ParseRecommendations(RecommendationsText());
  ASSERT_TRUE(table.ok());
  const Variables variables = {.connections = 10'000, .memory_bytes = uint64_t{4} << 30};
  struct Default {
    const char* key;
    size_t field;
    uint64_t value;
  };
  for (const Default& each : {Default{"net.core.somaxconn", 0, 4096}, Default{"net.ipv4.tcp_mem", 1, 62000},
                              Default{"net.ipv4.tcp_mem", 2, 93000}, Default{"net.ipv4.tcp_max_orphans", 0, 16384},
                              Default{"fs.file-max", 0, 9223372036854775807u}, Default{"fs.nr_open", 0, 1048576},
                              Default{"vm.overcommit_memory", 0, 0}, Default{"net.ipv4.tcp_rmem", 2, 33554432},
                              Default{"net.ipv4.ip_local_port_range", 0, 32768}}) {
    EXPECT_FALSE(Advise(*table, each.key, each.field, each.value, variables).warns) << each.key;
  }
  EXPECT_TRUE(Advise(*table, "net.core.somaxconn", 0, 128, variables).warns);
  EXPECT_TRUE(Advise(*table, "net.ipv4.ip_local_port_range", 0, 1024, variables).warns);
  EXPECT_TRUE(Advise(*table, "vm.overcommit_memory", 0, 2, variables).warns);
}

}  // namespace
}  // namespace mooring::server::doctor
