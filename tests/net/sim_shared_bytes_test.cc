// SPDX-License-Identifier: Apache-2.0
// One body on very many connections, over the simulated kernel: every byte at every peer, and no second copy anywhere.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "alloc/accounting.h"
#include "alloc/shared_bytes.h"
#include "tests/net/dice.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

using alloc::Purpose;
using alloc::SharedBytes;

std::string Pattern(size_t bytes, uint64_t from) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + (from + i * 7) % 23);
  return out;
}

// Connections by number, in the order in which they came, over all shards; null once they are gone.
struct Book {  // outlives its server
  std::vector<Connection*> by_number;
  std::vector<uint32_t> shard;
};
struct Listed final : Handler {
  explicit Listed(Book* to) : book(to) {}
  void OnOpen(Connection& conn) override {
    book->by_number.push_back(&conn);
    book->shard.push_back(core::Shard::Current()->id());
  }
  void OnData(Connection&, alloc::Lease) override {}
  void OnClose(Connection& conn, CloseCause) override {
    for (Connection*& each : book->by_number) {
      if (each == &conn) each = nullptr;
    }
  }
  Book* const book;
};

class SimSharedBytes : public testing::TestWithParam<std::tuple<TransportKind, uint64_t>> {
 protected:
  TransportKind transport() const { return std::get<0>(GetParam()); }
  uint64_t seed() const { return Seed(std::get<1>(GetParam())); }
};
INSTANTIATE_TEST_SUITE_P(All, SimSharedBytes,
                         testing::Combine(testing::ValuesIn(kTransportKinds), testing::Range<uint64_t>(1, 3)));

// 1,200 connections; peers that read slowly, not at all, break off or close; a service that closes, aborts, and writes
// copies in between; sends that are short, refused or fail.
TEST_P(SimSharedBytes, EveryPeerGetsEveryByteInOrderWhateverHappensToTheOthers) {
  constexpr size_t kConnections = 1200;
  std::printf("MOORING_SEED=%llu\n", static_cast<unsigned long long>(seed()));
  sim::SeededDecisions decisions(seed());
  Dice dice(&decisions);
  const uint64_t bodies_before = SharedBytes::Live().bodies;
  std::vector<SharedBytes> bodies;
  std::vector<std::string> pristine;
  {
    Book book;
    SimServer server(seed(), {.transport = transport(), .slots = kConnections + 50});
    const std::string at = server.Listen(Callbacks<Listed>(&book));
    std::vector<sim::SimPeer*> peers;
    while (peers.size() < kConnections) peers.push_back(server.ConnectNow(at));
    ASSERT_EQ(book.by_number.size(), kConnections);
    server.world.kernel().choices().SetFaults([&](const sim::FaultPoint& point) {
      if (point.site != sim::FaultSite::kSend || !dice.Chance(1) || !dice.Chance(20)) return 0;
      return dice.Chance(50) ? ECONNRESET : EPIPE;
    });

    struct Told {
      std::string expected;
      bool exact = true;  // neither side broke off
      bool closed = false;
    };
    std::vector<Told> told(kConnections);
    for (int round = 0; round < 16; ++round) {
      static constexpr size_t kSizes[] = {1, 30, 300, 3000, 6000};
      pristine.push_back(Pattern(kSizes[dice.Pick(5)], dice.Pick(23)));
      bodies.push_back(dice.Chance(50) ? SharedBytes::Copy(pristine.back()) : SharedBytes::Take(std::string(pristine.back())));
      const SharedBytes& body = bodies.back();
      server.OnShard(0, [&](Engine&) {
        for (size_t i = 0; i < kConnections; ++i) {
          Connection* conn = book.by_number[i];
          if (conn == nullptr || dice.Chance(10)) continue;
          const auto expect = [&](bool written, std::string_view bytes) {
            if (written) told[i].expected += bytes;
          };
          if (dice.Chance(20)) expect(conn->Write("header:"), "header:");
          expect(conn->Write(body), body.view());
          if (dice.Chance(10)) expect(conn->Write(bodies.front()), bodies.front().view());
          if (dice.Chance(20)) expect(conn->Write("\n"), "\n");
          if (dice.Chance(1)) {
            if (dice.Chance(50)) {
              conn->Close();
              told[i].closed = true;
            } else {
              conn->Abort();
              told[i].exact = false;
            }
          }
        }
      });
      for (int n = 0; n < 20; ++n) {
        const size_t i = dice.Pick(kConnections);
        switch (dice.Pick(6)) {
          case 0: peers[i]->ReadSlowly(1 + dice.Pick(3000), 5); break;
          case 1: peers[i]->Stall(); break;
          case 2: peers[i]->Resume(); break;
          case 3:
            peers[i]->Reset();
            told[i].exact = false;
            break;
          case 4:
            peers[i]->Close();
            told[i].exact = false;
            break;
          case 5: peers[i]->Send("something"); break;
        }
      }
      if (dice.Chance(70)) {
        for (uint64_t steps = dice.Pick(3000); steps > 0 && server.world.Step(); --steps) {
        }
      } else {
        server.world.RunFor(static_cast<int64_t>(dice.Pick(50)));
      }
    }
    size_t exact = 0;
    for (sim::SimPeer* peer : peers) peer->Resume();
    server.world.RunFor(2000);
    for (size_t i = 0; i < kConnections; ++i) {
      const std::string& received = peers[i]->received();
      if (told[i].exact && !peers[i]->faulted()) {
        ++exact;
        ASSERT_TRUE(received == told[i].expected) << i << ": " << received.size() << " of " << told[i].expected.size();
        EXPECT_EQ(peers[i]->saw_fin(), told[i].closed);
      } else {
        ASSERT_TRUE(told[i].expected.starts_with(received)) << i << ": " << received.size();
      }
    }
    EXPECT_GT(exact, kConnections / 2);
    EXPECT_GT(server.Count(EngineCount::kSendsBlocked), 0u);
    EXPECT_EQ(server.shard().buffers().shared_live(), 0u) << "all is sent";
    for (const SharedBytes& body : bodies) EXPECT_EQ(body.holders(), 1u);
    for (sim::SimPeer* peer : peers) peer->Close();
    server.world.RunFor(40'000);
  }
  for (size_t i = 0; i < bodies.size(); ++i) EXPECT_EQ(bodies[i].view(), pristine[i]) << "nobody writes to it";
  EXPECT_EQ(SharedBytes::Live().bodies, bodies_before + bodies.size());
}

TEST_P(SimSharedBytes, ABodyThatAThousandConnectionsHaveQueuedExistsOnce) {
  constexpr uint32_t kConnections = 1000;
  constexpr uint32_t kReaders = 30;
  constexpr uint32_t kBytes = 300'000;
  Book book;
  SimServer server(seed(), {.transport = transport(), .slots = kConnections + 50});
  const std::string at = server.Listen(Callbacks<Listed>(&book));
  std::vector<sim::SimPeer*> peers;
  while (peers.size() < kConnections) peers.push_back(server.ConnectNow(at));
  for (sim::SimPeer* peer : peers) peer->Stall();
  alloc::Accounting& accounting = server.shard().accounting();
  const uint64_t before = accounting.Total();
  const uint64_t bodies_before = SharedBytes::Live().bytes;
  SharedBytes body = SharedBytes::Copy(Pattern(kBytes, 3));
  const std::string text(body.view());
  const auto expect_once = [&](uint64_t connections) {
    EXPECT_LE(accounting.Total() - before, connections * 256 + 16384) << "an Output and a chunk of its queue, each";
    EXPECT_LE(SharedBytes::Live().bytes - bodies_before, kBytes + 64u);
    EXPECT_EQ(server.shard().buffers().shared_live(), 1u);
  };
  server.OnShard(0, [&](Engine&) {
    for (Connection* conn : book.by_number) EXPECT_TRUE(conn->Write(body));
    expect_once(kConnections);
    EXPECT_EQ(body.holders(), 2u);
    // Else the simulated network would carry 300 MB.
    for (size_t i = kReaders; i < kConnections; ++i) book.by_number[i]->Abort();
  });
  body = SharedBytes();  // the queues hold it
  server.world.RunFor(100);
  uint64_t queued = 0;
  for (Connection* conn : book.by_number) queued += conn == nullptr ? 0 : conn->queued_bytes();
  EXPECT_GT(queued, uint64_t{kReaders} * kBytes / 10) << "their peers read nothing";
  expect_once(kConnections);
  for (uint32_t i = 0; i < kReaders; ++i) peers[i]->Resume();
  server.world.RunFor(5000);
  for (uint32_t i = 0; i < kReaders; ++i) ASSERT_TRUE(peers[i]->received() == text) << peers[i]->received().size();
  EXPECT_EQ(server.live(), kReaders);
  EXPECT_EQ(SharedBytes::Live().bytes, bodies_before);
}

TEST_P(SimSharedBytes, OneBodyOnFourShards) {
  constexpr size_t kShards = 4;
  Book book;
  SimServer server(seed(), {.shards = kShards, .transport = transport()});
  const std::string at = server.Listen(Callbacks<Listed>(&book));
  std::vector<sim::SimPeer*> peers;
  while (peers.size() < 100) peers.push_back(server.ConnectNow(at));
  std::set<uint32_t> shards(book.shard.begin(), book.shard.end());
  ASSERT_EQ(shards.size(), kShards);
  const std::string text = Pattern(20'000, 5);
  SharedBytes body = SharedBytes::Copy(text);
  for (sim::SimPeer* peer : peers) peer->Stall();
  for (size_t i = 0; i < kShards; ++i) {
    ASSERT_TRUE(server.shard(i).Post([&book, body] {
      for (size_t n = 0; n < book.by_number.size(); ++n) {
        if (book.shard[n] == core::Shard::Current()->id()) {
          EXPECT_TRUE(book.by_number[n]->Write(body));
        }
      }
    }));
  }
  EXPECT_EQ(body.holders(), 1 + kShards) << "in mail";
  server.world.RunFor(100);
  uint64_t live = 0;
  for (size_t i = 0; i < kShards; ++i) live += server.shard(i).buffers().shared_live();
  EXPECT_EQ(body.holders(), 1 + live) << "in queues: one for each shard that has not sent all";
  for (sim::SimPeer* peer : peers) peer->Resume();
  server.world.RunFor(5000);
  for (sim::SimPeer* peer : peers) EXPECT_TRUE(peer->received() == text) << peer->received().size();
  EXPECT_EQ(body.holders(), 1u);
}

// The rules of Write(Lease).
TEST_P(SimSharedBytes, KeepToWatermarksTheHardCapAndTheEnd) {
  Book book;
  SimServer server(seed(), {.transport = transport()});
  const std::string at = server.Listen(Callbacks<Listed>(&book), {.queue_cap_bytes = 200'000, .drop_when_full = true});
  const std::string closing = server.Listen(Callbacks<Listed>(&book), {.queue_cap_bytes = 1000});
  auto* peer = server.ConnectNow(at);
  auto* closed = server.ConnectNow(closing);
  const SharedBytes body = SharedBytes::Copy(Pattern(100'000, 1));
  server.OnShard(0, [&](Engine&) {
    Connection& conn = *book.by_number[0];
    EXPECT_TRUE(conn.Write(SharedBytes::Copy("")));
    EXPECT_FALSE(conn.Write(SharedBytes())) << "no body: there was no memory for it";
    EXPECT_EQ(conn.queued_bytes(), 0u);
    EXPECT_TRUE(conn.Writable().await_resume());
    EXPECT_TRUE(conn.Write(body));
    EXPECT_FALSE(conn.Writable().await_resume()) << "over the high watermark";
    EXPECT_TRUE(conn.Write(body));
    EXPECT_FALSE(conn.Write(body)) << "at the hard cap";
    EXPECT_EQ(conn.queued_bytes(), 200'000u);
    EXPECT_TRUE(book.by_number[1]->Write(body));
    EXPECT_FALSE(book.by_number[1]->Write(body));
  });
  EXPECT_EQ(server.Count(EngineCount::kWritesDropped), 1u);
  server.world.RunFor(1000);
  EXPECT_EQ(peer->received(), std::string(body.view()) + std::string(body.view()));
  EXPECT_TRUE(closed->saw_reset());
  EXPECT_EQ(server.Cause(CloseCause::kQueueFull), 1u);
  server.OnShard(0, [&](Engine&) {
    book.by_number[0]->Close();
    EXPECT_FALSE(book.by_number[0]->Write(body));
  });
  EXPECT_EQ(server.Count(EngineCount::kWritesAfterClose), 1u);
  EXPECT_EQ(body.holders(), 1u);
}

TEST_P(SimSharedBytes, WhatIsWrittenBehindThemIsNotWrittenIntoThem) {
  Book book;
  SimServer server(seed(), {.transport = transport()});
  auto* peer = server.ConnectNow(server.Listen(Callbacks<Listed>(&book)));
  const SharedBytes body = SharedBytes::Copy("hello world");
  server.OnShard(0, [&](Engine& engine) {
    Connection& conn = *book.by_number[0];
    EXPECT_TRUE(conn.Write(body));
    EXPECT_TRUE(conn.Write("!!!"));
    alloc::Lease whole = engine.shard()->buffers().Share(body);
    EXPECT_TRUE(conn.Write(whole.TakeFront(5)));
    whole.Reset();
    EXPECT_TRUE(conn.Write("???"));
  });
  server.world.RunUntilIdle();
  EXPECT_EQ(peer->received(), "hello world!!!hello???");
  EXPECT_EQ(body.view(), "hello world");
}

// A frame's head before each body: what a slow peer has queued is heads of a few bytes, not blocks of 16 KB.
TEST_P(SimSharedBytes, WhatIsCopiedBetweenThemStaysSmall) {
  Book book;
  SimServer server(seed(), {.transport = transport()});
  auto* peer = server.ConnectNow(server.Listen(Callbacks<Listed>(&book)));
  const SharedBytes body = SharedBytes::Copy(Pattern(500, 1));
  alloc::Accounting& accounting = server.shard().accounting();
  const uint64_t before = accounting.Bytes(Purpose::kBlocks);
  std::string expected;
  server.OnShard(0, [&](Engine&) {
    Connection& conn = *book.by_number[0];
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(conn.Write("head:"));
      EXPECT_TRUE(conn.Write(body));
      expected += "head:";
      expected += body.view();
    }
  });
  EXPECT_LE(accounting.Bytes(Purpose::kBlocks) - before, 100u * 256 + 3 * 4096);
  server.world.RunFor(1000);
  EXPECT_EQ(peer->received(), expected);
}

// The last reference to the block is the queue's own: only then could it be taken for a block to append to.
TEST_P(SimSharedBytes, APartThatIsTheLastOfItsBlockIsNotAppendedTo) {
  Book book;
  SimServer server(seed(), {.transport = transport()});
  auto* peer = server.ConnectNow(server.Listen(Callbacks<Listed>(&book)));
  const SharedBytes body = SharedBytes::Copy("hello world");
  server.OnShard(0, [&](Engine& engine) {
    Connection& conn = *book.by_number[0];
    EXPECT_TRUE(conn.Write(engine.shard()->buffers().Share(body).TakeFront(5)));
    EXPECT_TRUE(conn.Write("???"));
  });
  server.world.RunUntilIdle();
  EXPECT_EQ(peer->received(), "hello???");
  EXPECT_EQ(body.view(), "hello world");
}

}  // namespace
}  // namespace mooring::net
