// SPDX-License-Identifier: Apache-2.0
// docs/examples/kv.cc: the protocol byte for byte, and Redis's own tools.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>
#include <vector>

#include "tests/examples/example.h"
#include "tests/scenario/client.h"

namespace mooring::examples {
namespace {

using scenario::Client;

std::string Command(const std::vector<std::string>& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return bytes;
}

const std::string kUnknown = "-ERR unknown command, or wrong number of arguments\r\n";

struct Exchange {
  std::string request;
  std::string answer;
};

// In this order, on an empty store.
const std::vector<Exchange>& Protocol() {
  static const std::vector<Exchange> exchanges = {
      {Command({"PING"}), "+PONG\r\n"},
      {Command({"GET", "a"}), "$-1\r\n"},
      {Command({"SET", "a", "1"}), "+OK\r\n"},
      {Command({"gEt", "a"}), "$1\r\n1\r\n"},
      {Command({"EXISTS", "a"}), ":1\r\n"},
      {Command({"EXISTS", "b"}), ":0\r\n"},
      {Command({"DEL", "a"}), ":1\r\n"},
      {Command({"DEL", "a"}), ":0\r\n"},
      {Command({"SET", "bytes", std::string("\r\n\0$*", 5)}), "+OK\r\n"},
      {Command({"GET", "bytes"}), "$5\r\n" + std::string("\r\n\0$*", 5) + "\r\n"},
      {Command({"DEL", "bytes"}), ":1\r\n"},
      {Command({"CONFIG", "GET", "save"}), "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"},
      {Command({"SET", "", "empty key"}), "+OK\r\n"},
      {Command({"SET", "", ""}), "+OK\r\n"},
      {Command({"GET", ""}), "$0\r\n\r\n"},
      {Command({"DEL", ""}), ":1\r\n"},
      {Command({"GET"}), kUnknown},
      {Command({"SET", "a"}), kUnknown},
      {Command({"FLY", "a"}), kUnknown},
      {"*0\r\n", ""},
  };
  return exchanges;
}

TEST(KvExample, SpeaksTheProtocol) {
  Example kv("kv");
  Client client(kv.port());
  for (const Exchange& exchange : Protocol()) {
    EXPECT_EQ(client.Exchange(exchange.request, exchange.answer.size()), exchange.answer) << exchange.request;
  }
  client.ShutdownWrite();
  EXPECT_EQ(client.ReceiveToFin(), "");
  kv.ExpectDrained();
}

// Whatever TCP makes of it, on one shard and where most keys live on another.
void ExpectSameSplitAtEveryByte(const std::string& shards) {
  Example kv("kv", {"--shards=" + shards});
  std::string requests, answers;
  for (const Exchange& exchange : Protocol()) {
    requests += exchange.request;
    answers += exchange.answer;
  }
  for (size_t split = 0; split < requests.size(); ++split) {
    Client client(kv.port());
    ASSERT_TRUE(client.Send(requests.substr(0, split)));
    client.AwaitAcknowledged();
    ASSERT_TRUE(client.Send(requests.substr(split)));
    client.ShutdownWrite();
    ASSERT_EQ(client.ReceiveToFin(), answers) << "split at byte " << split;
  }
}
TEST(KvExample, SaysTheSameSplitAtEveryByte) { ExpectSameSplitAtEveryByte("1"); }
TEST(KvExample, SaysTheSameOnThreeShards) { ExpectSameSplitAtEveryByte("3"); }

TEST(KvExample, ErrorOfTheProtocolEndsTheConnection) {
  Example kv("kv");
  const std::string error = "-ERR Protocol error: ";
  const Exchange wrong[] = {
      {"*x\r\n", error + "invalid multibulk length\r\n"},
      {"*1000000000\r\n", error + "invalid multibulk length\r\n"},
      {"*99999999999999999999\r\n", error + "invalid multibulk length\r\n"},
      {"PING\r\n", error + "invalid multibulk length\r\n"},
      {"*17\r\n", error + "invalid multibulk length\r\n"},
      {"\r\n", error + "invalid multibulk length\r\n"},
      {"*1\r\n+4\r\nPING\r\n", error + "invalid bulk length\r\n"},
      {"*1\r\n$x\r\n", error + "invalid bulk length\r\n"},
      {"*1\r\n$-1\r\n", error + "invalid bulk length\r\n"},
      {"*2\r\n$3\r\nGET\r\n$1000000000000\r\n", error + "invalid bulk length\r\n"},
      {"*2\r\n$3\r\nGET\r\n$1048574\r\n", error + "invalid bulk length\r\n"},  // 1 MB together
  };
  for (const Exchange& exchange : wrong) {
    Client client(kv.port());
    ASSERT_TRUE(client.Send(Command({"PING"}) + exchange.request));
    EXPECT_EQ(client.ReceiveToFin(), "+PONG\r\n" + exchange.answer) << exchange.request;
  }
}

TEST(KvExample, KeepsALargeValueAndRefusesOneOverTheBound) {
  Example kv("kv");
  Client client(kv.port());
  const std::string large(1'000'000, 'x');
  EXPECT_EQ(client.Exchange(Command({"SET", "large", large}), 5), "+OK\r\n");
  EXPECT_EQ(client.Exchange(Command({"GET", "large"}), large.size() + 12), "$1000000\r\n" + large + "\r\n");
  EXPECT_EQ(client.Exchange("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2000000\r\n", 42).substr(0, 42),
            "-ERR Protocol error: invalid bulk length\r\n");
  EXPECT_EQ(client.ReceiveToFin(), "");
}

TEST(KvExample, EveryConnectionSeesOneStore) {
  Example kv("kv", {"--shards=3"});
  Client writer(kv.port());
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(writer.Exchange(Command({"SET", "key" + std::to_string(i), std::to_string(i)}), 5), "+OK\r\n");
  }
  for (int reader = 0; reader < 8; ++reader) {
    Client client(kv.port());
    std::string requests, answers;
    for (int i = 0; i < 100; ++i) {
      const std::string value = std::to_string(i);
      requests += Command({"GET", "key" + value});
      answers += "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
    }
    ASSERT_EQ(client.Exchange(requests, answers.size()), answers);
  }
  kv.ExpectDrained();
}

bool Installed(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0;
}

// What `command` says; the test has failed unless it ends with 0.
std::string Print(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::string out;
  for (char chunk[4096]; size_t n = fread(chunk, 1, sizeof(chunk), pipe);) out.append(chunk, n);
  const int status = pclose(pipe);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << command << "\n" << out;
  return out;
}

TEST(KvExample, AnswersRedisCli) {
  if (!Installed("redis-cli")) GTEST_SKIP() << "no redis-cli here: apt-get install redis-tools";
  Example kv("kv", {"--shards=2"});
  const std::string cli = "redis-cli -p " + std::to_string(kv.port()) + " ";
  EXPECT_EQ(Print(cli + "ping"), "PONG\n");
  EXPECT_EQ(Print(cli + "set greeting 'hello world'"), "OK\n");
  EXPECT_EQ(Print(cli + "get greeting"), "hello world\n");
  EXPECT_EQ(Print(cli + "get nothing"), "\n");
  EXPECT_EQ(Print(cli + "del greeting"), "1\n");
  EXPECT_EQ(Print(cli + "get greeting"), "\n");
  EXPECT_EQ(Print("printf 'set a 1\\nget a\\nexists a\\n' | " + cli), "OK\n1\n1\n");
  kv.ExpectDrained();
}

TEST(KvExample, ServesRedisBenchmark) {
  if (!Installed("redis-benchmark")) GTEST_SKIP() << "no redis-benchmark here: apt-get install redis-tools";
  Example kv("kv", {"--shards=2"});
  for (const std::string depth : {"1", "16"}) {
    const std::string said = Print("redis-benchmark -p " + std::to_string(kv.port()) +
                                 " -t ping_mbulk,set,get -n 4000 -c 20 -r 1000 -P " + depth + " --csv");
    for (const std::string test : {"\"PING_MBULK\"", "\"SET\"", "\"GET\""}) {
      EXPECT_NE(said.find(test), std::string::npos) << said;
    }
    EXPECT_EQ(said.find("WARN"), std::string::npos) << said;
    EXPECT_EQ(said.find("rror"), std::string::npos) << said;
  }
  kv.ExpectDrained();
}

}  // namespace
}  // namespace mooring::examples
