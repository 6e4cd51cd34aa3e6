// SPDX-License-Identifier: Apache-2.0
#include "core/cgroup.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/core/made_tree.h"

namespace mooring::core {
namespace {

constexpr char kMountV2[] = "29 23 0:26 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr char kMountsV1[] =
    "30 23 0:27 / /sys/fs/cgroup ro shared:4 - tmpfs tmpfs ro,mode=755\n"
    "32 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 30 0:32 / /sys/fs/cgroup/memory rw shared:6 - cgroup cgroup rw,memory\n"
    "36 30 0:33 / /sys/fs/cgroup/cpuset rw shared:7 - cgroup cgroup rw,cpuset\n";

TEST(CgroupV2, TakesTheLeastOfItsGroupAndAllAbove) {
  MadeTree tree;
  tree.Write("/proc/self/mountinfo", kMountV2).Write("/proc/self/cgroup", "0::/system.slice/mooringd.service\n");
  tree.Write("/sys/fs/cgroup/system.slice/mooringd.service/cpu.max", "max 100000\n");
  tree.Write("/sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n");
  tree.Write("/sys/fs/cgroup/system.slice/mooringd.service/memory.max", "2147483648\n");
  tree.Write("/sys/fs/cgroup/system.slice/memory.max", "max\n");
  EXPECT_DOUBLE_EQ(CgroupCpuQuota(tree.host()).value(), 1.5);
  EXPECT_EQ(CgroupMemoryLimit(tree.host()), 2147483648u);

  tree.Write("/sys/fs/cgroup/system.slice/mooringd.service/cpu.max", "5000 10000\n");
  tree.Write("/sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
  EXPECT_DOUBLE_EQ(CgroupCpuQuota(tree.host()).value(), 0.5);
  EXPECT_EQ(CgroupMemoryLimit(tree.host()), 1073741824u);
}

TEST(CgroupV2, MemoryHighIsALimitToo) {
  MadeTree tree;
  tree.Write("/proc/self/mountinfo", kMountV2).Write("/proc/self/cgroup", "0::/a\n");
  tree.Write("/sys/fs/cgroup/a/memory.max", "1000000\n").Write("/sys/fs/cgroup/a/memory.high", "900000\n");
  EXPECT_EQ(CgroupMemoryLimit(tree.host()), 900000u);
  tree.Write("/sys/fs/cgroup/a/memory.high", "max\n");
  EXPECT_EQ(CgroupMemoryLimit(tree.host()), 1000000u);
}

TEST(CgroupV2, ReadsTheMountsOwnFolderInsideANamespace) {
  MadeTree tree;
  tree.Write("/proc/self/mountinfo", kMountV2).Write("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  tree.Write("/sys/fs/other/cpu.max", "1000 100000\n");  // not a group, whatever it is
  for (const char* group : {"0::/\n", "0::/../other\n", ""}) {
    tree.Write("/proc/self/cgroup", group);
    EXPECT_DOUBLE_EQ(CgroupCpuQuota(tree.host()).value_or(-1), 2.0) << group;
  }
}

TEST(CgroupV1, ReadsEachControllerWhereItIsMounted) {
  MadeTree tree;
  tree.Write("/proc/self/mountinfo", kMountsV1);
  tree.Write("/proc/self/cgroup", "5:memory:/pod/one\n4:cpuset:/\n3:cpu,cpuacct:/pod/two\n0::/\n");
  tree.Write("/sys/fs/cgroup/cpu,cpuacct/pod/two/cpu.cfs_quota_us", "25000\n");
  tree.Write("/sys/fs/cgroup/cpu,cpuacct/pod/two/cpu.cfs_period_us", "100000\n");
  tree.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  tree.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  tree.Write("/sys/fs/cgroup/memory/pod/one/memory.limit_in_bytes", "536870912\n");
  tree.Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  tree.Write("/sys/fs/cgroup/cpuset/memory.limit_in_bytes", "1\n");  // not that controller's
  EXPECT_DOUBLE_EQ(CgroupCpuQuota(tree.host()).value_or(-1), 0.25);
  EXPECT_EQ(CgroupMemoryLimit(tree.host()), 536870912u);
}

TEST(CgroupV1, NoLimitIsNone) {
  MadeTree tree;
  tree.Write("/proc/self/mountinfo", kMountsV1).Write("/proc/self/cgroup", "5:memory:/\n3:cpu,cpuacct:/\n");
  tree.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  tree.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  tree.Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854710272\n");  // with pages of 64 KB
  EXPECT_EQ(CgroupCpuQuota(tree.host()), std::nullopt);
  EXPECT_EQ(CgroupMemoryLimit(tree.host()), std::nullopt);
}

TEST(CgroupV1, FindsItsGroupBelowTheMountOfAContainersPart) {
  MadeTree tree;
  tree.Write("/proc/self/mountinfo",
             "35 30 0:32 /docker/abc /sys/fs/my\\040cgroup ro - cgroup cgroup rw,memory\n");
  tree.Write("/sys/fs/my cgroup/memory.limit_in_bytes", "1000\n");
  tree.Write("/sys/fs/my cgroup/inner/memory.limit_in_bytes", "500\n");
  struct Case {
    const char* group;
    uint64_t limit;
  };
  for (const Case& each : {Case{"/docker/abc", 1000}, Case{"/docker/abc/inner", 500}, Case{"/docker/abcd", 1000},
                           Case{"/", 1000}, Case{"/somewhere/else", 1000}}) {
    tree.Write("/proc/self/cgroup", std::string("5:memory:") + each.group + "\n");
    EXPECT_EQ(CgroupMemoryLimit(tree.host()), each.limit) << each.group;
  }
}

TEST(Cgroup, TheStricterOfBothVersionsBinds) {
  MadeTree tree;
  tree.Write("/proc/self/mountinfo",
             std::string(kMountsV1) + "38 30 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  tree.Write("/proc/self/cgroup", "5:memory:/a\n0::/b\n");
  tree.Write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "3000\n");
  tree.Write("/sys/fs/cgroup/unified/b/memory.max", "2000\n");
  EXPECT_EQ(CgroupMemoryLimit(tree.host()), 2000u);
  tree.Write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n");
  EXPECT_EQ(CgroupMemoryLimit(tree.host()), 1000u);
}

TEST(Cgroup, WhatCannotBeReadBindsNothing) {
  MadeTree tree;
  EXPECT_EQ(CgroupCpuQuota(tree.host()), std::nullopt);
  EXPECT_EQ(CgroupMemoryLimit(tree.host()), std::nullopt);
  tree.Write("/proc/self/mountinfo", std::string("nonsense\n- cgroup2\n1 2 3 4 5 6 - cgroup2\n") + kMountV2);
  tree.Write("/proc/self/cgroup", "x\n0::/a\n");
  for (const char* text : {"", "max", "100000 0", "x y", "-1 100000"}) {
    tree.Write("/sys/fs/cgroup/a/cpu.max", text);
    EXPECT_EQ(CgroupCpuQuota(tree.host()), std::nullopt) << text;
  }
}

TEST(MemoryLimit, IsTheLesserOfMachineAndGroup) {
  MadeTree tree;
  EXPECT_EQ(MemoryLimit(tree.host()), 0u);
  tree.Write("/proc/meminfo", "MemTotal:       24684096 kB\nMemFree:        22712320 kB\n");
  EXPECT_EQ(MachineMemory(tree.host()), uint64_t{24684096} * 1024);
  EXPECT_EQ(MemoryLimit(tree.host()), uint64_t{24684096} * 1024);
  tree.Write("/proc/self/mountinfo", kMountV2).Write("/proc/self/cgroup", "0::/\n");
  tree.Write("/sys/fs/cgroup/memory.max", "4096000\n");
  EXPECT_EQ(MemoryLimit(tree.host()), 4096000u);
  tree.Write("/sys/fs/cgroup/memory.max", "99999999999999\n");
  EXPECT_EQ(MemoryLimit(tree.host()), uint64_t{24684096} * 1024);
  tree.Write("/proc/meminfo", "MemTotal:\n");
  EXPECT_EQ(MemoryLimit(tree.host()), 99999999999999u);
}

TEST(MemoryLimit, OfThisMachineIsKnown) { EXPECT_GT(MemoryLimit(), uint64_t{64} << 20); }

}  // namespace
}  // namespace mooring::core
