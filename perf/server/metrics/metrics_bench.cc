// SPDX-License-Identifier: Apache-2.0
// What a scrape costs the control shard, by the number of data shards. How many connections there are does not matter.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "server/echo.h"
#include "server/metrics/metrics.h"
#include "tests/net/sim_server.h"
#include "tests/server/fake_control.h"

namespace mooring::server::metrics {
namespace {

struct Bed {
  explicit Bed(uint32_t shards) {
    net::SimServer::Options options;
    options.shards = shards;
    options.slots = 64;
    options.sq_entries = 64;
    options.cq_entries = 128;
    server = std::make_unique<net::SimServer>(1, options);
    const std::string at = server->Listen(net::Callbacks<Echo>());
    for (size_t i = 0; i < server->size(); ++i) {
      control.shards_now.push_back({&server->shard(i), &server->engine(i), server->engine(i).transport(), -1, {}});
    }
    control.listeners_now = {{"echo", "echo", *net::Endpoint::Parse("127.0.0.1:1"), 0, true}};
    for (int i = 0; i < 16; ++i) {
      peer = server->ConnectNow(at);
      peer->Send("hello");
      peer->CloseOnEof();
    }
    server->world.RunUntilIdle();
  }
  std::unique_ptr<net::SimServer> server;
  sim::SimPeer* peer = nullptr;
  FakeControl control;
  Metrics metrics{&control};
};

void BM_MetricsCollect(benchmark::State& state) {
  Bed bed(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(bed.metrics.Collect());
}
BENCHMARK(BM_MetricsCollect)->Arg(1)->Arg(8)->Arg(64);

void BM_MetricsText(benchmark::State& state) {
  Bed bed(static_cast<uint32_t>(state.range(0)));
  size_t bytes = 0;
  for (auto _ : state) bytes = bed.metrics.Text().size();
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(BM_MetricsText)->Arg(1)->Arg(8)->Arg(64);

void BM_MetricsStatsJson(benchmark::State& state) {
  Bed bed(static_cast<uint32_t>(state.range(0)));
  size_t bytes = 0;
  for (auto _ : state) bytes = bed.metrics.StatsJson().size();
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(BM_MetricsStatsJson)->Arg(1)->Arg(64);

void BM_MetricsTick(benchmark::State& state) {
  Bed bed(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) bed.metrics.Tick();
}
BENCHMARK(BM_MetricsTick)->Arg(64);

}  // namespace
}  // namespace mooring::server::metrics
