// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/host_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/made_tree.h"

namespace mooring::server::doctor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<Recommendation> Table() {
  return *ParseRecommendations(
      "net.core.somaxconn|min|1|note|x\nnet.ipv4.tcp_mem:2|min|1|note|x\nno.such|min|1|note|x\nnot.numbers|min|1|note|"
      "x\nlimit.nofile|min|1|note|x\n");
}

TEST(ParseKernelVersion, TakesTheFirstTwoNumbers) {
  EXPECT_EQ(ParseKernelVersion("6.12.117+deb12-amd64").major, 6);
  EXPECT_EQ(ParseKernelVersion("6.12.117+deb12-amd64").minor, 12);
  EXPECT_EQ(ParseKernelVersion("5.10-rc1").minor, 10);
  for (const char* text : {"", "6", "6.", "x.1", ".", "6x1"}) EXPECT_EQ(ParseKernelVersion(text).major, 0) << text;
  EXPECT_TRUE((KernelVersion{5, 14}.Before(6, 1)));
  EXPECT_TRUE((KernelVersion{6, 12}.Before(6, 14)));
  EXPECT_FALSE((KernelVersion{6, 14}.Before(6, 14)));
  EXPECT_FALSE((KernelVersion{7, 0}.Before(6, 14)));
}

TEST(HostFacts, AreReadFromProcAndSys) {
  core::MadeTree tree;
  tree.Write("/proc/sys/kernel/osrelease", "6.18.1\n");
  tree.Write("/proc/self/limits",
             "Limit                     Soft Limit           Hard Limit           Units     \n"
             "Max locked memory         8388608              unlimited            bytes     \n"
             "Max open files            1024                 524288               files     \n");
  tree.Write("/proc/sys/net/core/somaxconn", "4096\n").Write("/proc/sys/net/ipv4/tcp_mem", "1\t22\t333\n");
  tree.Write("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
  tree.Write("/proc/sys/net/ipv4/ip_local_reserved_ports", "40000-40002\n");
  tree.Write("/proc/sys/not/numbers", "1 all 3\n");
  tree.Write("/proc/sys/fs/file-nr", "693\t0\t2466183\n");
  tree.Write("/proc/meminfo", "MemTotal:       1000 kB\n");
  tree.Write("/proc/self/mountinfo", "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  tree.Write("/sys/fs/cgroup/memory.max", "500\n").Write("/sys/fs/cgroup/cpu.max", "150000 100000\n");
  tree.Write("/proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-2,5\nCapEff:\t0000000000000400\n");

  const HostFacts facts = GatherHost(tree.host(), Table());
  EXPECT_EQ(facts.release, "6.18.1");
  ASSERT_TRUE(facts.nofile.has_value());
  EXPECT_EQ(facts.nofile->soft, 1024u);
  EXPECT_EQ(facts.nofile->hard, 524288u);
  ASSERT_TRUE(facts.memlock.has_value());
  EXPECT_EQ(facts.memlock->soft, 8388608u);
  EXPECT_EQ(facts.memlock->hard, kUnlimited);
  EXPECT_EQ(facts.Sysctl("net.core.somaxconn"), 4096u);
  EXPECT_EQ(facts.Sysctl("net.ipv4.tcp_mem", 2), 333u);
  EXPECT_EQ(facts.Sysctl("net.ipv4.tcp_mem", 3), std::nullopt);
  EXPECT_EQ(facts.Sysctl("no.such"), std::nullopt);
  EXPECT_EQ(facts.Sysctl("not.numbers"), std::nullopt);
  EXPECT_EQ(facts.Sysctl("limit.nofile"), std::nullopt);
  EXPECT_EQ(facts.Sysctl("net.ipv4.ip_local_port_range", 1), 60999u) << "not in the table, but judged";
  EXPECT_EQ(facts.reserved_ports, "40000-40002");
  EXPECT_EQ(facts.files_open, 693u);
  EXPECT_EQ(facts.machine_memory_bytes, 1000u * 1024);
  EXPECT_EQ(facts.cgroup_memory_bytes, 500u);
  EXPECT_EQ(facts.memory_bytes(), 500u);
  EXPECT_DOUBLE_EQ(facts.cpu_quota.value_or(0), 1.5);
  EXPECT_THAT(facts.allowed_cpus, ElementsAre(0, 1, 2, 5));
  EXPECT_TRUE(facts.may_bind_low_ports);
  EXPECT_FALSE(facts.may_exceed_file_max);
  EXPECT_FALSE(facts.may_lock_memory);
}

TEST(HostFacts, CapabilitiesAreBitsOfTheEffectiveSet) {
  core::MadeTree tree;
  tree.Write("/proc/self/status", "CapInh:\tffffffffffffffff\nCapEff:\t0000000000200000\n");
  HostFacts facts = GatherHost(tree.host(), {});
  EXPECT_TRUE(facts.may_exceed_file_max);
  EXPECT_FALSE(facts.may_lock_memory);
  EXPECT_FALSE(facts.may_bind_low_ports);
  tree.Write("/proc/self/status", "CapEff:\t0000000000004000\n");
  facts = GatherHost(tree.host(), {});
  EXPECT_FALSE(facts.may_exceed_file_max);
  EXPECT_TRUE(facts.may_lock_memory);
}

TEST(HostFacts, NodesAreListedInTheirOrder) {
  core::MadeTree tree;
  const std::string folder = "/sys/devices/system/node";
  tree.Write(folder + "/node10/cpulist", "4-7\n")
      .Write(folder + "/node2/cpulist", "0-3\n")
      .Write(folder + "/online", "2,10\n");
  tree.Write(folder + "/node2/meminfo", "Node 2 MemTotal:       14 kB\nNode 2 MemFree:        10 kB\n");
  tree.Write(folder + "/nodes", "");
  const HostFacts facts = GatherHost(tree.host(), {});
  ASSERT_EQ(facts.nodes.size(), 2u);
  EXPECT_EQ(facts.nodes[0].number, 2);
  EXPECT_THAT(facts.nodes[0].cpus, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(facts.nodes[0].memory_bytes, 14u * 1024);
  EXPECT_EQ(facts.nodes[1].number, 10);
  EXPECT_EQ(facts.nodes[1].memory_bytes, 0u);
}

TEST(HostFacts, NicsAreDevicesWithHardware) {
  core::MadeTree tree;
  const std::string net = "/sys/class/net";
  tree.Write(net + "/lo/queues/rx-0/rps_cpus", "3\n");
  tree.Write(net + "/eth0/device/numa_node", "1\n").Write(net + "/eth0/device/msi_irqs/40", "msix\n");
  tree.Write(net + "/eth0/device/msi_irqs/41", "msix\n").Write(net + "/eth0/device/msi_irqs/42", "msix\n");
  tree.Write("/proc/irq/40/smp_affinity_list", "0-1\n").Write("/proc/irq/41/smp_affinity_list", "1,3\n");
  for (const char* queue : {"rx-0", "rx-1", "tx-0"})
    tree.Write(net + "/eth0/queues/" + queue + "/rps_cpus", "00000000,00000000\n");
  tree.Write(net + "/eth1/device/numa_node", "-1\n").Write(net + "/eth1/queues/rx-0/rps_cpus", "00000000,00000002\n");
  tree.Write(net + "/eth1/queues/rx-1/rps_cpus", "0\n");
  tree.Write(net + "/eth1/msi_irqs/50", "msix\n").Write("/proc/irq/50/smp_affinity_list", "7\n");  // of the parent

  const HostFacts facts = GatherHost(tree.host(), {});
  ASSERT_EQ(facts.nics.size(), 2u);
  EXPECT_EQ(facts.nics[0].name, "eth0");
  EXPECT_EQ(facts.nics[0].node, 1);
  EXPECT_EQ(facts.nics[0].receive_queues, 2u);
  EXPECT_EQ(facts.nics[0].send_queues, 1u);
  EXPECT_THAT(facts.nics[0].interrupt_cpus, ElementsAre(0, 1, 3));
  EXPECT_FALSE(facts.nics[0].steered);
  EXPECT_EQ(facts.nics[1].node, -1);
  EXPECT_THAT(facts.nics[1].interrupt_cpus, ElementsAre(7));
  EXPECT_TRUE(facts.nics[1].steered);
}

TEST(HostFacts, OfAnEmptyTreeAreNone) {
  core::MadeTree tree;
  const HostFacts facts = GatherHost(tree.host(), Table());
  EXPECT_EQ(facts.release, "");
  EXPECT_FALSE(facts.nofile.has_value());
  EXPECT_EQ(facts.memory_bytes(), 0u);
  EXPECT_THAT(facts.sysctls, IsEmpty());
  EXPECT_THAT(facts.allowed_cpus, IsEmpty());
  EXPECT_THAT(facts.nics, IsEmpty());
}

TEST(HostFacts, MemoryIsTheLesserOfMachineAndGroup) {
  HostFacts facts;
  facts.cgroup_memory_bytes = 7;
  EXPECT_EQ(facts.memory_bytes(), 7u);
  facts.machine_memory_bytes = 5;
  EXPECT_EQ(facts.memory_bytes(), 5u);
}

}  // namespace
}  // namespace mooring::server::doctor
