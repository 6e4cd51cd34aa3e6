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
#include "tests/scenario/services.h"
#include "tests/scenario/swarm.h"

namespace mooring::scenario {
namespace {

using net::CloseCause;
using net::Connection;
using net::EngineCount;

class EchoEnds : public testing::TestWithParam<int> {};

TEST_P(EchoEnds, ClientHalfCloseStillGetsTheRest) {
  LoopbackServer server(EchoForms(GetParam()).service);
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
  LoopbackServer server(EchoForms(GetParam()).service);
  Client client(server.port());
  client.ShutdownWrite();
  EXPECT_EQ(client.ReceiveToFin(), "");
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerClosed), 1u);
}

TEST_P(EchoEnds, ResetIsCountedAsReset) {
  LoopbackServer server(EchoForms(GetParam()).service);
  Client client(server.port());
  EXPECT_EQ(client.Exchange("x", 1), "x");
  client.Reset();
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerReset), 1u);
}

TEST_P(EchoEnds, PeerThatVanishesWithUnreadDataIsCountedAsReset) {
  LoopbackServer server(EchoForms(GetParam()).service);
  Client client(server.port());
  ASSERT_TRUE(client.Send("abc"));
  server.Await([&] { return client.HasData(); });
  client.Close();  // with unread data: the kernel sends RST
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerReset), 1u);
}

TEST_P(EchoEnds, ResetWhileAnAnswerIsStuckEndsTheConnection) {
  LoopbackServer server(EchoForms(GetParam()).service);
  Client client(server.port(), {.receive_buffer = 4096});
  const std::string plenty(1 << 16, 'x');
  // Until the server has something queued that does not go out.
  server.Await([&] {
    client.SendWhatFits(plenty);
    return server.Count(EngineCount::kSendsBlocked) > 0;
  });
  client.Reset();
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerReset), 1u);
}

INSTANTIATE_TEST_SUITE_P(Forms, EchoEnds, testing::Range(0, kEchoForms),
                         [](const auto& info) { return EchoForms(info.param).name; });

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

class ServerHalfClose : public testing::TestWithParam<const char*> {};

TEST_P(ServerHalfClose, GoesOnReading) {
  std::atomic<uint64_t> counted{0};
  LoopbackServer server([&] { return std::make_unique<HelloThenCount>(&counted); }, {.features_off = GetParam()});
  Client client(server.port());
  EXPECT_EQ(client.ReceiveToFin(), "hello\n");
  ASSERT_TRUE(client.Send(std::string(300000, 'x')));
  server.Await([&] { return counted == 300000; });
  EXPECT_EQ(server.live(), 1u);
  client.ShutdownWrite();
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerClosed), 1u);
  EXPECT_EQ(server.Count(EngineCount::kWritesAfterClose), 1u);
  EXPECT_EQ(server.TransportCount("half_closes_by_worker"), *GetParam() == '\0' ? 0u : 1u);
}

INSTANTIATE_TEST_SUITE_P(Features, ServerHalfClose, testing::Values("", "fd_install"),
                         [](const auto& info) { return *info.param == '\0' ? "ByInstall" : "ByWorker"; });

core::Task<> OneLineThenBye(Connection& conn) {
  if (auto line = co_await conn.ReadLine(); line) conn.Write("bye\n");
}

TEST(ServerClose, SendsTheQueueThenFinAndWaitsForThePeers) {
  LoopbackServer server(Coroutine(OneLineThenBye));
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

TEST(ServerClose, PeerThatSaysNothingIsLetGoAfterTheLinger) {
  LoopbackServer server(Coroutine(OneLineThenBye));
  Client client(server.port());
  EXPECT_EQ(client.Exchange("hello\n", 4), "bye\n");
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Count(EngineCount::kLingerExpired), 1u);
}

TEST(ServerClose, PeerThatKeepsSendingIsCutOffAtTheLingersBytes) {
  LoopbackServer server(Coroutine(OneLineThenBye));
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

class AbortOnData final : public net::Handler {
 public:
  void OnData(Connection& conn, alloc::Lease) override {
    conn.Write("never seen");
    conn.Abort();
    conn.Abort();
    conn.Close();
  }
};

TEST(ServerAbort, DropsTheQueueAndSendsReset) {
  LoopbackServer server(Callbacks<AbortOnData>());
  Client client(server.port());
  ASSERT_TRUE(client.Send("x"));
  Ending ending;
  EXPECT_EQ(client.ReceiveToEnd(&ending), "");
  EXPECT_EQ(ending, Ending::kReset);
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kServiceAbort), 1u);
}

TEST(PeerThatStallsInMidLine, IsKeptAndFinishesLater) {
  LoopbackServer server(Coroutine(ShortLines));
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

TEST(Outbound, ConnectionsTakeNoCredit) {
  // To itself: each exchange has an accepted and an outbound end, and the cap is for what is accepted.
  LoopbackServer server(Callbacks<EchoCallbacks>(), {.max_connections = 4});
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

}  // namespace
}  // namespace mooring::scenario
