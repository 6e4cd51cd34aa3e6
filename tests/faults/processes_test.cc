// SPDX-License-Identifier: Apache-2.0
// mooringd and its peers as processes that are stopped, killed and short of memory.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tests/scenario/client.h"
#include "tests/scenario/scale.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/swarm.h"
#include "tests/server/daemon.h"

namespace mooring::scenario {
namespace {

using server::Daemon;

class Processes : public Scenario {
 protected:
  static std::vector<std::string> Arguments(int port = 0) {
    return {"--transport=" + std::string(net::Name(world().transport)), "--shards=1",
            "--listen=echo=127.0.0.1:" + std::to_string(port)};
  }
};

TEST_P(Processes, KilledServerStartsAtOnceOnTheSamePort) {
  int port = 0;
  for (int round = 0; round < 20; ++round) {
    Daemon daemon(Arguments(port));
    port = daemon.AwaitPort("echo");
    ASSERT_NE(port, 0) << "round " << round;
    std::vector<Client> clients;
    for (int i = 0; i < 10; ++i) {
      clients.emplace_back(static_cast<uint16_t>(port));
      ASSERT_EQ(clients.back().Exchange("hello", 5), "hello");
    }
    // Killed with words under way, in both directions.
    for (Client& client : clients) client.SendWhatFits(std::string(20'000, 'x'));
    daemon.Signal(SIGKILL);
    ASSERT_EQ(daemon.AwaitExit(), 1000 + SIGKILL);
    for (Client& client : clients) {
      Ending ending;
      const std::string got = client.ReceiveToEnd(&ending);
      EXPECT_NE(ending, Ending::kStillOpen);
      EXPECT_EQ(got.find_first_not_of('x'), std::string::npos);
      client.Close();
    }
  }
}

// Its rings may hold the port for longer than the process lives: contract 16.
TEST_P(Processes, KilledServerIsSucceededWhileItsRingsAreTakenDown) {
  int port = 0;
  for (int round = 0; round < 30; ++round) {
    Daemon daemon(Arguments(port));
    port = daemon.AwaitPort("echo");
    ASSERT_NE(port, 0) << "round " << round;
    daemon.Signal(SIGKILL);
    ASSERT_EQ(daemon.AwaitExit(), 1000 + SIGKILL);
  }
}

// A peer in a process of its own, which ends with 0 when every byte has come back.
pid_t StartPeer(uint16_t port, uint32_t stream, uint64_t bytes) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  SwarmOptions options;
  options.connections = 10;
  options.bytes_each = bytes;
  options.seed = stream;
  const SwarmResult result = RunSwarm(port, options);
  _exit(result.finished == options.connections ? 0 : 1);
}

TEST_P(Processes, StoppedPeersHoldUpNobodyAndGetEveryByteLater) {
  Daemon daemon(Arguments());
  const uint16_t port = daemon.AwaitPort("echo");
  std::vector<pid_t> peers;
  for (uint32_t i = 0; i < 4; ++i) peers.push_back(StartPeer(port, i, Scaled(2 << 20)));
  for (int stops = 0; stops < 5; ++stops) {
    for (pid_t peer : peers) ASSERT_EQ(kill(peer, SIGSTOP), 0);
    // The others are served meanwhile, and that is also what time passes by.
    const SwarmResult others = RunSwarm(port, {.connections = 20, .bytes_each = 100'000, .seed = 99});
    EXPECT_EQ(others.finished, 20);
    for (pid_t peer : peers) ASSERT_EQ(kill(peer, SIGCONT), 0);
    EXPECT_EQ(Client(port).Exchange("x", 1), "x");
  }
  for (pid_t peer : peers) {
    int status = 0;
    ASSERT_EQ(waitpid(peer, &status, 0), peer);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), 0);
}

// A memory cgroup of our own, v1 or v2, with a bound. None where we may not make one.
class MemoryGroup {
 public:
  explicit MemoryGroup(uint64_t bytes) {
    struct Way {
      const char* root;
      const char* bound;
      const char* most;
    };
    for (const Way& way : {Way{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"},
                           Way{"/sys/fs/cgroup", "memory.max", "memory.peak"}}) {
      const std::string path = std::string(way.root) + "/mooring-test-" + std::to_string(getpid());
      if (mkdir(path.c_str(), 0755) != 0) {
        why_ = path + ": " + strerror(errno);
        continue;
      }
      path_ = path;
      most_ = way.most;
      if (Write(way.bound, std::to_string(bytes))) return;
      why_ = path + "/" + way.bound + ": " + strerror(errno);
      rmdir(path.c_str());
      path_.clear();
    }
  }
  ~MemoryGroup() {
    if (!path_.empty()) {
      EXPECT_EQ(rmdir(path_.c_str()), 0) << path_ << ": " << strerror(errno);
    }
  }
  MemoryGroup(const MemoryGroup&) = delete;

  bool there() const { return !path_.empty(); }
  const std::string& why() const { return why_; }
  bool Add(pid_t pid) { return Write("cgroup.procs", std::to_string(pid)); }
  uint64_t most_bytes() const {
    uint64_t bytes = 0;
    std::ifstream(path_ + "/" + most_) >> bytes;
    return bytes;
  }

 private:
  bool Write(const std::string& name, const std::string& text) {
    std::ofstream file(path_ + "/" + name);
    file << text << std::flush;
    return file.good();
  }

  std::string path_;
  std::string most_;
  std::string why_;
};

TEST_P(Processes, ServerInASmallMemoryGroupServesThroughClogsAndStorms) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's memory is not the server's";
  constexpr uint64_t kBound = 32 << 20;
  MemoryGroup group(kBound);
  if (!group.there()) GTEST_SKIP() << "no memory cgroup to be had: " << group.why();
  Daemon daemon(Arguments());
  ASSERT_TRUE(group.Add(daemon.pid()));
  const uint16_t port = daemon.AwaitPort("echo");
  for (int round = 0; round < 3; ++round) {
    // Peers that send and never read, as much as goes in.
    std::vector<Client> stuck;
    for (int i = 0; i < 100; ++i) stuck.emplace_back(port, ClientOptions{.receive_buffer = 4096});
    const std::string plenty(64 << 10, 'x');
    size_t sent = 1;
    while (sent > 0) {
      sent = 0;
      for (Client& client : stuck) sent += client.SendWhatFits(plenty);
      ASSERT_EQ(Client(port).Exchange("between", 7), "between");
    }
    const SwarmResult result = RunSwarm(port, {.connections = 200, .bytes_each = 50'000, .seed = 7});
    EXPECT_EQ(result.finished, 200);
    for (Client& client : stuck) client.Reset();
  }
  std::printf("at most %llu of %llu bytes\n", static_cast<unsigned long long>(group.most_bytes()),
              static_cast<unsigned long long>(kBound));
  EXPECT_GT(group.most_bytes(), 1u << 20);
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), 0);
}

INSTANTIATE_TEST_SUITE_P(Worlds, Processes, PlainWorlds(), WorldName());

}  // namespace
}  // namespace mooring::scenario
