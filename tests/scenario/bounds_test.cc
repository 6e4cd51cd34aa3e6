// SPDX-License-Identifier: Apache-2.0
// Full is a normal answer: at a cap or a full table peers wait in the backlog, and are served when others leave.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"

namespace mooring::scenario {
namespace {

using net::CloseCause;
using net::Connection;
using net::EngineCount;

// How many are open in all shards together, and the most there ever were.
struct OpenCount {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
};

class CountsOpen final : public net::Handler {
 public:
  explicit CountsOpen(OpenCount* open) : open_(open) {}
  void OnOpen(Connection&) override {
    const int now = ++open_->now;
    int most = open_->most;
    while (now > most && !open_->most.compare_exchange_weak(most, now)) {
    }
  }
  void OnData(Connection& conn, alloc::Lease data) override { conn.Write(std::move(data)); }
  void OnClose(Connection&, CloseCause) override { --open_->now; }

 private:
  OpenCount* const open_;
};

class Cap : public ScenarioOf<int> {};

TEST_P(Cap, IsExactAndTheNextOneWaits) {
  OpenCount open;
  LoopbackServer server([&] { return std::make_unique<CountsOpen>(&open); },
                        In({.shards = Param(), .max_connections = 10}));
  // Twice as many as the cap, wherever the kernel's hash puts them. Those beyond it connect, and wait unanswered.
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(server.port());
    ASSERT_TRUE(clients.back().Send("x"));
  }
  int served_all = 0;
  for (int left = 20; left > 0; --left) {
    server.Await([&] { return server.live() == static_cast<uint64_t>(std::min(left, 10)); });
    // As many as are open have their answer, exactly.
    size_t answered = clients.size();
    server.Await([&] {
      const auto n = std::count_if(clients.begin(), clients.end(), [](Client& c) { return c.HasData(); });
      return n == std::min(left, 10);
    });
    for (size_t i = 0; i < clients.size(); ++i) {
      if (clients[i].HasData()) answered = i;
    }
    ASSERT_LT(answered, clients.size());
    EXPECT_EQ(clients[answered].Receive(1), "x");
    clients[answered].Close();
    clients.erase(clients.begin() + static_cast<long>(answered));
    ++served_all;
  }
  EXPECT_EQ(served_all, 20);
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(open.most, 10);
  EXPECT_EQ(server.Cause(CloseCause::kPeerClosed), 20u);
}

TEST_P(Cap, HoldsUnderARushOfShortConnections) {
  OpenCount open;
  LoopbackServer server([&] { return std::make_unique<CountsOpen>(&open); },
                        In({.shards = Param(), .max_connections = 10}));
  int served = 0;
  std::vector<Client> clients;
  for (int round = 0; round < 40; ++round) {
    while (clients.size() < 50) {
      clients.emplace_back(server.port());
      ASSERT_TRUE(clients.back().Send("x"));
    }
    std::vector<pollfd> polls;
    for (const Client& client : clients) polls.push_back({client.fd(), POLLIN, 0});
    ASSERT_GT(poll(polls.data(), polls.size(), kPatienceSeconds * 1000), 0);
    for (size_t i = clients.size(); i-- > 0;) {
      if (polls[i].revents == 0) continue;
      EXPECT_EQ(clients[i].Receive(1), "x");
      ++served;
      if (i % 3 == 0) clients[i].Reset();
      clients.erase(clients.begin() + static_cast<long>(i));
    }
  }
  EXPECT_GE(served, 40);
  for (Client& client : clients) client.Reset();
  server.Await([&] { return server.live() == 0; });
  EXPECT_LE(open.most, 10);
}

INSTANTIATE_TEST_SUITE_P(Worlds, Cap, testing::Combine(EveryWorld(), testing::Values(1, 2, 4)),
                         WorldAnd(+[](int shards) { return std::to_string(shards); }));

class SmallTable : public Scenario {};

TEST_P(SmallTable, ServesEverybodyInTheEndAndResetsNobody) {
  OpenCount open;
  LoopbackServer server([&] { return std::make_unique<CountsOpen>(&open); },
                        In({.connections_max = 64, .backlog = 512}));
  std::vector<Client> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back(server.port());
    ASSERT_TRUE(clients.back().Send("x"));
  }
  EXPECT_TRUE(server.Await([&] { return server.live() == 64; })) << "the table is used to its last slot";
  int served = 0;
  while (!clients.empty()) {
    std::vector<pollfd> polls;
    for (const Client& client : clients) polls.push_back({client.fd(), POLLIN, 0});
    ASSERT_GT(poll(polls.data(), polls.size(), kPatienceSeconds * 1000), 0) << "after " << served;
    for (size_t i = clients.size(); i-- > 0;) {
      if (polls[i].revents == 0) continue;
      Ending ending;
      ASSERT_EQ(clients[i].Receive(1), "x");
      clients[i].ShutdownWrite();
      EXPECT_EQ(clients[i].ReceiveToEnd(&ending), "");
      EXPECT_EQ(ending, Ending::kFin);
      clients.erase(clients.begin() + static_cast<long>(i));
      ++served;
    }
  }
  EXPECT_EQ(served, 200);
  EXPECT_EQ(open.most, 64);
  EXPECT_EQ(server.TransportCount("accepts_refused"), 0u);
  if (world().transport != net::TransportKind::kEpoll) {  // which accepts one by one always
    EXPECT_GT(server.TransportCount("accepts_near"), 0u);
  }
  if (world().transport == net::TransportKind::kUring && world().faults == Faults::kNone) {
    EXPECT_EQ(server.TransportCount("accept_table_full"), 0u);
  }
}

TEST_P(SmallTable, GoesBackToAcceptingFreely) {
  LoopbackServer server(Callbacks<EchoCallbacks>(), In({.connections_max = 64, .backlog = 8}));
  for (int round = 0; round < 5; ++round) {
    std::vector<Client> clients;
    for (int i = 0; i < 64; ++i) {
      clients.emplace_back(server.port());
      EXPECT_EQ(clients.back().Exchange("x", 1), "x");
    }
    for (Client& client : clients) client.Reset();
    server.Await([&] { return server.live() == 0; });
  }
  if (world().transport != net::TransportKind::kEpoll) {
    EXPECT_GE(server.TransportCount("accept_mode_changes"), 9u);
  }
  if (world().transport == net::TransportKind::kUring && world().faults == Faults::kNone) {
    EXPECT_EQ(server.TransportCount("accept_table_full"), 0u);
  }
}
INSTANTIATE_TEST_SUITE_P(Worlds, SmallTable, EveryWorld(), WorldName());

}  // namespace
}  // namespace mooring::scenario
