// SPDX-License-Identifier: Apache-2.0
// What a server says of a service that blocks its shard, and how it ends where one never comes back:
// tests/server/blocker.cc.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <string>

#include "tests/scenario/client.h"
#include "tests/server/daemon.h"

namespace mooring::server {
namespace {

using scenario::Client;

// Without a core: it would be of the right process, but nobody reads it.
bool NoCore() {
  const rlimit none = {};
  return setrlimit(RLIMIT_CORE, &none) == 0;
}

const Daemon::Options kBlocker = {.binary = "tests/server/blocker", .before_exec = &NoCore};

TEST(WatchdogOfAServer, ReportsAServiceThatBlocksByItsName) {
  Daemon blocker({"--shards=1"}, kBlocker);
  Client client(blocker.AwaitPort("slow"));
  EXPECT_EQ(client.Exchange("300\n", 5), "done\n");
  const std::string line = blocker.AwaitLog("cause=turn_stalled");
  EXPECT_NE(line.find(" warn  turns took too long"), std::string::npos) << line;
  EXPECT_NE(line.find(" count=1 total=1 shard=0 ms="), std::string::npos) << line;
  EXPECT_NE(line.find(" ran=slow "), std::string::npos) << line;
}

TEST(WatchdogOfAServer, ReportsItWhileItBlocks) {
  Daemon blocker({"--shards=1", "--watchdog-abort=0"}, kBlocker);
  Client client(blocker.AwaitPort("slow"));
  client.Send("4000\n");
  const std::string line = blocker.AwaitLog("a turn goes on");
  EXPECT_NE(line.find(" ran=slow "), std::string::npos) << line;
  EXPECT_EQ(client.Receive(5), "done\n");
}

TEST(WatchdogOfAServer, EndsAServerWhoseServiceNeverComesBackAndSaysWhichItWas) {
  Daemon blocker({"--shards=1", "--watchdog-abort=1s"}, kBlocker);
  Client client(blocker.AwaitPort("slow"));
  client.Send("3600000\n");
  EXPECT_EQ(blocker.AwaitExit(), 1000 + SIGABRT);
  EXPECT_NE(blocker.err().find("blocker: shard 0 has been in one turn for 1 s, in slow: aborting; watchdog_abort = 0 switches "
                               "this off\n"),
            std::string::npos)
      << blocker.err();
  EXPECT_NE(blocker.out().find(" error a turn does not end: the process ends, with a core shard=0 s=1 ran=slow "),
            std::string::npos)
      << blocker.out();
}

TEST(WatchdogOfAServer, SaysNothingWhereItIsSwitchedOff) {
  Daemon blocker({"--shards=1", "--watchdog-abort=0", "--watchdog-warn=0", "--log-summary=1s"}, kBlocker);
  const uint16_t port = blocker.AwaitPort("slow");
  Client client(port);
  EXPECT_EQ(client.Exchange("2500\n", 5), "done\n");
  Client other(port);
  blocker.AwaitLog("summary state=serving active=2");  // a look after it was over
  blocker.Signal(SIGTERM);
  EXPECT_EQ(blocker.AwaitExit(), 0);
  EXPECT_EQ(blocker.out().find(" turn"), std::string::npos) << blocker.out();
}

TEST(SummaryOfAServer, SaysWhoIsConnectedAndWhatIsMoved) {
  Daemon blocker({"--shards=1", "--log-summary=1s"}, kBlocker);
  Client client(blocker.AwaitPort("slow"));
  EXPECT_EQ(client.Exchange("0\n", 5), "done\n");
  const std::string line = blocker.AwaitLog("summary state=serving active=1 total=1 peak=1 ");
  EXPECT_NE(line.find(" messages_per_s="), std::string::npos) << line;
}

}  // namespace
}  // namespace mooring::server
