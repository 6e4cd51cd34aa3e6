// SPDX-License-Identifier: Apache-2.0
// HttpClient and HttpService with each other, over the simulated kernel: routes of every kind, asked on two shards.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/core/test_root.h"
#include "tests/net/dice.h"
#include "tests/server/http/client_bed.h"
#include "tests/server/http/sample_routes.h"
#include "tests/server/http/sim_http.h"

namespace mooring::server::http {
namespace {

using core::Task;

struct Asker {
  core::TestRoot root;
  size_t answered = 0;
};

class SimClient : public testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, SimClient, testing::Range<uint64_t>(1, 9));

struct Bed {
  explicit Bed(uint64_t seed) : http(seed, SampleRoutes(), {}, {.shards = 2}), decisions(seed), dice(&decisions) {
    for (auto& client : clients) client = std::make_unique<HttpClient>(To(http.at));
  }
  ~Bed() {
    http.server.CutAll();
    http.server.world.RunFor(1000);
    for (size_t i = 0; i < 2; ++i) http.server.OnShard(i, [&](net::Engine&) { clients[i].reset(); });
    http.server.world.RunFor(100'000);
    http.server.ExpectNothingLeft();
  }

  // Asks for things whose answers are known, one after the other.
  Task<> AskMany(size_t shard, int times, Asker* asker) {
    HttpClient& client = *clients[shard];
    for (int i = 0; i < times; ++i) {
      const size_t pieces = dice.Pick(5);
      const size_t bytes = 1 + dice.Pick(20'000);
      std::string want;
      ClientRequest request(Method::kGet, "/");
      switch (dice.Pick(6)) {
        case 0:
          request = ClientRequest(Method::kGet, absl::StrCat("/plain/", bytes));
          want = Pattern(bytes);
          break;
        case 1:
          request = ClientRequest(Method::kGet, absl::StrCat("/later/", dice.Pick(50), "/", bytes));
          want = Pattern(bytes);
          break;
        case 2:
          request = ClientRequest(Method::kHead, absl::StrCat("/plain/", bytes));
          break;
        case 3:
          request = ClientRequest(Method::kPost, "/whole").Body("a/b", Pattern(bytes));
          want = Told(Pattern(bytes));
          break;
        case 4:
          request = ClientRequest(Method::kPost, "/pulled").Body("a/b", Pattern(bytes * 10));
          want = Told(Pattern(bytes * 10));
          break;
        default:
          request = ClientRequest(Method::kPost, "/echoed").Stream("a/b", [pieces, bytes](RequestBody& body) -> Task<> {
            const std::string all = Pattern(pieces * bytes);
            for (size_t at = 0; at < all.size(); at += bytes) {
              const std::string_view piece = std::string_view(all).substr(at, bytes);
              if (const bool going = co_await body.Write(piece); !going) co_return;
            }
          });
          want = Pattern(pieces * bytes);
      }
      const ClientResult got = co_await client.Send(std::move(request));
      EXPECT_TRUE(got) << got.Explain();
      EXPECT_EQ(got.status(), 200);
      EXPECT_TRUE(got.body() == want) << got.body().size() << " bytes instead of " << want.size();
      if (!got) co_return;
      ++asker->answered;
    }
  }

  SimHttp http;
  sim::SeededDecisions decisions;
  net::Dice dice;
  std::unique_ptr<HttpClient> clients[2];
};

TEST_P(SimClient, EveryKindOfRouteAnswers) {
  Bed bed(net::Seed(GetParam()));
  std::vector<std::unique_ptr<Asker>> askers;
  for (size_t i = 0; i < 8; ++i) {
    askers.push_back(std::make_unique<Asker>());
    Asker* asker = askers.back().get();
    ASSERT_TRUE(bed.http.server.shard(i % 2).Post(
        [&bed, i, asker] { ASSERT_TRUE(bed.AskMany(i % 2, 20, asker).Start(&asker->root)); }));
  }
  bed.http.server.world.RunFor(60'000);
  uint64_t opened = 0, reused = 0;
  for (const auto& asker : askers) EXPECT_EQ(asker->answered, 20u);
  for (const auto& client : bed.clients) {
    opened += client->pool().counters().Read(net::PoolCount::kOpened);
    reused += client->pool().counters().Read(net::PoolCount::kReused);
  }
  EXPECT_EQ(opened + reused, 160u);
  EXPECT_LE(opened, 8u) << "connections are used again, whatever was asked";
}

}  // namespace
}  // namespace mooring::server::http
