// SPDX-License-Identifier: Apache-2.0
// /connections in front of 100,000 connections: it answers, a shard looks at 1,000 in a turn, and it ends with its client.
#include <gtest/gtest.h>

#include <string>

#include "tests/server/admin/admin_bed.h"

namespace mooring::server::admin {
namespace {

constexpr uint32_t kConnections = 100'000;
constexpr uint32_t kShards = 2;

class ManyConnections : public ::testing::Test {
 protected:
  ManyConnections() {
    for (uint32_t i = 0; i < kConnections; ++i) {
      bed_.server.Connect(bed_.at("echo"));
      if (i % 500 == 499) bed_.server.world.RunUntilIdle();  // as many as fit into the listeners' queues
    }
    bed_.server.world.RunUntilIdle();
    EXPECT_EQ(bed_.server.live(), kConnections);
  }
  uint64_t Turns(size_t shard) const { return const_cast<AdminBed&>(bed_).server.shard(shard).counters().Read(core::ShardCount::kTurns); }

  AdminBed bed_{1, {.shards = kShards, .slots = kConnections, .backlog = 1024}};
};

TEST_F(ManyConnections, AreListedInStepsThatStopWhenNobodyWaits) {
  const uint64_t before[kShards] = {Turns(0), Turns(1)};
  const nlohmann::json list = bed_.Get("/connections?sort=-id&limit=10000");
  EXPECT_EQ(list["live"], kConnections + 1);
  EXPECT_EQ(list["matched"], kConnections + 1);
  ASSERT_EQ(list["connections"].size(), 10'000u);
  uint64_t steps = 0;
  for (size_t i = 0; i < kShards; ++i) {
    const uint64_t due = bed_.server.engine(i).live() / 1000;
    EXPECT_GE(Turns(i) - before[i], due) << "a turn looked at more than its share";
    steps += due;
  }
  ASSERT_GE(steps, 90u);

  // One whose client has gone.
  sim::SimPeer* peer = bed_.server.ConnectNow(bed_.at("admin"));
  const uint64_t begin = Turns(0) + Turns(1);
  peer->Send("GET /connections HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(bed_.server.world.RunUntil([&] { return Turns(0) + Turns(1) >= begin + 20; }, 1000));
  peer->Reset();
  bed_.server.world.RunUntilIdle();
  EXPECT_LT(Turns(0) + Turns(1) - begin, steps / 2) << "it went on for nobody";
  EXPECT_EQ(peer->received(), "");
}

}  // namespace
}  // namespace mooring::server::admin
