// SPDX-License-Identifier: Apache-2.0
// The doctor and tools/tune-host read one table, each in its own way: what the script has set, the doctor is content
// with, and what the doctor finds fault with, the script sets.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "server/doctor/host_facts.h"
#include "server/doctor/rules.h"
#include "tests/core/made_tree.h"

namespace mooring::server::doctor {
namespace {

std::string DefaultOf(const std::string& key) {
  if (key == "net.ipv4.ip_local_port_range") return "1024\t60999\n";
  if (key == "net.ipv4.tcp_rmem" || key == "net.ipv4.tcp_wmem") return "4096\t262144\t134217728\n";
  if (key == "net.ipv4.tcp_mem") return "1000\t2000\t99999999\n";
  return "2\n";
}

TEST(TuneHost, SetsWhatTheDoctorWants) {
  const auto table = ParseRecommendations(RecommendationsText());
  ASSERT_TRUE(table.ok());
  for (const uint64_t connections : {uint64_t{1000}, uint64_t{3'000'000}}) {
    core::MadeTree tree;
    tree.Write("/proc/meminfo", "MemTotal:       8000000 kB\n");
    tree.Write("/proc/self/limits", "Max open files            1024                 524288               files     \n");
    for (const Recommendation& row : *table) {
      if (row.key.rfind("limit.", 0) == 0) continue;
      std::string path = row.key;
      for (char& c : path) c = c == '.' ? '/' : c;
      tree.Write("/proc/sys/" + path, DefaultOf(row.key));
    }
    const auto judge = [&] {
      Findings findings;
      JudgeSysctls(GatherHost(tree.host(), *table), *table, {.connections = connections}, &findings);
      return findings;
    };
    const Findings before = judge();
    EXPECT_GT(before.size(), 15u);
    EXPECT_EQ(Worst(before), Verdict::kWarning);
    const std::string command =
        "tools/tune-host --apply --root='" + tree.root() + "' --connections=" + std::to_string(connections) + " >&2";
    EXPECT_EQ(std::system(command.c_str()), 0);
    const Findings after = judge();
    ASSERT_EQ(after.size(), before.size());
    for (size_t i = 0; i < after.size(); ++i) {
      EXPECT_EQ(after[i].verdict, Verdict::kOk) << after[i].text;
      if (before[i].verdict == Verdict::kOk) continue;
      // "a = 1 2", and what was said: "sysctl -w a='1 2'".
      const std::string value = after[i].text.substr(after[i].name.size() + 3);
      const std::string quote = value.find(' ') == value.npos ? "" : "'";
      EXPECT_EQ(before[i].mend, "sysctl -w " + after[i].name + "=" + quote + value + quote);
    }
  }
}

}  // namespace
}  // namespace mooring::server::doctor
