// SPDX-License-Identifier: Apache-2.0
// What a server over the simulated kernel shows of itself is what was done to it.
#include "server/metrics/metrics.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "net/connection.h"
#include "server/echo.h"
#include "server/http/access_log.h"
#include "server/http/client.h"
#include "server/http/http_service.h"
#include "server/metrics/catalogue.h"
#include "server/metrics/shard_figures.h"
#include "tests/net/upstream.h"
#include "tests/server/metrics/figures.h"

namespace mooring::server::metrics {
namespace {

class MetricsOfTheSimulation : public testing::TestWithParam<uint64_t> {
 protected:
  uint64_t seed() const { return net::Seed(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Seeds, MetricsOfTheSimulation, testing::Range<uint64_t>(1, 5));

TEST_P(MetricsOfTheSimulation, ConnectionsAndBytesAreWhatPeersDid) {
  const auto transport = GetParam() % 2 == 0 ? net::TransportKind::kEpoll : net::TransportKind::kUring;
  SimFigures sim(seed(), {.shards = 2, .transport = transport});
  const std::string at = sim.Listen("echo", net::Callbacks<Echo>());
  const Figures before = sim.Now();
  EXPECT_EQ(before("mooring_connections_active"), 0);
  EXPECT_EQ(before("mooring_connections_peak"), 0);
  EXPECT_FALSE(before.Has("mooring_user_bytes_per_connection")) << "there is no connection";

  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(sim.server.ConnectNow(at));
  for (sim::SimPeer* peer : peers) peer->Send("0123456789");
  sim.server.world.RunUntilIdle();
  const Figures open = sim.Now();
  EXPECT_EQ(open("mooring_connections_active"), 5);
  EXPECT_EQ(open("mooring_connections_peak"), 5);
  EXPECT_EQ(open("mooring_connections_total"), 5);
  EXPECT_EQ(open("mooring_accepts_total"), 5);
  EXPECT_EQ(open("mooring_bytes_received_total"), 50);
  EXPECT_EQ(open("mooring_bytes_sent_total"), 50);
  EXPECT_GE(open("mooring_messages_total"), 5);
  EXPECT_GE(open("mooring_sends_total"), 5);
  EXPECT_EQ(open("mooring_listener_connections_active", {"echo"}), 5);
  EXPECT_EQ(open("mooring_listener_connections_in_state", {"echo", "open"}), 5);
  EXPECT_EQ(open.Sum("mooring_listener_connections_in_state"), 5);
  EXPECT_EQ(open.Sum("mooring_shard_connections_active"), 5);
  EXPECT_EQ(open.Sum("mooring_shard_accepts_total"), 5);
  EXPECT_GT(open.Sum("mooring_shard_turns_total"), 0);
  EXPECT_GT(open("mooring_kernel_enters_total"), 0);
  EXPECT_GT(open("mooring_kernel_completions_total"), 0);
  EXPECT_EQ(open("mooring_receive_starved_total"), 0);
  EXPECT_EQ(open.Has("mooring_cq_overflows_total"), transport == net::TransportKind::kUring);
  EXPECT_GT(open("mooring_transport_events_total", {"receives"}), 0);
  EXPECT_EQ(open("mooring_stalled_turns_total"), 0);
  EXPECT_GT(open("mooring_memory_bytes", {"connections"}), 0);
  EXPECT_GT(open("mooring_user_bytes_per_connection", {"accounting"}), 100);
  EXPECT_EQ(open.Sum("mooring_closes_total"), 0);

  peers[0]->Close();
  peers[1]->Close();
  peers[2]->Reset();
  sim.server.world.RunFor(1000);
  const Figures after = sim.Now();
  EXPECT_EQ(after("mooring_connections_active"), 2);
  EXPECT_EQ(after("mooring_connections_peak"), 5);
  EXPECT_EQ(after("mooring_listener_connections_active", {"echo"}), 2);
  EXPECT_EQ(after("mooring_listener_accepts_total", {"echo"}), 5);
  EXPECT_EQ(after("mooring_closes_total", {"peer_closed"}), 2);
  EXPECT_EQ(after("mooring_closes_total", {"peer_reset"}), 1);
  EXPECT_EQ(after.Sum("mooring_closes_total"), 3);
  EXPECT_EQ(after("mooring_engine_events_total", {"released"}), 3);
  peers[3]->Close();
  peers[4]->Close();
}

TEST_P(MetricsOfTheSimulation, TheProcessPeakIsSeenByTicksAndAShardsPeakWithout) {
  SimFigures sim(seed());
  const std::string at = sim.Listen("echo", net::Callbacks<Echo>());
  const auto come_and_go = [&](int n) {
    std::vector<sim::SimPeer*> peers;
    for (int i = 0; i < n; ++i) peers.push_back(sim.server.ConnectNow(at));
    if (n == 3) sim.metrics.Tick();
    for (sim::SimPeer* peer : peers) peer->Close();
    sim.server.world.RunFor(1000);
  };
  come_and_go(3);
  come_and_go(7);
  const Figures figures = sim.Now();
  EXPECT_EQ(figures("mooring_connections_active"), 0);
  EXPECT_EQ(figures("mooring_connections_peak"), 3) << "nobody looked when there were seven";
  EXPECT_EQ(figures("mooring_shard_connections_peak", {"0"}), 7);
}

// Keeps what it gets.
class Keeper final : public net::Handler {
 public:
  void OnData(net::Connection& conn, alloc::Lease data) override {
    kept.push_back(std::move(data));
    if (kept.size() == 3) conn.Pause();
  }
  std::vector<alloc::Lease> kept;
};

TEST_P(MetricsOfTheSimulation, WhatServicesHoldIsShownAndGoesAwayWithIt) {
  SimFigures sim(seed(), {.mood = sim::Mood::kCalm});
  Keeper* keeper = nullptr;
  const std::string at = sim.Listen("keeper", [&] {
    auto made = std::make_unique<Keeper>();
    keeper = made.get();
    return made;
  });
  auto* peer = sim.server.ConnectNow(at);
  for (int i = 0; i < 6; ++i) {
    peer->Send("abc");
    sim.server.world.RunUntilIdle();
  }
  const Figures holds = sim.Now();
  EXPECT_EQ(holds("mooring_retained_blocks"), 3 + holds("mooring_parked_leases"));
  EXPECT_EQ(holds("mooring_block_bytes"), 16384 * holds("mooring_retained_blocks"));
  EXPECT_EQ(holds("mooring_engine_events_total", {"pauses"}), 1);
  sim.server.OnShard(0, [&](net::Engine&) { keeper->kept.clear(); });
  peer->Close();
  sim.server.world.RunFor(1000);
  sim.server.OnShard(0, [&](net::Engine& engine) { engine.CutAll(); });
  sim.server.world.RunFor(1000);
  const Figures after = sim.Now();
  EXPECT_EQ(after("mooring_retained_blocks"), 0);
  EXPECT_EQ(after("mooring_parked_leases"), 0);
  EXPECT_EQ(after("mooring_block_bytes"), 0);
}

// Pauses at once: what comes later is parked.
class Sleepy final : public net::Handler {
 public:
  void OnOpen(net::Connection& conn) override { conn.Pause(); }
  void OnData(net::Connection&, alloc::Lease) override {}
};

TEST_P(MetricsOfTheSimulation, ParkedLeasesAreShown) {
  SimFigures sim(seed(), {.mood = sim::Mood::kCalm});
  const std::string at = sim.Listen("sleepy", net::Callbacks<Sleepy>());
  auto* peer = sim.server.Connect(at);
  peer->Send("abc");  // comes together with the connection: reading was on
  sim.server.world.RunUntilIdle();
  EXPECT_EQ(sim.Now()("mooring_parked_leases"), 1);
  sim.server.OnShard(0, [&](net::Engine& engine) { engine.CutAll(); });
  sim.server.world.RunFor(1000);
  EXPECT_EQ(sim.Now()("mooring_parked_leases"), 0);
}

TEST_P(MetricsOfTheSimulation, BytesForAPeerThatDoesNotReadAreQueued) {
  SimFigures sim(seed());
  const std::string at = sim.Listen("echo", net::Callbacks<Echo>());
  auto* peer = sim.server.ConnectNow(at);
  peer->Stall();
  for (int i = 0; i < 200; ++i) {
    peer->Send(std::string(10'000, 'x'));
    sim.server.world.RunUntilIdle();
  }
  const Figures full = sim.Now();
  EXPECT_GT(full("mooring_queued_bytes"), 0);
  EXPECT_EQ(full("mooring_queued_bytes"), full("mooring_bytes_received_total") - full("mooring_bytes_sent_total"));
  EXPECT_GT(full("mooring_engine_events_total", {"sends_blocked"}), 0);
  sim.server.OnShard(0, [&](net::Engine& engine) { engine.CutAll(); });
  sim.server.world.RunFor(1000);
  const Figures after = sim.Now();
  EXPECT_EQ(after("mooring_queued_bytes"), 0);
  EXPECT_EQ(after("mooring_closes_total", {"drain_deadline"}), 1);
}

TEST_P(MetricsOfTheSimulation, HttpIsShownByListener) {
  http::Router router;
  router.Get("/", [](http::Request&) { return http::Response::Plain(200); });
  SimFigures sim(seed(), {.shards = 2});
  const http::Http http(router);
  const std::string at = sim.Listen("web", http, http.limits());
  const std::string other = sim.Listen("web-2", http, http.limits());
  const auto ask = [&](const std::string& where, std::string_view bytes) {
    auto* peer = sim.server.ConnectNow(where);
    peer->Send(bytes);
    sim.server.world.RunUntilIdle();
    peer->Close();
    sim.server.world.RunFor(1000);
  };
  for (int i = 0; i < 3; ++i) ask(at, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /no HTTP/1.1\r\nHost: a\r\n\r\n");
  ask(at, "GET / HTTP/1.1\nHost: a\n\n");
  ask(other, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const Figures figures = sim.Now();
  EXPECT_EQ(figures("mooring_http_requests_total", {"web"}), 6);
  EXPECT_EQ(figures("mooring_http_responses_total", {"web"}), 7);
  EXPECT_EQ(figures("mooring_http_events_total", {"web", "not_found"}), 3);
  EXPECT_EQ(figures("mooring_http_refusals_total", {"web", "bare_lf"}), 1);
  EXPECT_EQ(figures("mooring_http_refusals_total", {"web-2", "bare_lf"}), 0);
  EXPECT_EQ(figures("mooring_http_requests_total", {"web-2"}), 1);
  EXPECT_FALSE(figures.Has("mooring_access_log_lines_total")) << "there is none";
}

class CountingLog final : public http::AccessLog {
 public:
  void Note(const http::AccessRecord&) override { ++noted; }
  absl::Status Reopen() override { return absl::OkStatus(); }
  bool Settle(int64_t /*ms*/) override { return true; }
  uint64_t written() const override { return noted; }
  uint64_t dropped() const override { return 2; }
  uint64_t noted = 0;
};

TEST_P(MetricsOfTheSimulation, AnAccessLogOfAllShardsIsCountedOnce) {
  CountingLog log;
  http::HttpOptions options;
  options.access_log = &log;
  SimFigures sim(seed(), {.shards = 3});
  const http::Http http(http::Router(), options);
  const std::string at = sim.Listen("web", http, http.limits());
  auto* peer = sim.server.ConnectNow(at);
  peer->Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  sim.server.world.RunFor(1000);
  const Figures figures = sim.Now();
  EXPECT_EQ(figures("mooring_access_log_lines_total", {"web"}), 1);
  EXPECT_EQ(figures("mooring_access_log_lines_dropped_total", {"web"}), 2);
  peer->Close();
}

class Tally final : public net::Handler {
 public:
  void OnData(net::Connection&, alloc::Lease data) override { seen += data.size(); }
  void Count(absl::FunctionRef<void(std::string_view name, uint64_t value)> sink) const override { sink("seen", seen); }
  uint64_t seen = 0;
};

TEST_P(MetricsOfTheSimulation, WhatAServiceCountsIsAddedUpOverShards) {
  SimFigures sim(seed(), {.shards = 2});
  const std::string at = sim.Listen("tally", net::Callbacks<Tally>());
  for (int i = 0; i < 4; ++i) {
    auto* peer = sim.server.ConnectNow(at);
    peer->Send("12345");
    sim.server.world.RunUntilIdle();
    peer->Close();
  }
  sim.server.world.RunFor(1000);
  EXPECT_EQ(sim.Now()("mooring_service_events_total", {"tally", "seen"}), 20);
}

TEST_P(MetricsOfTheSimulation, RefusalsAndTheLogAreShown) {
  SimFigures sim(seed(), {.connections_max = 2});
  const std::string at = sim.Listen("echo", net::Callbacks<Echo>());
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 3; ++i) peers.push_back(sim.server.Connect(at));
  sim.server.world.RunFor(1000);
  sim.control.log_now.lines.resize(4);
  sim.control.log_now.dropped_now = 1;
  const Figures figures = sim.Now();
  EXPECT_EQ(figures("mooring_accepts_refused_total", {"slab_full"}), 1);
  EXPECT_EQ(figures("mooring_accepts_refused_total", {"memory"}), 0);
  EXPECT_EQ(figures("mooring_accept_errors_total", {"emfile"}), 0);
  EXPECT_EQ(figures("mooring_accept_stops_total", {"rate"}), 0);
  EXPECT_EQ(figures("mooring_log_lines_total"), 4);
  EXPECT_EQ(figures("mooring_log_lines_dropped_total"), 1);
  for (sim::SimPeer* peer : peers) {
    if (!peer->ended()) peer->Close();
  }
}

TEST(Metrics, StateLimitsAndListenersAreThoseOfTheControl) {
  SimFigures sim(1);
  sim.control.plan_now.connections_possible = 1000;
  const Figures one = sim.Now();
  EXPECT_EQ(one("mooring_connections_limit"), 1000);
  EXPECT_FALSE(one.Has("mooring_memory_ceiling_bytes"));
  EXPECT_EQ(one("mooring_state", {"serving"}), 1);
  sim.control.plan_now.credit = 500;
  sim.control.memory_ceiling_bytes_now = 1 << 30;
  sim.control.memory_step_now = 2;
  sim.control.state_now = ServerState::kDraining;
  sim.control.listeners_now = {{"a", "echo", {}, 0, true}, {"b", "line", {}, 1, false}};
  const Figures two = sim.Now();
  EXPECT_EQ(two("mooring_connections_limit"), 500);
  EXPECT_EQ(two("mooring_memory_ceiling_bytes"), 1 << 30);
  EXPECT_EQ(two("mooring_memory_step"), 2);
  EXPECT_EQ(two("mooring_state", {"serving"}), 0);
  EXPECT_EQ(two("mooring_state", {"draining"}), 1);
  EXPECT_EQ(two("mooring_listener_open", {"a", "echo"}), 1);
  EXPECT_EQ(two("mooring_listener_open", {"b", "line"}), 0);
  EXPECT_EQ(two("mooring_build_info", {"fake", "1.2.3", "io_uring"}), 1);
}

TEST(Metrics, SkewIsTheLargestOverTheMean) {
  EXPECT_EQ(Skew({}), 1);
  EXPECT_EQ(Skew({0, 0}), 1);
  EXPECT_EQ(Skew({5, 5, 5}), 1);
  EXPECT_EQ(Skew({10, 0}), 2);
  EXPECT_EQ(Skew({6, 2, 2, 2}), 2);
}

TEST(Metrics, TurnsAreInTheBucketsOfTheirTime) {
  SimFigures sim(1, {.shards = 2});
  const auto before = sim.Now().Histogram("mooring_turn_seconds");
  const auto turn = [&](size_t shard, core::Nanos took) {
    core::TurnTimes& turns = sim.server.shard(shard).turns();
    turns.SetLimit(core::kNanosPerMs);
    turns.Begin(1'000'000);
    turns.End(1'000'000 + took);
  };
  turn(0, 30'000);        // 30 us
  turn(1, 40'000);
  turn(0, 2'000'000);     // 2 ms
  turn(1, 9'000'000'000); // 9 s: over every bound
  const Figures figures = sim.Now();
  const auto after = figures.Histogram("mooring_turn_seconds");
  const auto upto = [&](double le) {
    for (size_t i = 0; i < after.bucket.size(); ++i) {
      if (after.bucket[i].upper_bound == le) {
        return after.bucket[i].cumulative_count - before.bucket[i].cumulative_count;
      }
    }
    ADD_FAILURE() << le << " is no bound";
    return uint64_t{0};
  };
  EXPECT_EQ(upto(25e-6), 0u);
  EXPECT_EQ(upto(50e-6), 2u);
  EXPECT_EQ(upto(1e-3), 2u);
  EXPECT_EQ(upto(2.5e-3), 3u);
  EXPECT_EQ(upto(5), 3u);
  EXPECT_EQ(after.sample_count - before.sample_count, 4u);
  EXPECT_NEAR(after.sample_sum - before.sample_sum, 9.00207, 1e-6);
  EXPECT_DOUBLE_EQ(figures("mooring_turn_seconds_max"), 9);
  EXPECT_EQ(figures("mooring_stalled_turns_total"), 2);
}

TEST(Metrics, EveryCountOfTheEngineIsShown) {
  for (size_t i = 0; i < static_cast<size_t>(net::EngineCount::kCount); ++i) {
    EXPECT_TRUE(ShownAs(static_cast<net::EngineCount>(i)).has_value())
        << "server/metrics/shard_figures.cc has no place for EngineCount " << i;
  }
}

TEST(Metrics, StatsAreTheSameFiguresAsJson) {
  SimFigures sim(1, {.shards = 2});
  const std::string at = sim.Listen("e\xff" "cho", net::Callbacks<Echo>());
  auto* peer = sim.server.ConnectNow(at);
  const nlohmann::json stats = nlohmann::json::parse(sim.metrics.StatsJson());
  EXPECT_EQ(stats["program"], "fake");
  EXPECT_EQ(stats["version"], "1.2.3");
  EXPECT_EQ(stats["state"], "serving");
  EXPECT_EQ(stats["listeners"][0]["name"], "e\xef\xbf\xbd" "cho") << "what is no UTF-8 is replaced";
  EXPECT_EQ(stats["listeners"][0]["open"], true);
  EXPECT_EQ(stats["shards"].size(), 2u);
  EXPECT_EQ(stats["shards"][1]["cpu"], 1);
  EXPECT_EQ(stats["figures"]["connections_active"], 1);
  EXPECT_EQ(stats["figures"]["closes_total"]["idle"], 0);
  EXPECT_EQ(stats["figures"]["state"]["serving"], 1);
  const Figures figures = sim.Now();
  for (const std::string& name : figures.names()) {
    const std::string shown = name.starts_with("mooring_") ? name.substr(8) : name;
    EXPECT_TRUE(stats["figures"].contains(shown)) << name;
  }
  EXPECT_EQ(stats["figures"].size(), figures.names().size());
  peer->Close();
}

// Pools and clients: their counts stay when they go, and a server's sums never fall.
core::Task<> AskOnce(http::HttpClient* client, bool* done) {
  (void)co_await client->Get("/");
  *done = true;
}

TEST(Metrics, PoolsAndClientsAreShownByTargetAlsoWhenTheyAreGone) {
  SimFigures sim(1);
  net::Upstream upstream(&sim.server);
  const std::string target(net::kUpstream);
  for (int round = 1; round <= 2; ++round) {
    http::ClientOptions options;
    options.target = target;
    std::unique_ptr<http::HttpClient> client;
    bool done = false;
    sim.server.OnShard(0, [&](net::Engine&) { client = std::make_unique<http::HttpClient>(options); });
    net::Running asking(&sim.server, [&] { return AskOnce(client.get(), &done); });
    sim.server.world.RunUntilIdle();
    upstream.Accept();
    for (sim::SimPeer* peer : upstream.peers) {
      if (!peer->ended()) peer->Send("HTTP/1.1 204 No Content\r\n\r\n");
    }
    sim.server.world.RunUntilIdle();
    EXPECT_TRUE(done);
    const Figures figures = sim.Now();
    EXPECT_EQ(figures("mooring_http_client_events_total", {target, "requests"}), round);
    EXPECT_EQ(figures("mooring_http_client_events_total", {target, "answers"}), round);
    EXPECT_EQ(figures("mooring_pool_events_total", {target, "opened"}), round);
    EXPECT_EQ(figures("mooring_outbound_connects_total"), round);
    EXPECT_EQ(figures("mooring_outbound_connected_total"), round);
    EXPECT_EQ(figures("mooring_outbound_connections_active"), 1);
    EXPECT_EQ(figures("mooring_ephemeral_ports_in_use"), 1);
    sim.server.OnShard(0, [&](net::Engine&) { client.reset(); });
    sim.server.world.RunFor(1000);
    for (sim::SimPeer* peer : upstream.peers) {
      if (!peer->ended()) peer->Close();
    }
    sim.server.world.RunFor(1000);
  }
  const Figures after = sim.Now();
  EXPECT_EQ(after("mooring_http_client_events_total", {target, "requests"}), 2);
  EXPECT_EQ(after("mooring_outbound_connections_active"), 0);
}

}  // namespace
}  // namespace mooring::server::metrics
