// SPDX-License-Identifier: Apache-2.0
// Server, as a program that is made of it behaves: tests/server/greeter.cc.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "server/runtime.h"
#include "tests/scenario/client.h"
#include "tests/server/daemon.h"

namespace mooring::server {
namespace {

using scenario::Client;

Daemon::Options Greeter() { return {.binary = "tests/server/greeter"}; }

bool Has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Server, GivesAProgramItsListenersFlagsAndDrain) {
  Daemon greeter({"--greeting=salut", "--loud", "--shards=2", "--max-connections=100"}, Greeter());
  Client client(greeter.AwaitPort("greeter"));
  EXPECT_EQ(client.Exchange("a\nb\n", 14), "salut!\nsalut!\n");
  greeter.Signal(SIGTERM);
  EXPECT_EQ(client.ReceiveToFin(), "");
  client.Close();
  EXPECT_EQ(greeter.AwaitExit(), kExitFinished);
  EXPECT_TRUE(Has(greeter.err(), "greeter (mooring ")) << greeter.err();
  EXPECT_TRUE(Has(greeter.out(), "draining; a second signal ends at once reason=SIGTERM")) << greeter.out();
  EXPECT_TRUE(Has(greeter.out(), "drained seconds=")) << greeter.out();
  EXPECT_FALSE(Has(greeter.err(), "note: greeter has no idle deadline")) << greeter.err();
  EXPECT_TRUE(Has(greeter.err(), "note: shout has no idle deadline")) << greeter.err();
}

TEST(Server, ServesTasksHandlersFactoriesAndLambdas) {
  Daemon greeter({"--shards=1"}, Greeter());
  // Handlers are called by their class, a second one by a number.
  const uint16_t x = greeter.AwaitPort("shout"), y = greeter.AwaitPort("shout-2");
  const uint16_t z = greeter.AwaitPort("made"), lambda = greeter.AwaitPort("lambda");
  EXPECT_EQ(Client(x).Exchange("abc", 3), "xxx");
  EXPECT_EQ(Client(y).Exchange("abc", 3), "yyy");
  EXPECT_EQ(Client(z).Exchange("abc", 3), "zzz");
  EXPECT_EQ(Client(lambda).Exchange("abc\n", 9), "captured\n");
}

TEST(Server, ListenMovesAListenerOfTheProgram) {
  char path[] = "/tmp/greeter.XXXXXX";
  ASSERT_NE(mkdtemp(path), nullptr);
  const std::string socket = std::string(path) + "/shout";
  Daemon greeter({"--listen=shout-2=unix:" + socket, "--shards=1"}, Greeter());
  greeter.AwaitLine("listening: shout-2 on unix:" + socket);
  EXPECT_EQ(Client::AtPath(socket).Exchange("abc", 3), "yyy");
  EXPECT_EQ(Client(greeter.AwaitPort("shout")).Exchange("abc", 3), "xxx");
  greeter.Signal(SIGTERM);
  EXPECT_EQ(greeter.AwaitExit(), kExitFinished);
  unlink((socket + ".lock").c_str());
  EXPECT_EQ(rmdir(path), 0);
}

// Made before the first turn of any shard begins to serve, destroyed after its drain and its stop hook.
TEST(Server, ObjectsOfAShardLiveFromBeforeItsStartToAfterItsStop) {
  Daemon greeter({"--shards=2"}, Greeter());
  Client client(greeter.AwaitPort("greeter"));
  EXPECT_EQ(client.Exchange("a\nb\nc\n", 18), "hello\nhello\nhello\n");
  greeter.Signal(SIGTERM);
  EXPECT_EQ(client.ReceiveToFin(), "");
  client.Close();
  EXPECT_EQ(greeter.AwaitExit(), kExitFinished);
  const std::string& err = greeter.err();
  EXPECT_TRUE(Has(err, "start: shard 0 of 2, 2 counts\n")) << err;
  EXPECT_TRUE(Has(err, "start: shard 1 of 2, 2 counts\n")) << err;
  EXPECT_TRUE(Has(err, "stop: greeted 3\n")) << err;
  EXPECT_TRUE(Has(err, "stop: greeted 0\n")) << err;
  EXPECT_TRUE(Has(err, "count: greeted 3 on shard ")) << err;
  EXPECT_TRUE(Has(err, "count: greeted 0 on shard ")) << err;
  EXPECT_LT(err.find("stop: greeted 3"), err.find("count: greeted 3"));
  EXPECT_TRUE(Has(greeter.out(), "drained seconds=")) << greeter.out();
}

// A task of a start hook runs beside the connections; a drain ends it after them.
TEST(Server, BackgroundTasksOfAllShardsAreCancelledWhenThePeersAreServed) {
  Daemon greeter({"--shards=2"}, Greeter());
  Client client(greeter.AwaitPort("greeter"));
  EXPECT_EQ(client.Exchange("a\nb", 6), "hello\n");
  client.AwaitAcknowledged();
  greeter.Signal(SIGTERM);
  greeter.AwaitLog("reason=SIGTERM");
  // Half a line holds the drain up, on one shard; the other has nobody.
  ASSERT_TRUE(client.Send("\n"));
  EXPECT_EQ(client.ReceiveToFin(), "hello\n");
  client.Close();
  EXPECT_EQ(greeter.AwaitExit(), kExitFinished);
  const std::string& err = greeter.err();
  const size_t first = err.find("background: cancelled\n");
  ASSERT_NE(first, std::string::npos) << err;
  EXPECT_NE(err.find("background: cancelled\n", first + 1), std::string::npos) << err;
  EXPECT_TRUE(Has(greeter.out(), "drained seconds=")) << greeter.out();
}

TEST(Server, ADrainThatIsCutCancelsBackgroundTasksToo) {
  Daemon greeter({"--shards=2", "--drain-deadline=1"}, Greeter());
  Client client(greeter.AwaitPort("greeter"));
  EXPECT_EQ(client.Exchange("a\nb", 6), "hello\n");
  client.AwaitAcknowledged();
  greeter.Signal(SIGTERM);
  EXPECT_EQ(greeter.AwaitExit(), kExitCut);
  EXPECT_TRUE(Has(greeter.err(), "background: cancelled\n")) << greeter.err();
}

TEST(Server, WhatThrowsAtStartIsAFailedStartThatSaysSo) {
  Daemon per_shard({"--fail-in=per-shard", "--shards=2"}, Greeter());
  EXPECT_EQ(per_shard.AwaitExit(), kExitFailedStart);
  EXPECT_EQ(per_shard.err(), "greeter: setting up a shard: no count today\n");
  Daemon start({"--fail-in=start", "--shards=2"}, Greeter());
  EXPECT_EQ(start.AwaitExit(), kExitFailedStart);
  EXPECT_TRUE(Has(start.err(), "greeter: starting a shard: not in the mood\n")) << start.err();
  EXPECT_FALSE(Has(start.err(), "stop: ")) << start.err();
  EXPECT_TRUE(Has(start.err(), "count: greeted 0")) << "what was made is destroyed all the same\n" << start.err();
}

TEST(Server, HelpListsTheProgramsFlagsAndListeners) {
  Daemon greeter({"--help"}, Greeter());
  EXPECT_EQ(greeter.AwaitExit(), 0);
  const std::string& help = greeter.out();
  EXPECT_EQ(help.rfind("greeter greets.\n", 0), 0u) << help;
  EXPECT_TRUE(Has(help, "Flags of greeter:\n")) << help;
  EXPECT_TRUE(Has(help, "  --greeting=hello\n        what each line is answered with\n")) << help;
  EXPECT_TRUE(Has(help, "  greeter     says hello\n")) << help;
  EXPECT_TRUE(Has(help, "  shout-2")) << help;
  EXPECT_FALSE(Has(help, "flagfile")) << "the flag library's own are not the program's\n" << help;
}

TEST(Server, AWrongFlagOfTheProgramIsOneLine) {
  for (const char* flag : {"--most=many", "--most", "--loud=perhaps", "--flagfile=x", "--undefok=x"}) {
    Daemon greeter({flag}, Greeter());
    EXPECT_EQ(greeter.AwaitExit(), kExitBadFlag) << flag;
    EXPECT_EQ(std::count(greeter.err().begin(), greeter.err().end(), '\n'), 1) << greeter.err();
    EXPECT_TRUE(Has(greeter.err(), std::string(flag).substr(0, std::string(flag).find('=')))) << greeter.err();
  }
}

}  // namespace
}  // namespace mooring::server
