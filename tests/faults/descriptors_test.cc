// SPDX-License-Identifier: Apache-2.0
// No descriptor left: who is served stays served, peers wait in the backlog, and when there are descriptors again they
// are served too.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scale.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"

namespace mooring::scenario {
namespace {

using net::EngineCount;

// At most 1,200 descriptors for this process. Before a server starts, because an armed accept goes by the bound of when
// it was armed.
class Bound {
 public:
  Bound() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit bound = {1200, before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &bound), 0);
  }
  ~Bound() { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  rlimit before_;
};

// Takes all descriptors that there are, but `left`, until it goes.
class Hog {
 public:
  explicit Hog(size_t left) {
    for (int fd = dup(0); fd >= 0; fd = dup(0)) taken_.push_back(fd);
    EXPECT_EQ(errno, EMFILE);
    EXPECT_GE(taken_.size(), left);
    for (; left > 0 && !taken_.empty(); --left) GiveOne();
  }
  ~Hog() {
    while (!taken_.empty()) GiveOne();
  }

 private:
  void GiveOne() {
    close(taken_.back());
    taken_.pop_back();
  }
  std::vector<int> taken_;
};

class DescriptorExhaustion : public Scenario {};

TEST_P(DescriptorExhaustion, IsWaitedOutAndNobodyIsLost) {
  if (kSanitized) GTEST_SKIP() << "UBSan looks at memory through a pipe; without one it sees errors everywhere";
  const Bound bound;
  LoopbackServer server(Callbacks<EchoCallbacks>(), In({.connections_max = 1024, .backlog = 64}));
  Client served(server.port());
  EXPECT_EQ(served.Exchange("x", 1), "x");
  // Forty peers connect while the shard is busy, so that it accepts none of them before descriptors are few.
  std::promise<void> is_busy, few;
  std::thread busy([&] {
    server.OnShard(0, [&](net::Engine&) {
      is_busy.set_value();
      few.get_future().wait();
    });
  });
  is_busy.get_future().wait();
  std::vector<Client> clients;
  for (int i = 0; i < 40; ++i) {
    clients.emplace_back(server.port());
    ASSERT_TRUE(clients.back().Send("hello"));
  }
  {
    const Hog hog(10);
    few.set_value();
    busy.join();
    if (net::TakesDescriptors(world().transport)) {
      // It tries again and again: ten milliseconds later, twenty, forty.
      server.Await([&] { return server.Count(EngineCount::kAcceptErrors) >= 3; });
      EXPECT_LT(server.live(), 41u);
      EXPECT_EQ(served.Exchange("still", 5), "still");
    } else {
      server.Await([&] { return server.live() == 41; });
      // A half-close takes one for a moment, and there is none at all now.
      const Hog rest(0);
      server.OnShard(0, [](net::Engine& engine) {
        engine.ForEach([](net::Connection* conn) { conn->ShutdownWrite(); });
      });
      EXPECT_EQ(clients.back().ReceiveToFin(), "hello");
      server.Await([&] { return server.TransportCount("half_closes_by_worker") > 0; });
      return;
    }
  }
  for (Client& client : clients) EXPECT_EQ(client.Receive(5), "hello");
  EXPECT_EQ(served.Exchange("and on", 6), "and on");
  EXPECT_EQ(server.Count(EngineCount::kAccepted), 41u);
}
INSTANTIATE_TEST_SUITE_P(Worlds, DescriptorExhaustion, PlainWorlds(), WorldName());

}  // namespace
}  // namespace mooring::scenario
