// SPDX-License-Identifier: Apache-2.0
// What a hot file costs: from the request's path to the response, without a connection.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "core/blocking_pool.h"
#include "core/clock.h"
#include "core/shard.h"
#include "core/task.h"
#include "perf/core/no_port.h"
#include "server/http/static_files.h"
#include "tests/server/http/request_builder.h"

namespace mooring::server::http {
namespace {

// A folder with a file of 1 KB, another with siblings, and a shard that has served them once.
class Folder {
 public:
  Folder() {
    const char* const base = getenv("TEST_TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/static_bench.XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) std::abort();
    Write("a.html");
    Write("b.html");
    Write("b.html.gz");
    Write("b.html.br");
    auto files = StaticFiles::Open({.root = path_});
    if (!files.ok()) std::abort();
    action_ = files->action();
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  const Action& action() const { return action_; }
  core::Shard& shard() { return shard_; }

  // Into the cache. False: it is not there.
  bool Warm(Request* request) {
    shard_.SetPort(&port_);
    shard_.SetJobRunner(&pool_);
    struct Root : core::TaskRoot {
      bool over = false;
    } root;
    root.done = [](core::TaskRoot* self, std::exception_ptr) { static_cast<Root*>(self)->over = true; };
    if (!Serve(&action_, request).Start(&root)) std::abort();
    while (!root.over) shard_.RunTurn(0);
    return action_.now(*request).has_value();
  }

 private:
  void Write(std::string_view name) {
    const std::filesystem::path file = path_ + "/" + std::string(name);
    std::ofstream(file) << std::string(1024, 'x');
    std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  }
  static core::Task<> Serve(const Action* action, Request* request) {
    const Response response = co_await action->later(*request);
    benchmark::DoNotOptimize(response.status());
  }

  std::string path_;
  Action action_;
  core::ManualClock clock_;
  core::NoPort port_;
  core::BlockingPool pool_;
  core::Shard shard_{{.clock = &clock_}};
};

void Hit(benchmark::State& state, RequestBuilder* built) {
  Folder folder;
  core::Shard::Enter enter(&folder.shard());
  Request* request = &built->request();
  if (!folder.Warm(request)) return state.SkipWithError("not answered from the cache");
  for (auto _ : state) {
    benchmark::DoNotOptimize(request);
    const std::optional<Response> response = folder.action().now(*request);
    benchmark::DoNotOptimize(response->status());
  }
}

// What wrk sends.
void BM_StaticHit(benchmark::State& state) {
  RequestBuilder built(Method::kGet, "/a.html");
  built.Header("Host", "127.0.0.1:8080");
  Hit(state, &built);
}
BENCHMARK(BM_StaticHit);

// What browsers send.
void AddBrowsers(RequestBuilder* built) {
  built->Header("Host", "example.com")
      .Header("Connection", "keep-alive")
      .Header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131 Safari/537.36")
      .Header("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8")
      .Header("Sec-Fetch-Site", "none")
      .Header("Sec-Fetch-Mode", "navigate")
      .Header("Sec-Fetch-Dest", "document")
      .Header("Accept-Encoding", "gzip, deflate, br, zstd")
      .Header("Accept-Language", "en-GB,en;q=0.9");
}
void BM_StaticHitBrowser(benchmark::State& state) {
  RequestBuilder built(Method::kGet, "/a.html");
  AddBrowsers(&built);
  Hit(state, &built);
}
BENCHMARK(BM_StaticHitBrowser);

// With siblings there is something to choose.
void BM_StaticHitCompressed(benchmark::State& state) {
  RequestBuilder built(Method::kGet, "/b.html");
  AddBrowsers(&built);
  Hit(state, &built);
}
BENCHMARK(BM_StaticHitCompressed);

void BM_StaticNotModified(benchmark::State& state) {
  RequestBuilder built(Method::kGet, "/a.html");
  AddBrowsers(&built);
  built.Header("If-Modified-Since", "Fri, 31 Dec 2099 23:59:59 GMT");
  Hit(state, &built);
}
BENCHMARK(BM_StaticNotModified);

void BM_StaticPart(benchmark::State& state) {
  RequestBuilder built(Method::kGet, "/a.html");
  built.Header("Host", "127.0.0.1:8080").Header("Range", "bytes=100-199");
  Hit(state, &built);
}
BENCHMARK(BM_StaticPart);

}  // namespace
}  // namespace mooring::server::http
