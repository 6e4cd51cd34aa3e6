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

HostFacts Host(uint64_t low, uint64_t high, const std::string& reserved = "") {
  HostFacts host;
  host.sysctls["net.ipv4.ip_local_port_range"] = {low, high};
  host.reserved_ports = reserved;
  return host;
}

Findings Judge(const HostFacts& host, const Demand& demand) {
  Findings findings;
  JudgePorts(host, demand, &findings);
  return findings;
}

TEST(PortRules, SayWhatOutboundConnectionsGet) {
  struct Case {
    uint64_t low, high;
    const char* reserved;
    uint64_t connections;
    std::vector<std::string> says;
  };
  for (const Case& each : {Case{32768, 60999, "", 28'232, {"28,232 outbound", "takes 1 times", "The even ports"}},
                           Case{32768, 60999, "", 28'233, {"takes 2 times"}},
                           Case{32769, 60999, "", 100'000, {"28,230 outbound", "takes 4 times", "The odd ports"}},
                           Case{32768, 60999, "80,40000-40001,61000", 1, {"28,230 outbound"}}}) {
    const Finding finding =
        Found(Judge(Host(each.low, each.high, each.reserved), {.connections = each.connections}), "outbound");
    EXPECT_EQ(finding.verdict, Verdict::kOk);
    for (const std::string& text : each.says) EXPECT_THAT(finding.text, HasSubstr(text));
  }
}

TEST(PortRules, NoPortAtAllIsAWarning) {
  for (const HostFacts& host : {Host(40000, 40000), Host(40000, 40001, "40000-40001")}) {
    const Finding finding = Found(Judge(host, {}), "outbound");
    EXPECT_EQ(finding.verdict, Verdict::kWarning);
    EXPECT_THAT(finding.mend, HasSubstr("ip_local_port_range="));
  }
}

TEST(PortRules, AnUnreadableRangeIsANote) {
  EXPECT_EQ(Found(Judge(HostFacts(), {}), "outbound").verdict, Verdict::kNote);
  EXPECT_EQ(Found(Judge(Host(2, 1), {}), "outbound").verdict, Verdict::kNote);
}

TEST(PortRules, AListenersPortInTheRangeIsToBeReserved) {
  HostFacts host = Host(1024, 60999, "5000");
  host.may_bind_low_ports = true;
  Demand demand;
  demand.listeners = {{"web", "http", 8080}, {"admin", "http", 1023}, {"chat", "line", 0}, {"low", "line", 1024},
                      {"web-2", "http", 8080}, {"taken", "echo", 5000}, {"high", "echo", 61000}};
  const Finding finding = Found(Judge(host, demand), "listeners");
  EXPECT_EQ(finding.verdict, Verdict::kWarning);
  EXPECT_THAT(finding.text,
              AllOf(HasSubstr("8080 (web), 1024 (low) "), Not(HasSubstr("1023")), Not(HasSubstr("5000"))));
  EXPECT_EQ(finding.mend, "sysctl -w net.ipv4.ip_local_reserved_ports=1024,5000,8080") << "those that are, stay";

  host.reserved_ports = "1024,5000,8000-8099";
  EXPECT_EQ(Found(Judge(host, demand), "listeners").verdict, Verdict::kOk);
}

TEST(PortRules, APrivilegedPortWithoutThePrivilegeIsAProblem) {
  Demand demand;
  demand.listeners = {{"web", "http", 80}, {"alt", "http", 8080}, {"any", "http", 0}};
  HostFacts host = Host(32768, 60999);
  Findings findings = Judge(host, demand);
  EXPECT_EQ(Found(findings, "privileged:web").verdict, Verdict::kProblem);
  EXPECT_THAT(Found(findings, "privileged:web").mend, HasSubstr("CAP_NET_BIND_SERVICE"));
  EXPECT_FALSE(Has(findings, "privileged:alt"));
  EXPECT_FALSE(Has(findings, "privileged:any"));

  host.sysctls["net.ipv4.ip_unprivileged_port_start"] = {80};
  EXPECT_FALSE(Has(Judge(host, demand), "privileged:web"));
  host.sysctls["net.ipv4.ip_unprivileged_port_start"] = {81};
  EXPECT_TRUE(Has(Judge(host, demand), "privileged:web"));
  host.may_bind_low_ports = true;
  EXPECT_FALSE(Has(Judge(host, demand), "privileged:web"));
}

}  // namespace
}  // namespace mooring::server::doctor
