// SPDX-License-Identifier: Apache-2.0
// A server on real sockets that has a bit of everything shows every metric of the catalogue, and promtool has nothing to
// say against it.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/blocking_pool.h"
#include "core/shard.h"
#include "net/endpoint.h"
#include "server/http/access_log.h"
#include "server/http/client.h"
#include "server/http/http_service.h"
#include "server/http/static_files.h"
#include "server/metrics/catalogue.h"
#include "server/metrics/metrics.h"
#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/server/http/temp_folder.h"
#include "tests/server/fake_control.h"

namespace mooring::server::metrics {
namespace {

class Tally final : public net::Handler {
 public:
  void OnData(net::Connection&, alloc::Lease) override {}
  void Count(absl::FunctionRef<void(std::string_view name, uint64_t value)> sink) const override { sink("seen", 7); }
};

class Lines final : public http::AccessLog {
 public:
  void Note(const http::AccessRecord&) override {}
  absl::Status Reopen() override { return absl::OkStatus(); }
  bool Settle(int64_t /*ms*/) override { return true; }
  uint64_t written() const override { return 1; }
  uint64_t dropped() const override { return 0; }
};

struct Upstream {
  http::HttpClient client{[] {
    http::ClientOptions options;
    options.target = "127.0.0.1:1";
    return options;
  }()};
};

std::string Everything() {
  http::TempFolder folder;
  folder.Write("a", "hello");
  auto files = http::StaticFiles::Open({.root = folder.path(), .media_types = ""});
  EXPECT_TRUE(files.ok());
  http::Router router;
  router.Fallback(files->action());
  Lines lines;
  http::HttpOptions options;
  options.access_log = &lines;
  core::BlockingPool pool;
  FakeControl control;
  Tally tally;
  std::vector<const net::Handler*> handlers;
  scenario::LoopbackServer server(
      [&] {
        core::Shard::Current()->SetJobRunner(&pool);
        core::Shard::Current()->locals().Emplace<Upstream>();
        auto service = std::make_unique<http::HttpService>(router, options);
        handlers.push_back(service.get());
        return service;
      },
      {.shards = 2, .service = http::Http(router, options).limits()});
  for (int i = 0; i < 2; ++i) {
    ShardView view = server.OnShard(i, [i](net::Engine& engine) {
      return ShardView{engine.shard(), &engine, engine.transport(), i, {}};
    });
    view.handlers = {{"web", handlers[i]}, {"tally", &tally}};
    control.shards_now.push_back(view);
  }
  control.listeners_now = {{"web", "http", *net::Endpoint::Parse("127.0.0.1:" + std::to_string(server.port())), 0, true}};
  control.memory_ceiling_bytes_now = 1 << 30;
  control.plan_now.connections_possible = 1000;
  Metrics metrics(&control);
  scenario::Client client(server.port());
  client.Send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  std::string answer;
  while (!answer.ends_with("hello")) answer += client.ReceiveSome(1000);
  return metrics.Text();
}

TEST(AllFamilies, AreShownAndPromtoolAgrees) {
  const std::string text = Everything();
  for (const MetricInfo& info : Catalogue()) {
    const std::string name(info.name);
    EXPECT_NE(text.find("\n# TYPE " + name + " " + std::string(Name(info.kind)) + "\n"), std::string::npos) << name;
    const std::string sample = info.kind == MetricKind::kHistogram ? name + "_bucket{" : info.labels.empty() ? name + " " : name + "{";
    EXPECT_NE(text.find("\n" + sample), std::string::npos) << name << " has no sample";
  }
  EXPECT_NE(text.find("\nmooring_http_requests_total{listener=\"web\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("\nmooring_accept_queue_depth{listener=\"web\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("\nmooring_file_cache_events_total{event=\"misses\"}"), std::string::npos);
  EXPECT_NE(text.find("\nmooring_service_events_total{listener=\"tally\",event=\"seen\"} 14\n"), std::string::npos);

  if (std::system("command -v promtool >/dev/null") != 0) {
    GTEST_SKIP() << "NO promtool HERE, the text is not checked by it: apt-get install prometheus";
  }
  const char* folder = std::getenv("TEST_TMPDIR");
  const std::string path = std::string(folder == nullptr ? "/tmp" : folder) + "/metrics.txt";
  std::ofstream(path) << text;
  const int status = std::system(("promtool check metrics <'" + path + "'").c_str());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "see what promtool says above; the text is:\n" << text;
}

}  // namespace
}  // namespace mooring::server::metrics
