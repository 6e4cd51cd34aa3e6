// SPDX-License-Identifier: Apache-2.0
#include "net/connector.h"

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/shard.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mooring::net {
namespace {

// Notes who connects from where; the test says how it went.
class FakeTransport final : public Transport {
 public:
  struct Connecting {
    ConnId id;
    std::string from;
  };
  std::vector<Connecting> connecting;
  std::vector<ConnId> releasing;
  TransportEvents* events = nullptr;

  void Connect(ConnId id, const Address&, const Address& from) override { connecting.push_back({id, from.ToString()}); }
  void Close(ConnId id) override { releasing.push_back(id); }
  void Abort(ConnId id) override { releasing.push_back(id); }
  void Poll(core::Nanos, Sleeper* sleeper) override {
    sleeper->OnAwake();
    for (ConnId id : std::exchange(releasing, {})) events->OnReleased(id);
  }

  std::string Describe() const override { return "fake"; }
  int Watch(int, uint32_t, Watcher*) override { return -ENOSYS; }
  void Unwatch(int) override {}
  void Wake() override {}
  void Listen(ListenerId, int, int, bool) override {}
  void SetAcceptMode(ListenerId, AcceptMode) override {}
  void RefuseNew(ListenerId) override {}
  void StopAccept(ListenerId, bool) override {}
  void SetReading(ConnId, bool) override {}
  void Consumed(ConnId, uint32_t) override {}
  void Send(ConnId, const iovec*, unsigned, SendMode) override {}
  void ShutdownSend(ConnId) override {}
  void AskPeer(ConnId) override {}
  void AskOutQueue(ConnId) override {}
  bool ReadToEnd() const override { return true; }
  void Count(absl::FunctionRef<void(std::string_view, uint64_t)>) const override {}
};

class ConnectorTest : public ::testing::Test, protected Handler {
 protected:
  static constexpr uint32_t kSlots = 10;

  ConnectorTest() {
    transport_.events = engine_.events();
    shard_.SetPort(&transport_);
    engine_.SetTransport(&transport_);
  }
  ~ConnectorTest() override {
    engine_.CutAll();
    Turn();
  }

  void Make(uint32_t sources, uint32_t per_source_max, uint32_t in_flight_max) {
    connector_ = std::make_unique<Connector>(&engine_, Connector::Options{.profile = engine_.AddListener("t", this, {}),
                                                                          .sources = LoopbackSources(0, sources),
                                                                          .per_source_max = per_source_max,
                                                                          .in_flight_max = in_flight_max});
  }
  // The oldest connect under way ends.
  void Finish(int result) {
    const ConnId id = transport_.connecting.front().id;
    transport_.connecting.erase(transport_.connecting.begin());
    engine_.events()->OnConnect(id, result);
    Turn();
  }
  void Turn() { shard_.RunTurn(0); }
  std::vector<std::string> From() const {
    std::vector<std::string> from;
    for (const auto& each : transport_.connecting) from.push_back(each.from);
    return from;
  }

  void OnOpen(Connection& conn) override { connector_->OnOpen(conn); }
  void OnData(Connection&, alloc::Lease) override {}
  void OnClose(Connection& conn, CloseCause cause) override { connector_->OnClose(conn, cause); }

  core::ManualClock clock_;
  core::Shard shard_{{.clock = &clock_}};
  core::Shard::Enter enter_{&shard_};
  Engine engine_{&shard_, {.connections_max = kSlots}};
  FakeTransport transport_;
  std::unique_ptr<Connector> connector_;
};

TEST_F(ConnectorTest, SourcesTakeTurns) {
  Make(3, 10, 10);
  for (int i = 0; i < 4; ++i) ASSERT_NE(connector_->Open(), nullptr);
  EXPECT_THAT(From(), ::testing::ElementsAre("127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0", "127.0.0.1:0"));
}

TEST_F(ConnectorTest, WhatIsClosedWhileItConnectsIsNoLongerUnderWay) {
  Make(0, 1, 3);
  Connection* closed = connector_->Open();
  Connection* aborted = connector_->Open();
  ASSERT_NE(connector_->Open(), nullptr);
  EXPECT_EQ(connector_->Open(), nullptr);
  closed->Close();
  aborted->Abort();
  Turn();
  EXPECT_EQ(connector_->in_flight(), 1u);
  engine_.CutAll();
  Turn();
  EXPECT_EQ(connector_->in_flight(), 0u);
  EXPECT_EQ(connector_->failed(), 0u);
}

TEST_F(ConnectorTest, WithoutSourcesTheKernelChooses) {
  Make(0, 1, 10);
  ASSERT_NE(connector_->Open(), nullptr);
  ASSERT_NE(connector_->Open(), nullptr);
  EXPECT_THAT(From(), ::testing::ElementsAre("none", "none"));
}

TEST_F(ConnectorTest, InFlightIsBoundedUntilOneIsOpenOrHasFailed) {
  Make(1, 10, 2);
  ASSERT_NE(connector_->Open(), nullptr);
  ASSERT_NE(connector_->Open(), nullptr);
  EXPECT_EQ(connector_->Open(), nullptr);
  Finish(0);
  ASSERT_NE(connector_->Open(), nullptr);
  EXPECT_EQ(connector_->Open(), nullptr);
  Finish(-ECONNREFUSED);
  ASSERT_NE(connector_->Open(), nullptr);
  EXPECT_EQ(connector_->in_flight(), 2u);
}

TEST_F(ConnectorTest, AFullSourceIsPassedOverUntilOneOfItsConnectionsIsGone) {
  Make(2, 2, 10);
  std::vector<Connection*> open;
  for (int i = 0; i < 4; ++i) open.push_back(connector_->Open());
  EXPECT_EQ(connector_->Open(), nullptr);
  for (int i = 0; i < 4; ++i) Finish(0);
  EXPECT_EQ(connector_->Open(), nullptr) << "open ones count as well";
  open[1]->Abort();
  Turn();
  ASSERT_NE(connector_->Open(), nullptr);
  EXPECT_THAT(From(), ::testing::ElementsAre("127.0.0.2:0"));
  EXPECT_EQ(connector_->Open(), nullptr);
}

TEST_F(ConnectorTest, AFullEngineTakesNothingFromTheSource) {
  Make(1, kSlots + 1, kSlots + 5);
  for (uint32_t i = 0; i < kSlots; ++i) ASSERT_NE(connector_->Open(), nullptr);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(connector_->Open(), nullptr);
  EXPECT_EQ(connector_->in_flight(), kSlots);
  Finish(-ETIMEDOUT);
  EXPECT_NE(connector_->Open(), nullptr);
}

TEST_F(ConnectorTest, FailuresAreCountedByErrno) {
  Make(1, 10, 10);
  for (int i = 0; i < 4; ++i) ASSERT_NE(connector_->Open(), nullptr);
  Finish(-ECONNREFUSED);
  Finish(-EADDRNOTAVAIL);
  Finish(-ECONNREFUSED);
  Finish(0);
  EXPECT_EQ(connector_->failed(), 3u);
  EXPECT_THAT(connector_->failures(),
              ::testing::ElementsAre(::testing::Pair(EADDRNOTAVAIL, 1), ::testing::Pair(ECONNREFUSED, 2)));
  EXPECT_EQ(connector_->in_flight(), 0u);
}

TEST(Connector, ExplainsWhatToDo) {
  EXPECT_EQ(Connector::Explain(EADDRNOTAVAIL),
            "no free local port: widen net.ipv4.ip_local_port_range or give more --sources");
  EXPECT_THAT(Connector::Explain(ECONNREFUSED), ::testing::HasSubstr("refused"));
  EXPECT_THAT(Connector::Explain(ETIMEDOUT), ::testing::HasSubstr("timed out"));
}

TEST(Connector, LoopbackSourcesGoBeyondOneOctet) {
  const auto sources = LoopbackSources(254, 3);
  EXPECT_EQ(sources[0].ToString(), "127.0.0.255:0");
  EXPECT_EQ(sources[2].ToString(), "127.0.1.1:0");
}

}  // namespace
}  // namespace mooring::net
