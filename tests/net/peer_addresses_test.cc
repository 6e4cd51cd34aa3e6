// SPDX-License-Identifier: Apache-2.0
// The side array by itself, and an engine that has asked a transport for an address, answer by answer.
#include "net/peer_addresses.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "alloc/accounting.h"
#include "core/clock.h"
#include "core/shard.h"
#include "net/engine.h"
#include "net/transport.h"

namespace mooring::net {
namespace {

const Address kOne = *Address::Parse("192.0.2.1:1000");
const Address kTwo = *Address::Parse("[2001:db8::2]:2000");

TEST(PeerAddresses, StayWhereTheyAreWhileOthersComeAndGo) {
  alloc::Accounting accounting;
  PeerAddresses addresses(5 * PeerAddresses::kPageSlots, &accounting);
  addresses.Set(3, kOne);
  const Address* at = &addresses.At(3);
  for (uint32_t slot = 4; slot < 5 * PeerAddresses::kPageSlots; ++slot) addresses.Set(slot, kTwo);
  for (uint32_t slot = 4; slot < 5 * PeerAddresses::kPageSlots; ++slot) addresses.Forget(slot);
  addresses.Trim();
  EXPECT_EQ(&addresses.At(3), at);
  EXPECT_EQ(*at, kOne);
  EXPECT_TRUE(addresses.At(4).empty());
  EXPECT_TRUE(addresses.At(5 * PeerAddresses::kPageSlots - 1).empty());
}

TEST(PeerAddresses, PagesComeWithTheFirstAndGoAfterTheLast) {
  alloc::Accounting accounting;
  {
    PeerAddresses addresses(2 * PeerAddresses::kPageSlots + 1, &accounting);
    EXPECT_EQ(accounting.Total(), 0u);
    addresses.Set(0, Address());
    addresses.Forget(1);
    EXPECT_EQ(accounting.Total(), 0u);
    addresses.Set(0, kOne);
    const uint64_t page = accounting.Total();
    EXPECT_GE(page, PeerAddresses::kPageSlots * sizeof(Address));
    addresses.Set(2 * PeerAddresses::kPageSlots, kTwo);
    EXPECT_EQ(accounting.Total(), 2 * page);
    addresses.Forget(0);
    addresses.Forget(0);
    addresses.Trim();
    EXPECT_EQ(accounting.Total(), page);
    EXPECT_EQ(addresses.At(2 * PeerAddresses::kPageSlots), kTwo);
  }
  EXPECT_EQ(accounting.Total(), 0u);
}

class AskedTransport final : public Transport {
 public:
  std::vector<ConnId> asked;
  std::vector<ConnId> leaving;
  std::vector<bool> reading;
  TransportEvents* events = nullptr;

  void AskPeer(ConnId id) override { asked.push_back(id); }
  void Close(ConnId id) override { leaving.push_back(id); }
  void Abort(ConnId id) override { leaving.push_back(id); }
  void Poll(core::Nanos, Sleeper* sleeper) override {
    sleeper->OnAwake();
    for (ConnId id : std::exchange(leaving, {})) events->OnReleased(id);
  }
  void SetReading(ConnId, bool on) override { reading.push_back(on); }
  std::string Describe() const override { return "asked"; }
  int Watch(int, uint32_t, Watcher*) override { return -ENOSYS; }
  void Unwatch(int) override {}
  void Wake() override {}
  void Listen(ListenerId, int, int, bool) override {}
  void SetAcceptMode(ListenerId, AcceptMode) override {}
  void RefuseNew(ListenerId) override {}
  void StopAccept(ListenerId, bool) override {}
  void Connect(ConnId, const Address&, const Address&) override {}
  void Consumed(ConnId, uint32_t) override {}
  void Send(ConnId, const iovec*, unsigned, SendMode) override {}
  void ShutdownSend(ConnId) override {}
  void AskOutQueue(ConnId) override {}
  bool ReadToEnd() const override { return true; }
  void Count(absl::FunctionRef<void(std::string_view, uint64_t)>) const override {}
};

class AskedEngine : public testing::Test, protected Handler {
 protected:
  AskedEngine() {
    transport_.events = events();
    shard_.SetPort(&transport_);
    engine_.SetTransport(&transport_);
    tracked_ = engine_.AddListener("tracked", this, {.track_peers = true});
    id_ = events()->OnAccept(tracked_, false);
    events()->OnOpen(id_);
  }
  ~AskedEngine() override {
    engine_.CutAll();
    for (int turn = 0; turn < 3; ++turn) Turn();
    EXPECT_EQ(engine_.live(), 0u);
    EXPECT_EQ(shard_.buffers().receive_live(), 0u);
    EXPECT_EQ(shard_.frames().live(), 0u);
  }
  void OnOpen(Connection& conn) override { log_.push_back("open " + conn.peer().ToString()); }
  void OnData(Connection&, alloc::Lease data) override { log_.push_back(std::string(data.view())); }
  void OnEof(Connection&) override { log_.push_back("eof"); }
  void OnDrain(Connection& conn) override {
    log_.push_back("drain");
    conn.Close();
  }
  void OnClose(Connection&, CloseCause cause) override { log_.push_back(Name(cause)); }

  TransportEvents* events() { return engine_.events(); }
  void Receive(std::string_view text) {
    alloc::Block* block = shard_.buffers().AcquireReceive();
    text.copy(block->data, text.size());
    events()->OnReceive(id_, alloc::Lease(block, 0, static_cast<uint32_t>(text.size())));
  }
  void Turn() {
    shard_.RunTurn(0);
    EXPECT_STREQ(engine_.Validate(), nullptr);
  }
  using Log = std::vector<std::string>;

  core::ManualClock clock_;
  core::Shard shard_{{.clock = &clock_}};
  core::Shard::Enter enter_{&shard_};
  Engine engine_{&shard_, {.connections_max = 8}};
  AskedTransport transport_;
  ListenerId tracked_ = 0;
  ConnId id_ = kNoConn;
  Log log_;
};

TEST_F(AskedEngine, ServesWhenTheAnswerIsThereAndDeliversWhatCameBefore) {
  EXPECT_EQ(transport_.asked, std::vector<ConnId>{id_});
  Receive("one");
  Turn();
  Receive("two");
  events()->OnReceiveEnd(id_, 0);
  Turn();
  EXPECT_EQ(log_, Log());
  events()->OnPeer(id_, kTwo);
  EXPECT_EQ(log_, Log{"open [2001:db8::2]:2000"});
  Turn();
  EXPECT_EQ(log_, (Log{"open [2001:db8::2]:2000", "one", "two", "eof"}));
}

TEST_F(AskedEngine, ServesWithoutAnAddressWhereThereIsNoneToBeHad) {
  events()->OnPeer(id_, Address());
  Receive("one");
  EXPECT_EQ(log_, (Log{"open none", "one"}));
}

TEST_F(AskedEngine, TellsOfAFinThatCameBeforeTheAnswer) {
  events()->OnReceiveEnd(id_, 0);
  Turn();
  events()->OnPeer(id_, kOne);
  Turn();
  EXPECT_EQ(log_, (Log{"open 192.0.2.1:1000", "eof"}));
}

TEST_F(AskedEngine, DoesNotServeWhoIsResetBeforeTheAnswer) {
  Receive("one");
  events()->OnReceiveEnd(id_, -ECONNRESET);
  events()->OnPeer(id_, kOne);  // in the same Poll
  Turn();
  Turn();
  EXPECT_EQ(log_, Log());
  EXPECT_EQ(engine_.live(), 0u);
  EXPECT_EQ(engine_.causes().Read(CloseCause::kPeerReset), 1u);
}

TEST_F(AskedEngine, IsCutBeforeTheAnswer) {
  Receive("one");
  EXPECT_EQ(engine_.CutAll(), 1u);
  Turn();
  Turn();
  EXPECT_EQ(log_, Log());
  EXPECT_EQ(engine_.causes().Read(CloseCause::kDrainDeadline), 1u);
}

TEST_F(AskedEngine, DrainsWhoIsStillBeingAskedFor) {
  bool drained = false;
  engine_.BeginDrain([&] { drained = true; });
  Receive("one");
  for (int turn = 0; turn < 5; ++turn) Turn();
  EXPECT_FALSE(drained);
  events()->OnPeer(id_, kOne);
  for (int turn = 0; turn < 5; ++turn) Turn();
  EXPECT_EQ(log_, (Log{"open 192.0.2.1:1000", "one", "drain"}));
  clock_.Advance(60 * core::kNanosPerSecond);  // nobody answers its FIN
  for (int turn = 0; turn < 3; ++turn) Turn();
  EXPECT_TRUE(drained);
}

TEST_F(AskedEngine, ReadsNoMoreThanItMayParkWhileTheAnswerIsOut) {
  for (uint32_t n = 0; n <= Engine::kParkedMax; ++n) Receive("x");
  Turn();
  EXPECT_EQ(transport_.reading, std::vector<bool>{false});
  events()->OnPeer(id_, kOne);
  for (int turn = 0; turn < 3; ++turn) Turn();
  EXPECT_EQ(log_.size(), Engine::kParkedMax + 2);
  EXPECT_EQ(transport_.reading, (std::vector<bool>{false, true}));
}

TEST_F(AskedEngine, LetsThePassOfTimeEndNobodyBeforeItsService) {
  clock_.Advance(3600 * core::kNanosPerSecond);
  for (int turn = 0; turn < 3; ++turn) Turn();
  EXPECT_EQ(engine_.live(), 1u);
}

}  // namespace
}  // namespace mooring::net
