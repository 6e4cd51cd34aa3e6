// SPDX-License-Identifier: Apache-2.0
// A program with jobs on helper threads, and how it ends when they do and when they do not: tests/server/sleeper.cc.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <string>

#include "server/runtime.h"
#include "tests/scenario/client.h"
#include "tests/server/daemon.h"

namespace mooring::server {
namespace {

using scenario::Client;

Daemon::Options Sleeper() { return {.binary = "tests/server/sleeper"}; }

int Threads(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    if (word == "Threads:" && status >> word) return std::stoi(word);
  }
  return -1;
}

TEST(BlockingExit, AThreadComesWithTheFirstJobAndADrainWaitsForTheAnswer) {
  Daemon sleeper({"--shards=1"}, Sleeper());
  Client client(sleeper.AwaitPort("sleeper"));
  EXPECT_EQ(client.Exchange("0\n", 6), "awake\n");
  EXPECT_EQ(Threads(sleeper.pid()), 4) << "main, its shard, the log's, one helper";
  client.Send("1\n");
  sleeper.AwaitLine("sleeping: 1");
  sleeper.Signal(SIGTERM);
  EXPECT_EQ(client.ReceiveToFin(), "awake\n");
  client.Close();
  EXPECT_EQ(sleeper.AwaitExit(), kExitFinished) << sleeper.err();
}

TEST(BlockingExit, WithoutAJobThereIsNoHelper) {
  Daemon sleeper({"--shards=1"}, Sleeper());
  Client client(sleeper.AwaitPort("sleeper"));
  EXPECT_EQ(Threads(sleeper.pid()), 3) << "the shard, the control shard and the log's";
}

TEST(BlockingExit, AJobThatDoesNotEndIsLeftBehindWithALine) {
  Daemon sleeper({"--shards=1", "--drain-deadline=1"}, Sleeper());
  Client client(sleeper.AwaitPort("sleeper"));
  client.Send("3600\n");
  sleeper.AwaitLine("sleeping: 3600");
  sleeper.Signal(SIGTERM);
  EXPECT_EQ(sleeper.AwaitExit(), kExitCut);
  EXPECT_NE(sleeper.out().find("a job that blocks has not ended; ending without it\n"), std::string::npos)
      << sleeper.out();
}

}  // namespace
}  // namespace mooring::server
