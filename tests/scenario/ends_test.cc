// SPDX-License-Identifier: Apache-2.0
// How connections end, from either side, and the cause that each is counted under. That no connection has two causes is
// checked by LoopbackServer whenever one goes.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"
#include "tests/scenario/swarm.h"

namespace mooring::scenario {
namespace {

using net::CloseCause;
using net::Connection;
using net::EngineCount;

class EchoEnds : public ScenarioOf<int> {};

TEST_P(EchoEnds, ClientHalfCloseStillGetsTheRest) {
  LoopbackServer server(EchoForms(Param()).service, In());
  Client client(server.port());
  const std::string bytes(StreamBytes(1, 1, 0, 40000));
  ASSERT_TRUE(client.Send(bytes));
  client.ShutdownWrite();
  EXPECT_EQ(client.ReceiveToFin(), bytes);
  client.Close();
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerClosed), 1u);
}

TEST_P(EchoEnds, HalfCloseAtOnceIsAnsweredByFin) {
  LoopbackServer server(EchoForms(Param()).service, In());
  Client client(server.port());
  client.ShutdownWrite();
  EXPECT_EQ(client.ReceiveToFin(), "");
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerClosed), 1u);
}

TEST_P(EchoEnds, ResetIsCountedAsReset) {
  LoopbackServer server(EchoForms(Param()).service, In());
  Client client(server.port());
  EXPECT_EQ(client.Exchange("x", 1), "x");
  client.Reset();
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerReset), 1u);
}

TEST_P(EchoEnds, PeerThatVanishesWithUnreadDataIsCountedAsReset) {
  LoopbackServer server(EchoForms(Param()).service, In());
  Client client(server.port());
  ASSERT_TRUE(client.Send("abc"));
  server.Await([&] { return client.HasData(); });
  client.Close();  // with unread data: the kernel sends RST
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerReset), 1u);
}

TEST_P(EchoEnds, ResetWhileAnAnswerIsStuckEndsTheConnection) {
  LoopbackServer server(EchoForms(Param()).service, In());
  Client client(server.port(), {.receive_buffer = 4096});
  Clog(&server, &client);
  client.Reset();
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerReset), 1u);
}

INSTANTIATE_TEST_SUITE_P(Worlds, EchoEnds, testing::Combine(EveryWorld(), testing::Range(0, kEchoForms)),
                         WorldAnd(+[](int form) { return EchoForms(form).name; }));

// Says hello, sends its FIN, and goes on reading; says at the end how many bytes came.
class HelloThenCount final : public net::Handler {
 public:
  explicit HelloThenCount(std::atomic<uint64_t>* counted) : counted_(counted) {}
  void OnOpen(Connection& conn) override {
    conn.Write("hello\n");
    conn.ShutdownWrite();
    EXPECT_FALSE(conn.Write("no more"));
  }
  void OnData(Connection&, alloc::Lease data) override { counted_->fetch_add(data.size()); }

 private:
  std::atomic<uint64_t>* const counted_;
};

class ServerHalfClose : public Scenario {
 protected:
  void GoesOnReading(LoopbackOptions options) {
    std::atomic<uint64_t> counted{0};
    LoopbackServer server([&] { return std::make_unique<HelloThenCount>(&counted); }, options);
    Client client(server.port());
    EXPECT_EQ(client.ReceiveToFin(), "hello\n");
    ASSERT_TRUE(client.Send(std::string(300000, 'x')));
    server.Await([&] { return counted == 300000; });
    EXPECT_EQ(server.live(), 1u);
    client.ShutdownWrite();
    server.Await([&] { return server.live() == 0; });
    EXPECT_EQ(server.Cause(CloseCause::kPeerClosed), 1u);
    EXPECT_EQ(server.Count(EngineCount::kWritesAfterClose), 1u);
    if (world().transport == net::TransportKind::kUring) {
      // By a worker where the kernel does not install descriptors, or has just refused to.
      const uint64_t refused = server.Injected(Fault::kInstallRefused);
      EXPECT_EQ(server.TransportCount("half_closes_by_worker"), options.features_off.empty() ? refused : 1u);
    }
  }
};

TEST_P(ServerHalfClose, GoesOnReading) { GoesOnReading(In()); }

INSTANTIATE_TEST_SUITE_P(Worlds, ServerHalfClose, EveryWorld(), WorldName());

// Only modern has direct descriptors, which a worker of the kernel shuts down where they can't be installed.
class HalfCloseByWorker : public ServerHalfClose {};
TEST_P(HalfCloseByWorker, GoesOnReading) { GoesOnReading(In({.features_off = "fd_install"})); }
INSTANTIATE_TEST_SUITE_P(Worlds, HalfCloseByWorker, ModernOnly(), WorldName());

core::Task<> OneLineThenBye(Connection& conn) {
  if (auto line = co_await conn.ReadLine(); line) conn.Write("bye\n");
}

class ServerClose : public Scenario {};

TEST_P(ServerClose, SendsTheQueueThenFinAndWaitsForThePeers) {
  LoopbackServer server(Coroutine(OneLineThenBye), In());
  Client client(server.port());
  ASSERT_TRUE(client.Send("hello\nand more that nobody reads\n"));
  EXPECT_EQ(client.ReceiveToFin(), "bye\n");
  EXPECT_EQ(server.live(), 1u) << "it lingers";
  ASSERT_TRUE(client.Send("still talking\n"));
  client.AwaitAcknowledged();
  EXPECT_EQ(client.Now(), Ending::kFin) << "and resets nobody";
  client.Close();
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kService), 1u);
  EXPECT_EQ(server.Count(EngineCount::kLingerExpired), 0u);
}

TEST_P(ServerClose, PeerThatSaysNothingIsLetGoAfterTheLinger) {
  LoopbackServer server(Coroutine(OneLineThenBye), In());
  Client client(server.port());
  EXPECT_EQ(client.Exchange("hello\n", 4), "bye\n");
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Count(EngineCount::kLingerExpired), 1u);
}

TEST_P(ServerClose, PeerThatKeepsSendingIsCutOffAtTheLingersBytes) {
  LoopbackServer server(Coroutine(OneLineThenBye), In());
  Client client(server.port());
  EXPECT_EQ(client.Exchange("hello\n", 4), "bye\n");
  const std::string plenty(1 << 16, 'x');
  server.Await([&] {
    client.SendWhatFits(plenty);
    return server.live() == 0;
  });
  EXPECT_EQ(server.Count(EngineCount::kLingerExpired), 1u);
  EXPECT_EQ(server.Cause(CloseCause::kService), 1u);
}
INSTANTIATE_TEST_SUITE_P(Worlds, ServerClose, EveryWorld(), WorldName());

class AbortOnData final : public net::Handler {
 public:
  void OnData(Connection& conn, alloc::Lease) override {
    conn.Write("never seen");
    conn.Abort();
    conn.Abort();
    conn.Close();
  }
};

class ServerAbort : public Scenario {};

TEST_P(ServerAbort, DropsTheQueueAndSendsReset) {
  LoopbackServer server(Callbacks<AbortOnData>(), In());
  Client client(server.port());
  ASSERT_TRUE(client.Send("x"));
  Ending ending;
  EXPECT_EQ(client.ReceiveToEnd(&ending), "");
  EXPECT_EQ(ending, Ending::kReset);
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kServiceAbort), 1u);
}
INSTANTIATE_TEST_SUITE_P(Worlds, ServerAbort, EveryWorld(), WorldName());

class PeerThatStallsInMidLine : public Scenario {};

TEST_P(PeerThatStallsInMidLine, IsKeptAndFinishesLater) {
  LoopbackServer server(Coroutine(ShortLines), In());
  std::vector<Client> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back(server.port());
    ASSERT_TRUE(clients.back().Send("half a "));
  }
  server.Await([&] { return server.Count(EngineCount::kBytesReceived) == 200 * 7; });
  EXPECT_EQ(server.OnShard(0, [](net::Engine& engine) { return engine.retained_blocks(); }), 0u)
      << "what has begun is in carry blocks";
  for (Client& client : clients) EXPECT_EQ(client.Exchange("line\n", 12), "half a line\n");
  // Half of them vanish in the middle of the next one.
  for (size_t i = 0; i < clients.size(); ++i) {
    ASSERT_TRUE(clients[i].Send("and a ha"));
    if (i % 2 == 0) clients[i].Reset(); else clients[i].Close();
  }
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerReset), 100u);
  EXPECT_EQ(server.Cause(CloseCause::kPeerClosed), 100u);
}
INSTANTIATE_TEST_SUITE_P(Worlds, PeerThatStallsInMidLine, EveryWorld(), WorldName());

class Outbound : public Scenario {};

TEST_P(Outbound, ConnectionsTakeNoCredit) {
  // To itself: each exchange has an accepted and an outbound end, and the cap is for what is accepted.
  LoopbackServer server(Callbacks<EchoCallbacks>(), In({.max_connections = 4}));
  const uint16_t port = server.port();
  for (int i = 0; i < 10; ++i) {
    server.OnShard(0, [port](net::Engine& engine) {
      net::Address to = *net::Address::Parse("127.0.0.1:0");
      to.set_port(port);
      Connection* conn = engine.Connect(0, to, {});
      ASSERT_NE(conn, nullptr);
    });
    server.Await([&] { return server.Count(EngineCount::kConnected) == static_cast<uint64_t>(i) + 1; });
    server.Await([&] { return server.Count(EngineCount::kAccepted) == static_cast<uint64_t>(i) + 1; });
    server.OnShard(0, [](net::Engine& engine) {
      engine.ForEach([](Connection* conn) { conn->Close(); });
    });
    server.Await([&] { return server.live() == 0; });
  }
}
INSTANTIATE_TEST_SUITE_P(Worlds, Outbound, EveryWorld(), WorldName());

}  // namespace
}  // namespace mooring::scenario
