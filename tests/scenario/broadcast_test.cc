// SPDX-License-Identifier: Apache-2.0
// One body for everybody, on shards that run at once: every byte arrives, nobody else's slowness is waited for.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "alloc/shared_bytes.h"
#include "core/shard.h"
#include "net/connection_set.h"
#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scale.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/swarm.h"

namespace mooring::scenario {
namespace {

using alloc::SharedBytes;
using net::CloseCause;
using net::Connection;
using net::ConnectionSet;
using net::SlowPolicy;

constexpr int kShards = 2;

// Whoever connects is in the room of its shard.
class Room final : public net::Handler {
 public:
  static inline std::array<Room*, kShards> of_shard;

  void OnOpen(Connection& conn) override {
    of_shard[core::Shard::Current()->id()] = this;
    set_.Join(conn);
  }
  void OnData(Connection&, alloc::Lease) override {}
  ConnectionSet set_;
};

class Broadcast : public Scenario {
 protected:
  void SetUp() override {
    Scenario::SetUp();
    Room::of_shard = {};
  }
  // To the rooms of all shards, which send it at the same time.
  static ConnectionSet::Told Tell(LoopbackServer* server, const SharedBytes& body, SlowPolicy slow) {
    ConnectionSet::Told all;
    for (int shard = 0; shard < kShards; ++shard) {
      const auto told = server->OnShard(shard, [shard, body, slow](net::Engine&) {
        Room* room = Room::of_shard[static_cast<size_t>(shard)];
        return room == nullptr ? ConnectionSet::Told() : room->set_.WriteAll(body, slow);
      });
      all.sent += told.sent;
      all.skipped += told.skipped;
      all.closed += told.closed;
    }
    return all;
  }
  static uint64_t Members(LoopbackServer* server) {
    uint64_t members = 0;
    for (int shard = 0; shard < kShards; ++shard) {
      members += server->OnShard(shard, [shard](net::Engine&) {
        const Room* room = Room::of_shard[static_cast<size_t>(shard)];
        return room == nullptr ? uint64_t{0} : uint64_t{room->set_.size()};
      });
    }
    return members;
  }
};
INSTANTIATE_TEST_SUITE_P(Worlds, Broadcast, EveryWorld(), WorldName());

TEST_P(Broadcast, EveryMemberGetsEveryByteOfEachBody) {
  const auto clients_max = static_cast<size_t>(Scaled(200));
  constexpr int kBodies = 40;
  constexpr uint32_t kBytes = 16'000;
  LoopbackServer server(Callbacks<Room>(), In({.shards = kShards}));
  std::vector<Client> clients;
  while (clients.size() < clients_max) clients.emplace_back(server.port());
  ASSERT_TRUE(server.Await([&] { return Members(&server) == clients_max; }));
  std::vector<SharedBytes> bodies;
  std::string all;
  for (int i = 0; i < kBodies; ++i) {
    bodies.push_back(SharedBytes::Copy(StreamBytes(5, 0, static_cast<uint64_t>(i) * kBytes, kBytes)));
    all += bodies.back().view();
    const auto told = Tell(&server, bodies.back(), SlowPolicy::kQueue);
    EXPECT_EQ(told.sent, clients_max);
  }
  for (Client& client : clients) ASSERT_TRUE(client.Receive(all.size()) == all);
  server.Await([&] { return server.Count(net::EngineCount::kBytesSent) == all.size() * clients_max; });
  for (const SharedBytes& body : bodies) {
    EXPECT_TRUE(server.Await([&] { return body.holders() == 1; })) << "sent to all, and nobody holds it";
  }
  clients.resize(clients_max / 2);
  server.Await([&] { return server.live() == clients_max / 2; });
  EXPECT_EQ(Members(&server), clients_max / 2);
}

TEST_P(Broadcast, AMemberThatDoesNotReadIsDroppedWithACountAndTheOthersMissNothing) {
  LoopbackServer server(Callbacks<Room>(), In({.shards = kShards}));
  std::vector<Client> readers;
  while (readers.size() < 10) readers.emplace_back(server.port());
  Client slow(server.port(), {.receive_buffer = 4096});
  ASSERT_TRUE(server.Await([&] { return Members(&server) == 11; }));
  const std::string text(StreamBytes(7, 0, 0, 10'000));
  const SharedBytes body = SharedBytes::Copy(text);
  uint32_t closed = 0;
  for (int round = 0; round < 2000 && closed == 0; ++round) {
    const auto told = Tell(&server, body, SlowPolicy::kClose);
    EXPECT_EQ(told.sent + told.closed, 11u);
    closed += told.closed;
    for (Client& reader : readers) ASSERT_EQ(reader.Receive(text.size()), text);
  }
  EXPECT_EQ(closed, 1u);
  Ending ending;
  slow.ReceiveToEnd(&ending);
  EXPECT_EQ(ending, Ending::kReset);
  server.Await([&] { return server.live() == 10; });
  EXPECT_EQ(server.Cause(CloseCause::kTooSlow), 1u);
  EXPECT_EQ(Tell(&server, body, SlowPolicy::kClose).sent, 10u);
  for (Client& reader : readers) ASSERT_EQ(reader.Receive(text.size()), text);
}

}  // namespace
}  // namespace mooring::scenario
