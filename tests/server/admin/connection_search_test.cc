// SPDX-License-Identifier: Apache-2.0
#include "server/admin/connection_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "server/echo.h"
#include "tests/net/sim_server.h"

namespace mooring::server::admin {
namespace {

using net::ConnectionFigures;

ConnectionQuery Query(const std::string& text) {
  return *ConnectionQuery::Parse(text, {.listeners = {{"echo", "echo", 0}}, .shards = 1, .track_peers = true});
}

// Against the plain way: sort all of them.
TEST(ConnectionSearch, KeepsTheBestOfAny) {
  const uint64_t seed = net::Seed(std::random_device()());
  std::printf("MOORING_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  for (const char* sort : {"id", "-id", "queued", "-queued", "-last_active", "created"}) {
    for (const size_t limit : {1, 7, 100, 10'000}) {
      const ConnectionQuery query = Query(std::string("min_queued=3&sort=") + sort + "&limit=" + std::to_string(limit));
      ConnectionSearch search(query);
      std::vector<ConnectionFigures> wanted;
      for (uint32_t slot = 0; slot < 500; ++slot) {
        ConnectionFigures each = {};
        each.id.value = random() % 1000 << 32 | slot;
        each.queued_bytes = random() % 20;  // many alike
        each.idle_s = static_cast<uint32_t>(random() % 20);
        each.age_s = static_cast<uint32_t>(random() % 20);
        search.Offer(each);
        if (each.queued_bytes >= 3) wanted.push_back(each);
      }
      EXPECT_EQ(search.seen(), 500u);
      EXPECT_EQ(search.matched(), wanted.size());
      std::sort(wanted.begin(), wanted.end(), [&](const auto& a, const auto& b) { return query.Before(a, b); });
      wanted.resize(std::min(wanted.size(), limit));
      const std::vector<ConnectionFigures> best = search.TakeBest();
      ASSERT_EQ(best.size(), wanted.size()) << sort << " " << limit;
      for (size_t i = 0; i < best.size(); ++i) ASSERT_EQ(best[i].id, wanted[i].id) << sort << " " << limit << " " << i;
    }
  }
}

TEST(ConnectionSearch, LooksAtItsShareInATurnAndSeesEachOnce) {
  net::SimServer server(3, {.slots = 4096, .backlog = 4096});
  const std::string at = server.Listen(net::Callbacks<Echo>());
  for (int i = 0; i < 2500; ++i) server.Connect(at);
  server.world.RunUntilIdle();
  ASSERT_EQ(server.live(), 2500u);
  ConnectionSearch search(Query("limit=10000"));
  core::Shard::Enter enter(&server.shard());
  search.Step(server.engine(), 1);
  EXPECT_EQ(search.seen(), 1000u);
  search.Step(server.engine(), 1);
  EXPECT_EQ(search.seen(), 1000u) << "not twice in one turn";
  EXPECT_FALSE(search.done());
  search.Step(server.engine(), 2);
  EXPECT_EQ(search.seen(), 2000u);
  search.Step(server.engine(), 4);
  EXPECT_EQ(search.seen(), 2500u);
  EXPECT_TRUE(search.done());
  std::set<uint64_t> live;
  for (const ConnectionFigures& each : search.TakeBest()) live.insert(each.id.value);
  EXPECT_EQ(live.size(), 2500u);
}

}  // namespace
}  // namespace mooring::server::admin
