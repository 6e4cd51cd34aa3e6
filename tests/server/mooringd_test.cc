// SPDX-License-Identifier: Apache-2.0
// mooringd as its operators meet it: what it prints, where, and how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/config/help.h"
#include "server/runtime.h"
#include "server/signals.h"
#include "server/services.h"
#include "server/version.h"
#include "tests/scenario/client.h"
#include "tests/server/daemon.h"

namespace mooring::server {
namespace {

using scenario::Client;
using scenario::Ending;
using ::testing::HasSubstr;

constexpr char kAnyPorts[] = "--listen=echo=127.0.0.1:0,line=127.0.0.1:0,discard=127.0.0.1:0";

size_t Lines(const std::string& text) { return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')); }

TEST(Mooringd, HelpGoesToStdout) {
  Daemon daemon({"--help"});
  EXPECT_EQ(daemon.AwaitExit(), 0);
  EXPECT_EQ(daemon.out(), config::HelpText(Mooringd()));
  EXPECT_EQ(daemon.err(), "");
}

TEST(Mooringd, VersionGoesToStdout) {
  Daemon daemon({"--version"});
  EXPECT_EQ(daemon.AwaitExit(), 0);
  EXPECT_EQ(daemon.out(), std::string("mooringd ") + kVersion + "\n");
  EXPECT_EQ(daemon.err(), "");
}

TEST(Mooringd, BadFlagIsOneLineAndExitCodeTwo) {
  for (const char* flag : {"--bogus", "--shards=0", "--listen=echo", "nothing"}) {
    Daemon daemon({flag});
    EXPECT_EQ(daemon.AwaitExit(), kExitBadFlag) << flag;
    EXPECT_EQ(daemon.out(), "");
    EXPECT_EQ(Lines(daemon.err()), 1u) << daemon.err();
    EXPECT_EQ(daemon.err().rfind("mooringd: ", 0), 0u) << daemon.err();
  }
}

// One line, exit code 1, and the process with its threads is gone, which AwaitExit has seen.
void ExpectFailedStart(Daemon* daemon, const std::string& needle) {
  EXPECT_EQ(daemon->AwaitExit(), kExitFailedStart);
  EXPECT_EQ(daemon->out(), "");
  EXPECT_EQ(Lines(daemon->err()), 1u) << daemon->err();
  EXPECT_NE(daemon->err().find(needle), std::string::npos) << daemon->err();
}

TEST(Mooringd, PortInUseFailsTheStartAndKeepsNoOtherPort) {
  Daemon first({kAnyPorts});
  const std::string taken = std::to_string(first.AwaitPort("echo"));
  Daemon second({"--listen=line=127.0.0.1:0,echo=127.0.0.1:" + taken});
  ExpectFailedStart(&second, "127.0.0.1:" + taken + " is in use");
  // The first one is as before.
  Client client(static_cast<uint16_t>(std::stoi(taken)));
  EXPECT_EQ(client.Exchange("x", 1), "x");
}

TEST(Mooringd, AddressOfAnotherMachineFailsTheStart) {
  Daemon daemon({"--listen=echo=192.0.2.1:7000"});  // TEST-NET-1, RFC 5737
  ExpectFailedStart(&daemon, "192.0.2.1:7000 is not an address of this machine");
}

TEST(Mooringd, PortWithoutPermissionFailsTheStart) {
  int first_free = 1024;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first_free;
  if (first_free <= 80) GTEST_SKIP() << "no port needs permission here: net.ipv4.ip_unprivileged_port_start";
  Daemon daemon({"--listen=echo=127.0.0.1:80"}, {.low_ports = false, .cpus = {}});
  ExpectFailedStart(&daemon, "no permission to listen on 127.0.0.1:80");
}

TEST(Mooringd, CpuThatItMayNotUseFailsTheStart) {
  Daemon daemon({"--cpus=65535", kAnyPorts});
  ExpectFailedStart(&daemon, "--cpus");
}

TEST(Mooringd, PortZeroPicksOneAndEachServiceAnswers) {
  Daemon daemon({kAnyPorts});
  Client echo(daemon.AwaitPort("echo"));
  EXPECT_EQ(echo.Exchange("hello", 5), "hello");
  Client line(daemon.AwaitPort("line"));
  EXPECT_EQ(line.Exchange("hello\r\n", 3), "OK\n");
  Client discard(daemon.AwaitPort("discard"));
  ASSERT_TRUE(discard.Send("hello"));
  discard.ShutdownWrite();
  EXPECT_EQ(discard.ReceiveToFin(), "");
  daemon.AwaitLine("try: ");
}

TEST(Mooringd, LineOverItsLimitEndsTheConnection) {
  Daemon daemon({kAnyPorts});
  Client line(daemon.AwaitPort("line"));
  EXPECT_EQ(line.Exchange(std::string(8192, 'x') + "\n", 3), "OK\n");
  ASSERT_TRUE(line.Send(std::string(8193, 'x') + "\n"));
  EXPECT_EQ(line.ReceiveToFin(), "");
}

TEST(Mooringd, SigtermWithIdleConnectionsEndsWithZero) {
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) {
    Daemon daemon({kAnyPorts});
    Client echo(daemon.AwaitPort("echo"));
    EXPECT_EQ(echo.Exchange("x", 1), "x");
    Client line(daemon.AwaitPort("line"));
    daemon.Signal(signal);
    EXPECT_EQ(echo.ReceiveToFin(), "");
    EXPECT_EQ(line.ReceiveToFin(), "");
    echo.Close();
    line.Close();
    EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
    EXPECT_THAT(daemon.out(), HasSubstr(absl::StrCat("reason=", Signals::Name(signal))));
    EXPECT_THAT(daemon.out(), HasSubstr("drained seconds="));
  }
}

TEST(Mooringd, SigtermWithNobodyEndsWithZero) {
  Daemon daemon({kAnyPorts});
  daemon.AwaitPort("discard");
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

TEST(Mooringd, SigtermUnderLoadAnswersWhatItHasAndEndsWithZero) {
  Daemon daemon({kAnyPorts, "--shards=2"});
  const uint16_t port = daemon.AwaitPort("line");
  std::vector<Client> clients;
  std::string requests, answers;
  for (int i = 0; i < 500; ++i) {
    requests += "request " + std::to_string(i) + "\n";
    answers += "OK\n";
  }
  for (int i = 0; i < 50; ++i) clients.emplace_back(port);
  for (Client& client : clients) ASSERT_TRUE(client.Send(requests));
  for (Client& client : clients) client.AwaitAcknowledged();
  daemon.Signal(SIGTERM);
  for (Client& client : clients) {
    EXPECT_EQ(client.ReceiveToFin(), answers);
    client.Close();
  }
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

TEST(Mooringd, HalfALineIsCutAtTheDeadlineAndEndsWithThree) {
  Daemon daemon({kAnyPorts, "--drain-deadline=1"});
  Client line(daemon.AwaitPort("line"));
  EXPECT_EQ(line.Exchange("whole\nhalf", 3), "OK\n");
  line.AwaitAcknowledged();
  daemon.Signal(SIGTERM);
  Ending ending;
  EXPECT_EQ(line.ReceiveToEnd(&ending), "");
  EXPECT_EQ(ending, Ending::kReset);
  EXPECT_EQ(daemon.AwaitExit(), kExitCut);
  EXPECT_THAT(daemon.out(), HasSubstr("the deadline cut some connections"));
  EXPECT_THAT(daemon.out(), HasSubstr(" cut=1 "));
}

TEST(Mooringd, PeerThatDoesNotReadIsCutAtTheDeadlineAndEndsWithThree) {
  Daemon daemon({kAnyPorts, "--drain-deadline=1"});
  Client echo(daemon.AwaitPort("echo"), {.receive_buffer = 4096});
  ASSERT_TRUE(echo.Send("x"));
  const std::string plenty(1 << 20, 'x');
  // Until the server has stopped reading: nothing goes in any more and what is in is not acknowledged.
  while (echo.SendWhatFits(plenty) > 0 || !echo.HasData()) {
  }
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), kExitCut);
}

TEST(Mooringd, SecondSignalEndsAtOnceWithFour) {
  Daemon daemon({kAnyPorts});
  Client line(daemon.AwaitPort("line"));
  EXPECT_EQ(line.Exchange("whole\nhalf", 3), "OK\n");
  line.AwaitAcknowledged();
  daemon.Signal(SIGTERM);
  daemon.AwaitLog("reason=SIGTERM");
  daemon.Signal(SIGINT);
  EXPECT_EQ(daemon.AwaitExit(), kExitSecondSignal);
}

// SECURITY.md, promise 6.
TEST(Mooringd, DeadlinesThatAreOffAreSaidAtStart) {
  Daemon daemon({"--shards=1", "--listen=echo=127.0.0.1:0,discard=127.0.0.1:0"});
  daemon.AwaitLine("note: echo has no idle deadline");
  daemon.AwaitLine("note: echo has no write-stall deadline");
  daemon.AwaitLine("note: discard has no idle deadline");
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), 0);
  EXPECT_EQ(daemon.err().find("note: line"), std::string::npos) << "line is not listened on";

  Daemon line({"--shards=1", "--listen=line=127.0.0.1:0"});
  line.AwaitLine("note: line has no write-stall deadline");
  line.Signal(SIGTERM);
  EXPECT_EQ(line.AwaitExit(), 0);
  EXPECT_EQ(line.err().find("line has no idle deadline"), std::string::npos) << "it has one: 5 minutes";
}

TEST(Mooringd, MoreShardsThanCpusIsSaid) {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  ASSERT_EQ(sched_getaffinity(0, sizeof(mine), &mine), 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &mine)) ++cpu;
  Daemon daemon({"--shards=4", kAnyPorts}, {.low_ports = true, .cpus = {cpu}});
  EXPECT_NE(daemon.AwaitLine("note: ").find("more shards than CPUs"), std::string::npos);
  // And it works: enough peers that each shard has some.
  const uint16_t port = daemon.AwaitPort("echo");
  std::vector<Client> clients;
  for (int i = 0; i < 100; ++i) {
    clients.emplace_back(port);
    EXPECT_EQ(clients.back().Exchange("x", 1), "x");
  }
  for (Client& client : clients) client.Close();
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

TEST(Mooringd, MaxConnectionsHoldsOverAllShards) {
  Daemon daemon({"--shards=2", "--max-connections=3", kAnyPorts});
  const uint16_t port = daemon.AwaitPort("echo");
  std::vector<Client> clients;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back(port);
    ASSERT_TRUE(clients.back().Send("x"));
  }
  // Served in threes at most: each that has its answer leaves, until all have been served.
  size_t served = 0;
  while (!clients.empty()) {
    for (size_t i = clients.size(); i-- > 0;) {
      if (!clients[i].HasData()) continue;
      EXPECT_EQ(clients[i].Receive(1), "x");
      clients.erase(clients.begin() + static_cast<long>(i));
      ++served;
    }
  }
  EXPECT_EQ(served, 6u);
}

}  // namespace
}  // namespace mooring::server
