// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/doctor/rules.h"
#include "tests/server/doctor/found.h"

namespace mooring::server::doctor {
namespace {

using ::testing::HasSubstr;

Finding Judge(const Nic& nic, int shards) {
  HostFacts host;
  host.nics = {nic};
  Findings findings;
  JudgeNics(host, {.shards = shards}, &findings);
  return Found(findings, nic.name);
}

TEST(NicRules, FewerQueuesThanShardsWithoutSteeringIsANote) {
  const Nic nic = {.name = "eth0", .receive_queues = 2, .send_queues = 3, .interrupt_cpus = {0, 1}};
  EXPECT_EQ(Judge(nic, 2).verdict, Verdict::kOk);
  EXPECT_EQ(Judge(nic, 2).text, "eth0: 2 queues to receive, 3 to send, interrupts to CPU 0-1");
  EXPECT_EQ(Judge(nic, 3).verdict, Verdict::kNote);
  EXPECT_EQ(Judge(nic, 3).mend, "affinity");
  Nic steered = nic;
  steered.steered = true;
  EXPECT_EQ(Judge(steered, 3).verdict, Verdict::kOk);
  EXPECT_THAT(Judge(steered, 3).text, HasSubstr("RPS on"));
}

TEST(NicRules, NoHardwareIsSaid) {
  Findings findings;
  JudgeNics({}, {}, &findings);
  EXPECT_EQ(Found(findings, "devices").verdict, Verdict::kOk);
}

}  // namespace
}  // namespace mooring::server::doctor
