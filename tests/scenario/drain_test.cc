// SPDX-License-Identifier: Apache-2.0
// Drain: what was acknowledged before it is answered in full, then FIN; nobody is reset; what stalls is cut at the end.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <future>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scale.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"
#include "tests/scenario/swarm.h"

namespace mooring::scenario {
namespace {

using net::CloseCause;
using net::Connection;
using net::EngineCount;
using net::ReadReason;

struct LoadForm {
  const char* name;
  ServiceFactory service;
  bool lines;
};

LoadForm LoadForms(int i) {
  if (i == 0) return {"EchoCallbacks", Callbacks<EchoCallbacks>(), false};
  if (i == 1) return {"EchoCoroutine", Coroutine(EchoCoroutine), false};
  return {"Lines", Coroutine(ShortLines), true};
}

class DrainUnderLoad : public ScenarioOf<int> {
 protected:
  struct Peer {
    Client client;
    std::string sent;
    size_t acknowledged = 0;  // of what was sent before the drain
    std::string received;
    bool ended = false;
  };

  // A burst of lines of random length. Both services answer with what they got.
  std::string Burst() {
    std::string text;
    for (uint64_t n = 1 + random_() % 40; n > 0; --n) {
      text.append(1 + random_() % (kLineMax - 1), static_cast<char>('a' + random_() % 26));
      text += '\n';
    }
    return text;
  }

  void Send(Peer& peer) {
    const std::string burst = Burst();
    peer.sent.append(burst, 0, peer.client.SendWhatFits(burst));
  }

  std::mt19937_64 random_;
};

TEST_P(DrainUnderLoad, AnswersWhatWasAcknowledgedThenSendsFin) {
  const LoadForm form = LoadForms(Param());
  const int runs = world().faults == Faults::kNone ? 10 : 4;
  for (int run = 0; run < runs; ++run) {
    const unsigned seed = std::random_device()();
    std::printf("seed %u\n", seed);
    random_.seed(seed);
    LoopbackServer server(form.service, In({.shards = 2}));
    std::vector<Peer> peers(100);
    for (Peer& peer : peers) peer.client = Client(server.port());
    for (int bursts = 0; bursts < 5; ++bursts) {
      for (Peer& peer : peers) Send(peer);
    }
    for (Peer& peer : peers) {
      const size_t unacknowledged = static_cast<size_t>(peer.client.Unacknowledged());
      peer.acknowledged = peer.sent.size() - unacknowledged;
      if (form.lines) peer.acknowledged = peer.sent.rfind('\n', peer.acknowledged - 1) + 1;
    }
    server.BeginDrain();

    // They go on sending until they see the end.
    size_t open = peers.size();
    while (open > 0) {
      std::vector<pollfd> polls;
      for (const Peer& peer : peers) polls.push_back({peer.ended ? -1 : peer.client.fd(), POLLIN, 0});
      ASSERT_GT(poll(polls.data(), polls.size(), kPatienceSeconds * 1000), 0) << open << " have not ended";
      for (size_t i = 0; i < peers.size(); ++i) {
        if (polls[i].revents == 0) continue;
        Peer& peer = peers[i];
        char chunk[16384];
        const ssize_t n = recv(peer.client.fd(), chunk, sizeof(chunk), MSG_DONTWAIT);
        if (n > 0) {
          peer.received.append(chunk, static_cast<size_t>(n));
          Send(peer);
          continue;
        }
        ASSERT_EQ(n, 0) << "peer " << i << " was reset after " << peer.received.size() << " bytes";
        peer.ended = true;
        peer.client.Close();
        --open;
      }
    }
    for (const Peer& peer : peers) {
      EXPECT_GE(peer.received.size(), peer.acknowledged);
      ASSERT_TRUE(peer.received == peer.sent.substr(0, peer.received.size()));
      if (form.lines && !peer.received.empty()) {
        EXPECT_EQ(peer.received.back(), '\n');
      }
    }
    ASSERT_TRUE(server.AwaitDrained());
    EXPECT_EQ(server.Cause(CloseCause::kDrained), peers.size());
  }
}
INSTANTIATE_TEST_SUITE_P(Worlds, DrainUnderLoad, testing::Combine(EveryWorld(), testing::Range(0, 3)),
                         WorldAnd(+[](int form) { return LoadForms(form).name; }));

class Drain : public Scenario {};

TEST_P(Drain, ServesWhoIsInTheAcceptQueue) {
  for (int run = 0; run < 10; ++run) {
    LoopbackServer server(Coroutine(ShortLines), In());
    std::promise<void> connected;
    // The shard does nothing until everybody has connected and asked, and then begins the drain at once.
    std::thread drain([&] {
      server.OnShard(0, [&](net::Engine& engine) {
        connected.get_future().wait();
        engine.BeginDrain([] {});
      });
    });
    std::vector<Client> clients;
    for (int i = 0; i < 200; ++i) {
      clients.emplace_back(server.port());
      ASSERT_TRUE(clients.back().Send("hello\n"));
      clients.back().AwaitAcknowledged();
    }
    connected.set_value();
    drain.join();
    for (Client& client : clients) {
      ASSERT_EQ(client.ReceiveToFin(), "hello\n");
      client.Close();
    }
    ASSERT_TRUE(server.AwaitDrained());
    EXPECT_EQ(server.Count(EngineCount::kAccepted), 200u);
  }
}

class DrainAtTheCap : public ScenarioOf<int> {};

TEST_P(DrainAtTheCap, ServesTheBacklogAsOthersLeave) {
  LoopbackServer server(Coroutine(ShortLines), In({.shards = Param(), .max_connections = 10}));
  std::vector<Client> clients;
  for (int i = 0; i < 40; ++i) {
    clients.emplace_back(server.port());
    ASSERT_TRUE(clients.back().Send("hello\n"));
  }
  server.Await([&] { return server.live() == 10; });
  server.BeginDrain();
  size_t served = 0;
  std::vector<std::string> answers(clients.size());
  while (served < clients.size()) {
    std::vector<pollfd> polls;
    for (const Client& client : clients) polls.push_back({client.fd(), POLLIN, 0});
    ASSERT_GT(poll(polls.data(), polls.size(), kPatienceSeconds * 1000), 0) << "after " << served;
    for (size_t i = 0; i < clients.size(); ++i) {
      if (!clients[i].open() || polls[i].revents == 0) continue;
      ASSERT_EQ(clients[i].ReceiveToFin(), "hello\n");
      clients[i].Close();
      ++served;
    }
  }
  EXPECT_TRUE(server.AwaitDrained());
}
INSTANTIATE_TEST_SUITE_P(Worlds, DrainAtTheCap, testing::Combine(EveryWorld(), testing::Values(1, 2)),
                         WorldAnd(+[](int shards) { return std::to_string(shards); }));

std::atomic<int> notices{0};
core::Task<> GoesOnAfterTheNotice(Connection& conn) {
  for (;;) {
    auto line = co_await conn.ReadLine();
    if (line) {
      conn.Write(*line);
      conn.Write("\n");
    } else if (line.reason == ReadReason::kDraining) {
      ++notices;
      conn.Write("draining\n");
    } else {
      co_return;
    }
  }
}

TEST_P(Drain, NoticeIsGivenOnceAndTheServiceMayGoOn) {
  notices = 0;
  LoopbackServer server(Coroutine(GoesOnAfterTheNotice), In());
  Client client(server.port());
  EXPECT_EQ(client.Exchange("before\n", 7), "before\n");
  server.BeginDrain();
  EXPECT_EQ(client.Receive(9), "draining\n");
  EXPECT_EQ(client.Exchange("after\n", 6), "after\n");
  server.PassTime(300);
  EXPECT_EQ(client.Exchange("later\n", 6), "later\n");
  client.ShutdownWrite();
  EXPECT_EQ(client.ReceiveToFin(), "");
  EXPECT_TRUE(server.AwaitDrained());
  EXPECT_EQ(notices, 1);
  EXPECT_LT(Dial(server.port(), {}), 0) << "the listener is closed";
}

TEST_P(Drain, HalfSentLineMayBeFinished) {
  LoopbackServer server(Coroutine(ShortLines), In());
  Client client(server.port());
  EXPECT_EQ(client.Exchange("one\nha", 4), "one\n");
  server.Await([&] { return server.Count(EngineCount::kBytesReceived) == 6; });
  server.BeginDrain();
  server.PassTime(net::Engine::kRefuseMs + 100);
  EXPECT_EQ(client.Now(), Ending::kStillOpen);
  ASSERT_TRUE(client.Send("lf\n"));
  EXPECT_EQ(client.ReceiveToFin(), "half\n");
  client.Close();
  EXPECT_TRUE(server.AwaitDrained());
  EXPECT_EQ(server.Cause(CloseCause::kDrained), 1u);
}

TEST_P(Drain, PeerWithHalfALineIsCutAtTheDeadline) {
  LoopbackServer server(Coroutine(ShortLines), In());
  Client client(server.port());
  ASSERT_TRUE(client.Send("ha"));
  server.Await([&] { return server.Count(EngineCount::kBytesReceived) == 2; });
  server.BeginDrain();
  server.PassTime(net::Engine::kRefuseMs + 100);
  EXPECT_EQ(server.live(), 1u);
  EXPECT_EQ(server.CutAll(), 1u);
  Ending ending;
  EXPECT_EQ(client.ReceiveToEnd(&ending), "");
  EXPECT_EQ(ending, Ending::kReset);
  EXPECT_TRUE(server.AwaitDrained());
  EXPECT_EQ(server.Cause(CloseCause::kDrainDeadline), 1u);
}

TEST_P(Drain, PeerThatDoesNotReadIsCutAtTheDeadline) {
  LoopbackServer server(Callbacks<EchoCallbacks>(), In());
  Client client(server.port(), {.receive_buffer = 4096});
  Clog(&server, &client);
  server.BeginDrain();
  server.PassTime(net::Engine::kRefuseMs + 100);
  EXPECT_EQ(server.live(), 1u);
  EXPECT_EQ(server.CutAll(), 1u);
  EXPECT_TRUE(server.AwaitDrained());
  EXPECT_EQ(server.Cause(CloseCause::kDrainDeadline), 1u);
}

TEST_P(Drain, SlowReaderGetsEverythingFirst) {
  LoopbackServer server(Callbacks<EchoCallbacks>(), In());
  Client client(server.port(), {.receive_buffer = 32 << 10});
  std::string all;
  while (all.size() < 1 << 20) all += StreamBytes(17, 0, all.size(), 32768);
  size_t sent = 0;
  server.Await([&] {
    sent += client.SendWhatFits(std::string_view(all).substr(sent));
    return sent == all.size() || server.Count(EngineCount::kPauses) > 0;
  });
  const size_t acknowledged = sent - static_cast<size_t>(client.Unacknowledged());
  server.BeginDrain();
  const std::string received = client.ReceiveToFin();
  EXPECT_GE(received.size(), acknowledged);
  EXPECT_TRUE(received == all.substr(0, received.size()));
  client.Close();
  EXPECT_TRUE(server.AwaitDrained());
}

TEST_P(Drain, OfNobodyEndsByItself) {
  LoopbackServer server(Callbacks<EchoCallbacks>(), In({.shards = 2}));
  server.BeginDrain();
  EXPECT_TRUE(server.AwaitDrained());
}
INSTANTIATE_TEST_SUITE_P(Worlds, Drain, EveryWorld(), WorldName());

}  // namespace
}  // namespace mooring::scenario
