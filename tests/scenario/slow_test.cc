// SPDX-License-Identifier: Apache-2.0
// Peers that read slowly or not at all: what they may hold, and that nobody else notices.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "net/uring/receive_group.h"
#include "tests/alloc/resident.h"
#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scale.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"
#include "tests/scenario/swarm.h"

namespace mooring::scenario {
namespace {

using alloc::Purpose;
using net::CloseCause;
using net::Connection;
using net::EngineCount;

uint64_t BlockBytes(const LoopbackServer& server) {
  return server.Bytes(Purpose::kReceiveBlocks) + server.Bytes(Purpose::kBlocks);
}

uint64_t QueuedMax(LoopbackServer& server) {
  return server.OnShard(0, [](net::Engine& engine) {
    uint64_t most = 0;
    engine.ForEach([&](Connection* conn) { most = std::max(most, conn->queued_bytes()); });
    return most;
  });
}

class Slow : public ScenarioOf<int> {};

TEST_P(Slow, SixteenMegabytesThroughASlowReaderHoldLittleMemory) {
  LoopbackServer server(EchoForms(Param()).service, In());
  Client client(server.port(), {.receive_buffer = 64 << 10});
  constexpr uint64_t kBytes = 16 << 20;
  EXPECT_EQ(client.Exchange("x", 1), "x");
  (void)StreamBytes(5, 0, 0, 1);
  const int64_t resident = alloc::ResidentBytes();
  const uint64_t blocks = BlockBytes(server);
  uint64_t sent = 0, received = 0, queued_most = 0, blocks_most = 0;
  int64_t resident_most = resident;
  while (received < kBytes) {
    // As much as goes in, until the server reads no further and the kernel's buffers are full.
    for (;;) {
      const size_t n = std::min<uint64_t>(64 << 10, kBytes - sent);
      const size_t fits = client.SendWhatFits(StreamBytes(5, 0, sent, n));
      sent += fits;
      if (fits < n || sent == kBytes) break;
    }
    if (sent == kBytes && received == 0) ADD_FAILURE() << "nothing held the sender back";
    queued_most = std::max(queued_most, QueuedMax(server));
    blocks_most = std::max(blocks_most, BlockBytes(server));
    resident_most = std::max(resident_most, alloc::ResidentBytes());
    const size_t want = std::min<uint64_t>(64 << 10, kBytes - received);
    const std::string got = client.Receive(want);
    ASSERT_EQ(got.size(), want);
    ASSERT_TRUE(got == StreamBytes(5, 0, received, want)) << "at " << received;
    received += want;
  }
  client.ShutdownWrite();
  EXPECT_EQ(client.ReceiveToFin(), "");
  std::printf("queued at most %llu, blocks %llu more, resident %lld more\n",
              static_cast<unsigned long long>(queued_most), static_cast<unsigned long long>(blocks_most - blocks),
              static_cast<long long>(resident_most - resident));
  EXPECT_GT(queued_most, 0u);
  // High watermark and one kernel batch beyond it, which is the bound of what may come after reading was switched off.
  EXPECT_LE(queued_most, (64u << 10) + 33u * 16384u);
  // And as many blocks as are published, which are more after a receive has found none.
  const uint64_t published = world().faults == Faults::kNone ? 0 : uint64_t{512 - 64} * 16384;
  EXPECT_LT(blocks_most - blocks, (4u << 20) + published);
  if (!kSanitized) {
    EXPECT_LT(resident_most - resident, static_cast<int64_t>((8u << 20) + published));
  }
}

TEST_P(Slow, PeersThatStopReadingHoldUpNobodyElse) {
  LoopbackServer server(EchoForms(Param()).service, In());
  std::vector<Client> stuck;
  const std::string plenty(64 << 10, 'x');
  for (int i = 0; i < 64; ++i) stuck.emplace_back(server.port());
  // Until none of them can send any more, twice in a row with the server having had turns in between.
  for (int quiet = 0; quiet < 20;) {
    size_t sent = 0;
    for (Client& client : stuck) sent += client.SendWhatFits(plenty);
    quiet = sent == 0 ? quiet + 1 : 0;
    server.PassTime(1);
  }
  EXPECT_EQ(server.live(), 64u);
  std::vector<Client> others;
  for (int i = 0; i < Scaled(500); ++i) others.emplace_back(server.port());
  for (uint64_t round = 0; round < 5; ++round) {
    for (size_t i = 0; i < others.size(); ++i) {
      ASSERT_TRUE(others[i].Send(StreamBytes(round, static_cast<uint32_t>(i), 0, 3000)));
    }
    for (size_t i = 0; i < others.size(); ++i) {
      ASSERT_EQ(others[i].Receive(3000), StreamBytes(round, static_cast<uint32_t>(i), 0, 3000));
    }
  }
  EXPECT_LE(QueuedMax(server), (64u << 10) + 41u * 16384u);
  // Receives that find no block raise what is published, up to 512, and any one of these may get all of it (contract 5).
  if (world().faults == Faults::kNone) {
    EXPECT_LE(server.OnShard(0, [](net::Engine& e) { return e.retained_blocks(); }), 64u * 41u);
  }
  for (Client& client : stuck) client.Reset();
  server.Await([&] { return server.live() == others.size(); });
}

INSTANTIATE_TEST_SUITE_P(Worlds, Slow, testing::Combine(EveryWorld(), testing::Range(0, kEchoForms)),
                         WorldAnd(+[](int form) { return EchoForms(form).name; }));

// Keeps every lease until it is told to give them back.
class Keeper final : public net::Handler {
 public:
  explicit Keeper(std::vector<alloc::Lease>* kept) : kept_(kept) {}
  void OnData(Connection& conn, alloc::Lease data) override {
    if (data.view() == "give back\n") {
      kept_->clear();
      keeping_ = false;
    } else if (keeping_) {
      kept_->push_back(std::move(data));
      return;
    }
    conn.Write("ok\n");
  }

 private:
  std::vector<alloc::Lease>* const kept_;
  bool keeping_ = true;
};

class Leases : public Scenario {};

TEST_P(Leases, KeptByAServiceStarveNobodyForever) {
  std::vector<alloc::Lease> kept;
  LoopbackServer server([&] { return std::make_unique<Keeper>(&kept); }, In());
  // Many connections that send block after block, until each has as many retained as it may.
  std::vector<Client> clients;
  for (int i = 0; i < 300; ++i) clients.emplace_back(server.port());
  uint64_t sent = 0;
  const std::string piece(1000, 'x');
  for (int quiet = 0; quiet < 20;) {
    const uint64_t before = server.OnShard(0, [](net::Engine& e) { return e.retained_blocks(); });
    for (Client& client : clients) sent += client.SendWhatFits(piece);
    server.PassTime(1);
    const uint64_t after = server.OnShard(0, [](net::Engine& e) { return e.retained_blocks(); });
    quiet = after == before ? quiet + 1 : 0;
  }
  const uint32_t retained = server.OnShard(0, [](net::Engine& e) { return e.retained_blocks(); });
  EXPECT_GT(retained, 512u) << "more than the receive group has";
  // Those that hold nothing are read all the same. (Not above the bound of the shard plus one batch for each.)
  EXPECT_LE(retained, net::Engine::kRetainedPerShard + 300u * 41u);
  Client other(server.port());
  EXPECT_EQ(other.Exchange("give back\n", 3), "ok\n");
  // Everything that was sent is read in the end, and everybody is served again.
  server.Await([&] { return server.Count(EngineCount::kBytesReceived) == sent + 10; });
  for (Client& client : clients) {
    ASSERT_TRUE(client.Send("q"));
    client.Receive(3);
  }
  EXPECT_EQ(server.OnShard(0, [](net::Engine& e) { return e.retained_blocks(); }), 0u);
}

TEST_P(Leases, ThatOutliveTheirConnectionAreNobodysCharge) {
  std::vector<alloc::Lease> kept;
  LoopbackServer server([&] { return std::make_unique<Keeper>(&kept); }, In());
  for (int i = 0; i < 100; ++i) {
    Client client(server.port());
    ASSERT_TRUE(client.Send("x"));
    server.Await([&] { return server.Count(EngineCount::kBytesReceived) == static_cast<uint64_t>(i) + 1; });
  }
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.OnShard(0, [](net::Engine& e) { return e.retained_blocks(); }), 0u);
  Client other(server.port());
  EXPECT_EQ(other.Exchange("give back\n", 3), "ok\n");
}
INSTANTIATE_TEST_SUITE_P(Worlds, Leases, EveryWorld(), WorldName());

class HardCap : public Scenario {};

TEST_P(HardCap, ClosesTheConnectionThatGoesOverIt) {
  class Flood final : public net::Handler {
   public:
    void OnData(Connection& conn, alloc::Lease) override {
      const std::string piece(100000, 'f');
      int written = 0;
      while (conn.Write(piece)) ++written;
      EXPECT_EQ(written, 11);  // the one that crosses 1 MB is taken whole
      EXPECT_FALSE(conn.open());
    }
  };
  LoopbackServer server(Callbacks<Flood>(), In());
  Client client(server.port());
  ASSERT_TRUE(client.Send("x"));
  Ending ending;
  client.ReceiveToEnd(&ending);
  EXPECT_EQ(ending, Ending::kReset);
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kQueueFull), 1u);
}

TEST_P(HardCap, WithDropWhenFullRefusesTheWrite) {
  class Flood final : public net::Handler {
   public:
    void OnData(Connection& conn, alloc::Lease) override {
      const std::string piece(100000, 'f');
      for (int i = 0; i < 20; ++i) EXPECT_EQ(conn.Write(piece), i < 11);
      EXPECT_TRUE(conn.open());
    }
  };
  LoopbackServer server(Callbacks<Flood>(), In({.service = {.drop_when_full = true}}));
  Client client(server.port());
  ASSERT_TRUE(client.Send("x"));
  EXPECT_EQ(client.Receive(1100000), std::string(1100000, 'f'));
  EXPECT_EQ(server.Count(EngineCount::kWritesDropped), 9u);
  client.ShutdownWrite();
  EXPECT_EQ(client.ReceiveToFin(), "");
}
INSTANTIATE_TEST_SUITE_P(Worlds, HardCap, EveryWorld(), WorldName());

std::atomic<int> rooms{0};
core::Task<> WritesPatiently(Connection& conn) {
  (void)co_await conn.Read();
  for (int i = 0; i < 200; ++i) {
    conn.Write(StreamBytes(9, 0, static_cast<uint64_t>(i) * 20000, 20000));
    if (const bool room = co_await conn.Writable(); !room) co_return;
    ++rooms;
  }
}

class Writable : public Scenario {};

TEST_P(Writable, WakesBelowTheLowWatermarkAndBoundsTheQueue) {
  rooms = 0;
  LoopbackServer server(Coroutine(WritesPatiently), In());
  Client client(server.port(), {.receive_buffer = 32 << 10});
  ASSERT_TRUE(client.Send("x"));
  for (uint64_t at = 0; at < 200 * 20000; at += 20000) {
    ASSERT_TRUE(client.Receive(20000) == StreamBytes(9, 0, at, 20000)) << at;
    ASSERT_LE(QueuedMax(server), (64u << 10) + 20000u);
  }
  EXPECT_EQ(client.ReceiveToFin(), "");
  EXPECT_EQ(rooms, 200);
}

TEST_P(Writable, EndsWhenThePeerResets) {
  LoopbackServer server(Coroutine(WritesPatiently), In());
  Client client(server.port(), {.receive_buffer = 4096});
  ASSERT_TRUE(client.Send("x"));
  server.Await([&] { return server.Count(EngineCount::kSendsBlocked) > 0; });
  client.Reset();
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerReset), 1u);
}
INSTANTIATE_TEST_SUITE_P(Worlds, Writable, EveryWorld(), WorldName());

// Answers to OnWritable with more, until it has written all.
class WritesWhenWritable final : public net::Handler {
 public:
  void OnData(Connection& conn, alloc::Lease) override { Fill(conn); }
  void OnWritable(Connection& conn) override { Fill(conn); }

 private:
  void Fill(Connection& conn) {
    for (int i = 0; i < 4 && written_ < 100; ++i, ++written_) {
      conn.Write(StreamBytes(11, 0, static_cast<uint64_t>(written_) * 30000, 30000));
    }
    if (written_ == 100) conn.Close();
  }
  int written_ = 0;
};

class OnWritable : public Scenario {};

TEST_P(OnWritable, ComesEachTimeTheQueueHasFallen) {
  LoopbackServer server(Callbacks<WritesWhenWritable>(), In());
  Client client(server.port());
  ASSERT_TRUE(client.Send("x"));
  std::string all;
  for (int i = 0; i < 100; ++i) all += StreamBytes(11, 0, static_cast<uint64_t>(i) * 30000, 30000);
  EXPECT_TRUE(client.ReceiveToFin() == all);
}
INSTANTIATE_TEST_SUITE_P(Worlds, OnWritable, EveryWorld(), WorldName());

// Pauses after each block; the test resumes.
class PausesAfterEach final : public net::Handler {
 public:
  explicit PausesAfterEach(std::string* seen) : seen_(seen) {}
  void OnData(Connection& conn, alloc::Lease data) override {
    EXPECT_FALSE(paused_) << "delivered although paused";
    seen_->append(data.view());
    conn.Pause();
    paused_ = true;
  }
  void OnEof(Connection& conn) override {
    EXPECT_FALSE(paused_);
    conn.Write("eof");
    conn.Close();
  }
  void Resume(Connection& conn) {
    paused_ = false;
    conn.Resume();
    EXPECT_FALSE(paused_) << "delivered inside Resume";
  }

 private:
  std::string* const seen_;
  bool paused_ = false;
};

class PauseAndResume : public Scenario {};

TEST_P(PauseAndResume, KeepOrderAndBoundWhatIsParked) {
  std::string seen;
  PausesAfterEach* handler = nullptr;
  LoopbackServer server([&] {
    auto made = std::make_unique<PausesAfterEach>(&seen);
    handler = made.get();
    return made;
  }, In());
  Client client(server.port());
  constexpr uint64_t kBytes = 6 << 20;
  uint64_t sent = 0;
  std::string all;
  while (all.size() < kBytes) all += StreamBytes(13, 0, all.size(), 32768);
  bool end_sent = false;
  bool eof = false;
  server.Await([&] {
    if (sent < kBytes) sent += client.SendWhatFits(std::string_view(all).substr(sent, 1 << 20));
    if (sent == kBytes && !end_sent) {
      client.ShutdownWrite();
      end_sent = true;
    }
    const uint32_t retained = server.OnShard(0, [handler](net::Engine& engine) {
      const uint32_t blocks = engine.retained_blocks();
      engine.ForEach([handler](Connection* conn) { handler->Resume(*conn); });
      return blocks;
    });
    // What may be parked before reading stops, and all that one enter can bring then (contracts 5 and 7).
    EXPECT_LE(retained, net::Engine::kParkedMax + net::uring::ReceiveGroup::kEntries);
    eof = client.HasData();
    return eof;
  });
  EXPECT_EQ(client.ReceiveToFin(), "eof");
  EXPECT_EQ(seen.size(), all.size());
  EXPECT_TRUE(seen == all);
  EXPECT_GT(server.Count(EngineCount::kPauses), 0u);
}
INSTANTIATE_TEST_SUITE_P(Worlds, PauseAndResume, EveryWorld(), WorldName());

}  // namespace
}  // namespace mooring::scenario
