// SPDX-License-Identifier: Apache-2.0
// mooringd at the bound of its descriptors, on the transports whose connections take one each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "server/runtime.h"
#include "tests/scenario/client.h"
#include "tests/scenario/scenario.h"
#include "tests/server/daemon.h"

namespace mooring::server {
namespace {

namespace fs = std::filesystem;
using scenario::Client;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr rlim_t kLimit = 400;
constexpr size_t kBound = kLimit - 256;
constexpr size_t kWaiting = 30;  // fewer than the backlog takes, which is 18 a shard

class Descriptors : public scenario::Scenario {
 protected:
  void SetUp() override {
    scenario::Scenario::SetUp();
    if (IsSkipped()) return;
    if (!net::TakesDescriptors(world().transport)) {
      GTEST_SKIP() << "its connections take no descriptor of the process";
    }
    char name[] = "/tmp/mooringd.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    if (!directory_.empty()) fs::remove_all(directory_);
  }

  static Daemon::Options Limited(rlim_t limit) {
    Daemon::Options options;
    options.before_exec = [limit] {
      const rlimit both = {limit, limit};
      return setrlimit(RLIMIT_NOFILE, &both) == 0;
    };
    return options;
  }
  static std::string Transport() { return "--transport=" + std::string(net::Name(world().transport)); }

  // CPU time of the daemon in clock ticks.
  static uint64_t Ticks(const Daemon& daemon) {
    std::ifstream file("/proc/" + std::to_string(daemon.pid()) + "/stat");
    std::string all((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::istringstream fields(all.substr(all.rfind(')') + 2));
    std::string field;
    for (int i = 3; i < 14; ++i) fields >> field;  // proc(5): 14 is utime, 15 is stime
    uint64_t user = 0, system = 0;
    fields >> user >> system;
    return user + system;
  }

  std::string directory_;
};

TEST_P(Descriptors, PlanSaysThatTheyBoundTheWholeProcess) {
  Daemon daemon({"--listen=echo=127.0.0.1:0", "--shards=2", Transport()}, Limited(kLimit));
  EXPECT_THAT(daemon.AwaitUpTo("try: "),
              AllOf(HasSubstr("\ntransport: " + std::string(net::Name(world().transport))),
                    HasSubstr("\nup to 144 connections on 2 shards\n  limited by RLIMIT_NOFILE 400 for the whole process; each "
                              "connection takes a descriptor (the " +
                              std::string(net::Name(world().transport)) + " transport), 256 are kept for the rest\n")));
}

TEST_P(Descriptors, CapBelowThemIsWhatThePlanNames) {
  Daemon daemon({"--listen=echo=127.0.0.1:0", "--shards=2", "--max-connections=100", Transport()}, Limited(kLimit));
  EXPECT_THAT(daemon.AwaitUpTo("try: "), HasSubstr("\nup to 100 connections on 2 shards\n  limited by --max-connections 100;"));
}

// Over two shards and one path: exactly as many are served as there is room for, the rest wait and cost nothing, and are
// served as others leave.
TEST_P(Descriptors, BoundIsKeptExactlyAndTheRestWait) {
  const std::string path = directory_ + "/echo";
  Daemon daemon({"--listen=echo=unix:" + path, "--shards=2", Transport()}, Limited(kLimit));
  daemon.AwaitLine("try: ");
  std::vector<Client> clients;
  for (size_t i = 0; i < kBound + kWaiting; ++i) {
    clients.push_back(Client::AtPath(path));
    ASSERT_TRUE(clients.back().Send("x"));
  }
  std::vector<Client> served;
  const auto TakeServed = [&] {
    for (size_t i = clients.size(); i-- > 0;) {
      if (!clients[i].HasData()) continue;
      EXPECT_EQ(clients[i].Receive(1), "x");
      served.push_back(std::move(clients[i]));
      clients.erase(clients.begin() + static_cast<long>(i));
    }
  };
  while (served.size() < kBound) TakeServed();
  // Every shard has had turns since, in which it could have taken more.
  for (int round = 0; round < 5; ++round) {
    for (Client& client : served) ASSERT_EQ(client.Exchange("y", 1), "y");
  }
  const uint64_t before = Ticks(daemon);
  std::vector<pollfd> waiting;
  for (Client& client : clients) waiting.push_back({client.fd(), POLLIN, 0});
  EXPECT_EQ(poll(waiting.data(), waiting.size(), 500), 0) << "more than the bound are served";
  EXPECT_EQ(served.size(), kBound);
  EXPECT_LE(Ticks(daemon) - before, static_cast<uint64_t>(sysconf(_SC_CLK_TCK)) / 10) << "waiting costs CPU time";
  const auto open = fs::directory_iterator("/proc/" + std::to_string(daemon.pid()) + "/fd");
  EXPECT_LT(std::distance(begin(open), end(open)), static_cast<long>(kBound) + 64) << "far from the limit itself";

  // One leaves, one comes.
  while (!clients.empty()) {
    served.erase(served.begin());
    const size_t was = served.size();
    while (served.size() == was) TakeServed();
  }
  for (Client& client : served) EXPECT_EQ(client.Exchange("z", 1), "z");
}

TEST_P(Descriptors, BoundIsKeptOverTcpAndOverABusyComingAndGoing) {
  Daemon daemon({"--listen=echo=127.0.0.1:0", "--shards=2", "--max-connections=10", Transport()}, Limited(kLimit));
  const uint16_t port = daemon.AwaitPort("echo");
  std::vector<Client> clients;
  int left = 300;
  size_t served = 0;
  while (left > 0 || !clients.empty()) {
    while (left > 0 && clients.size() < 14) {
      clients.emplace_back(port);
      ASSERT_TRUE(clients.back().Send("x"));
      --left;
    }
    std::vector<size_t> answered;
    for (size_t i = clients.size(); i-- > 0;) {
      if (clients[i].HasData()) answered.push_back(i);
    }
    ASSERT_LE(answered.size(), 10u);
    for (size_t i : answered) {
      EXPECT_EQ(clients[i].Receive(1), "x");
      clients.erase(clients.begin() + static_cast<long>(i));
      ++served;
    }
  }
  EXPECT_EQ(served, 300u);
}

INSTANTIATE_TEST_SUITE_P(Worlds, Descriptors,
                         ::testing::Values(scenario::World{net::TransportKind::kUringBase},
                                           scenario::World{net::TransportKind::kEpoll}),
                         scenario::WorldName());

}  // namespace
}  // namespace mooring::server
