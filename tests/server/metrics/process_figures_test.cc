// SPDX-License-Identifier: Apache-2.0
#include "server/metrics/process_figures.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <vector>

namespace mooring::server::metrics {
namespace {

TEST(ProcessFigures, DescriptorsAreThoseThatAreOpen) {
  const auto before = ReadProcess().open_fds;
  ASSERT_TRUE(before.has_value());
  std::vector<int> fds;
  for (int i = 0; i < 5; ++i) fds.push_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(ReadProcess().open_fds, *before + 5);
  for (const int fd : fds) close(fd);
  EXPECT_EQ(ReadProcess().open_fds, *before);
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(ReadProcess().max_fds, limit.rlim_cur);
}

TEST(ProcessFigures, MemoryGrowsByWhatIsTouched) {
  constexpr size_t kBytes = 64 << 20;
  const uint64_t before = ReadResidentBytes();
  std::vector<char> touched(kBytes, 1);
  EXPECT_GE(ReadResidentBytes(), before + kBytes * 9 / 10);
  EXPECT_GE(ReadProcess().virtual_bytes, ReadProcess().resident_bytes);
  EXPECT_EQ(touched[kBytes - 1], 1);
}

TEST(ProcessFigures, TheStartIsBeforeNowAndDoesNotMove) {
  const double started = ReadProcess().started_wall_s;
  EXPECT_LE(started, static_cast<double>(time(nullptr) + 1));
  EXPECT_GE(started, static_cast<double>(time(nullptr) - 3600));
  EXPECT_EQ(ReadProcess().started_wall_s, started);
  const double cpu = ReadProcess().cpu_s;
  volatile uint64_t sum = 0;
  while (ReadProcess().cpu_s < cpu + 0.02) sum = sum + 1;
  EXPECT_GT(ReadProcess().cpu_s, cpu);
}

constexpr char kSockstat[] =
    "sockets: used 52\nTCP: inuse 11 orphan 2 tw 5 alloc 13 mem 414\nUDP: inuse 77 mem 0\n";
constexpr char kNetstat[] =
    "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\nIpExt: InNoRoutes\nIpExt: 4\n";

TEST(ProcessFigures, TcpIsWhatTheKernelsTablesSay) {
  const TcpFigures tcp = ParseTcp(kSockstat, kNetstat, "32768\t60999\n");
  EXPECT_EQ(tcp.in_use, 11u);
  EXPECT_EQ(tcp.orphan, 2u);
  EXPECT_EQ(tcp.time_wait, 5u);
  EXPECT_EQ(tcp.listen_overflows, 22u);
  EXPECT_EQ(tcp.ephemeral_ports, 28232u);
}

TEST(ProcessFigures, WhatIsMissingOrOddIsLeftOut) {
  const TcpFigures nothing = ParseTcp("", "", "");
  EXPECT_FALSE(nothing.in_use.has_value());
  EXPECT_FALSE(nothing.listen_overflows.has_value());
  EXPECT_FALSE(nothing.ephemeral_ports.has_value());
  const TcpFigures odd = ParseTcp("TCP: inuse\nTCP: tw x\n", "TcpExt: ListenOverflows\n", "5 4");
  EXPECT_FALSE(odd.in_use.has_value());
  EXPECT_FALSE(odd.time_wait.has_value());
  EXPECT_FALSE(odd.listen_overflows.has_value());
  EXPECT_FALSE(odd.ephemeral_ports.has_value());
}

}  // namespace
}  // namespace mooring::server::metrics
