// SPDX-License-Identifier: Apache-2.0
#include "net/dialer.h"

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/shard.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/connect_error.h"

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

class DialerTest : public ::testing::Test, protected Handler {
 protected:
  static constexpr uint32_t kSlots = 10;

  DialerTest() {
    transport_.events = engine_.events();
    shard_.SetPort(&transport_);
    engine_.SetTransport(&transport_);
  }
  ~DialerTest() override {
    engine_.CutAll();
    Turn();
  }

  void Make(uint32_t sources, uint32_t per_source_max, uint32_t in_flight_max) {
    dialer_ = std::make_unique<Dialer>(&engine_, Dialer::Options{.profile = engine_.AddListener("t", this, {}),
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

  void OnOpen(Connection& conn) override { dialer_->OnOpen(conn); }
  void OnData(Connection&, alloc::Lease) override {}
  void OnClose(Connection& conn, CloseCause cause) override { dialer_->OnClose(conn, cause); }

  core::ManualClock clock_;
  core::Shard shard_{{.clock = &clock_}};
  core::Shard::Enter enter_{&shard_};
  Engine engine_{&shard_, {.connections_max = kSlots}};
  FakeTransport transport_;
  std::unique_ptr<Dialer> dialer_;
};

TEST_F(DialerTest, SourcesTakeTurns) {
  Make(3, 10, 10);
  for (int i = 0; i < 4; ++i) ASSERT_NE(dialer_->Open(), nullptr);
  EXPECT_THAT(From(), ::testing::ElementsAre("127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0", "127.0.0.1:0"));
}

TEST_F(DialerTest, WhatIsClosedWhileItConnectsIsNoLongerUnderWay) {
  Make(0, 1, 3);
  Connection* closed = dialer_->Open();
  Connection* aborted = dialer_->Open();
  ASSERT_NE(dialer_->Open(), nullptr);
  EXPECT_EQ(dialer_->Open(), nullptr);
  closed->Close();
  aborted->Abort();
  Turn();
  EXPECT_EQ(dialer_->in_flight(), 1u);
  engine_.CutAll();
  Turn();
  EXPECT_EQ(dialer_->in_flight(), 0u);
  EXPECT_EQ(dialer_->failed(), 0u);
}

TEST_F(DialerTest, WithoutSourcesTheKernelChooses) {
  Make(0, 1, 10);
  ASSERT_NE(dialer_->Open(), nullptr);
  ASSERT_NE(dialer_->Open(), nullptr);
  EXPECT_THAT(From(), ::testing::ElementsAre("none", "none"));
}

TEST_F(DialerTest, InFlightIsBoundedUntilOneIsOpenOrHasFailed) {
  Make(1, 10, 2);
  ASSERT_NE(dialer_->Open(), nullptr);
  ASSERT_NE(dialer_->Open(), nullptr);
  EXPECT_EQ(dialer_->Open(), nullptr);
  Finish(0);
  ASSERT_NE(dialer_->Open(), nullptr);
  EXPECT_EQ(dialer_->Open(), nullptr);
  Finish(-ECONNREFUSED);
  ASSERT_NE(dialer_->Open(), nullptr);
  EXPECT_EQ(dialer_->in_flight(), 2u);
}

TEST_F(DialerTest, AFullSourceIsPassedOverUntilOneOfItsConnectionsIsGone) {
  Make(2, 2, 10);
  std::vector<Connection*> open;
  for (int i = 0; i < 4; ++i) open.push_back(dialer_->Open());
  EXPECT_EQ(dialer_->Open(), nullptr);
  for (int i = 0; i < 4; ++i) Finish(0);
  EXPECT_EQ(dialer_->Open(), nullptr) << "open ones count as well";
  open[1]->Abort();
  Turn();
  ASSERT_NE(dialer_->Open(), nullptr);
  EXPECT_THAT(From(), ::testing::ElementsAre("127.0.0.2:0"));
  EXPECT_EQ(dialer_->Open(), nullptr);
}

TEST_F(DialerTest, AFullEngineTakesNothingFromTheSource) {
  Make(1, kSlots + 1, kSlots + 5);
  for (uint32_t i = 0; i < kSlots; ++i) ASSERT_NE(dialer_->Open(), nullptr);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(dialer_->Open(), nullptr);
  EXPECT_EQ(dialer_->in_flight(), kSlots);
  Finish(-ETIMEDOUT);
  EXPECT_NE(dialer_->Open(), nullptr);
}

TEST_F(DialerTest, FailuresAreCountedByErrno) {
  Make(1, 10, 10);
  for (int i = 0; i < 4; ++i) ASSERT_NE(dialer_->Open(), nullptr);
  Finish(-ECONNREFUSED);
  Finish(-EADDRNOTAVAIL);
  Finish(-ECONNREFUSED);
  Finish(0);
  EXPECT_EQ(dialer_->failed(), 3u);
  EXPECT_THAT(dialer_->failures(),
              ::testing::ElementsAre(::testing::Pair(EADDRNOTAVAIL, 1), ::testing::Pair(ECONNREFUSED, 2)));
  EXPECT_EQ(dialer_->in_flight(), 0u);
}

TEST(ConnectError, ExplainsWhatToDo) {
  EXPECT_EQ(ExplainConnectError(EADDRNOTAVAIL),
            "no free local port: widen net.ipv4.ip_local_port_range or connect from more addresses");
  EXPECT_THAT(ExplainConnectError(ECONNREFUSED), ::testing::HasSubstr("refused"));
  EXPECT_THAT(ExplainConnectError(ETIMEDOUT), ::testing::HasSubstr("timed out"));
}

TEST(Dialer, LoopbackSourcesGoBeyondOneOctet) {
  const auto sources = LoopbackSources(254, 3);
  EXPECT_EQ(sources[0].ToString(), "127.0.0.255:0");
  EXPECT_EQ(sources[2].ToString(), "127.0.1.1:0");
}

}  // namespace
}  // namespace mooring::net
