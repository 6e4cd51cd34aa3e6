// SPDX-License-Identifier: Apache-2.0
#include "server/admin/admin.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/sleep.h"
#include "server/admin/answers.h"
#include "server/admin/origin_guard.h"
#include "server/admin/page.h"
#include "server/admin/query_keys.h"
#include "server/admin/shard_health.h"
#include "server/admin/stalls.h"

namespace mooring::server::admin {
namespace {

constexpr size_t kLoggedTargetBytes = 200;
constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";

http::HttpOptions HttpSettings() {
  http::HttpOptions options;
  options.body_bytes_max = 0;  // nothing that it is asked has a body
  options.handler_deadline_s = 30;
  options.connection_age_s = 0;  // scrapers keep theirs, and who they are is bounded by kConnectionsMax
  options.requests_max = 0;
  return options;
}

// The answer to a query where there is none to have.
std::optional<http::Response> RefusedQuery(const http::Request& request) {
  const absl::StatusOr<QueryKeys> keys = QueryKeys::Parse(request.query(), {});
  if (!keys.ok()) return Error(keys.status());
  return std::nullopt;
}

void SayRequest(Log* log, Log::Level level, const http::Request& request, int status) {
  const std::string peer = request.peer().ToString();
  log->Say(level, "admin request",
           {{"method", request.method_name()},
            {"target", request.target().substr(0, kLoggedTargetBytes)},
            {"status", int64_t{status}},
            {"peer", std::string_view(peer)}});
}

}  // namespace

net::ServiceOptions Admin::options() const {
  net::ServiceOptions options = http::Http(http::Router(), HttpSettings()).limits();
  options.track_peers = true;  // for the log
  return options;
}

std::unique_ptr<net::Handler> Admin::MakeHandler(Part part, const net::Endpoint& listening) {
  return std::make_unique<http::HttpService>(RoutesOf(part, listening), HttpSettings());
}

std::string Admin::Warning(Part part, const net::Endpoint& listening) {
  if (listening.is_unix() || IsLoopback(listening.address())) return "";
  if (part == Part::kReadOnly) {
    return absl::StrCat("figures of this server can be read by whoever reaches ", listening.ToString(),
                        " (admin.metrics_listen)");
  }
  return absl::StrCat(
      "whoever reaches ", listening.ToString(),
      " (admin.listen) can see who is connected, close connections and end this server: it asks for no password");
}

http::Router Admin::RoutesOf(Part part, const net::Endpoint& listening) {
  http::Router router;
  router.Use(OriginGuard(listening, [this](const http::Request& request, int status) {
    if (request.method() == http::Method::kPost) SayRequest(&control_->log(), Log::Level::kWarning, request, status);
  }));
  router.Get("/metrics", [this](http::Request& request) {
    if (auto refused = RefusedQuery(request)) return *std::move(refused);
    return http::Response::Of(kMetricsType, figures_.metrics());
  });
  router.Get("/stats", [this](http::Request& request) {
    if (auto refused = RefusedQuery(request)) return *std::move(refused);
    return http::Response::Json(figures_.stats());
  });
  // Probes append what they like to a path, so a query of theirs is nothing to refuse.
  router.Get("/healthz", [this] { return Health(); });
  router.Get("/readyz", [this] { return Readiness(); });
  router.Fallback([] { return Error(404, "there is nothing here: / has a page, docs/OPERATIONS.md a list"); });
  if (part == Part::kReadOnly) return router;

  router.Get("/debug/stalls", [this](http::Request& request) {
    if (auto refused = RefusedQuery(request)) return *std::move(refused);
    return Answer(200, StallsOf(*control_, control_->control_shard()->now()));
  });
  router.Get("/connections", [this](http::Request& request) { return connections_.List(request); });
  router.Post("/connections/{id}/close", [this](http::Request& request) -> core::Task<http::Response> {
    http::Response response = co_await connections_.Close(request);
    co_return Told(request, std::move(response));
  });
  router.Post("/drain", [this](http::Request& request) { return Told(request, Drain(request)); });
  for (const PageFile& file : PageFiles()) {
    router.Get({file.path.data(), file.path.size()},
               [&file] { return http::Response::Of(file.type, std::string(file.content)); });
  }
  return router;
}

http::Response Admin::Told(const http::Request& request, http::Response response) {
  SayRequest(&control_->log(), Log::Level::kInfo, request, response.status());
  return response;
}

core::Task<http::Response> Admin::Health() {
  const auto shards = static_cast<uint32_t>(control_->shards().size());
  const std::vector<uint32_t> silent = co_await SilentShards(shards, kShardPatience);
  if (silent.empty()) {
    Json json;
    json["status"] = "ok";
    json["shards"] = shards;
    co_return Answer(200, json);
  }
  co_return Error(503, absl::StrCat(silent.size() == 1 ? "shard " : "shards ", absl::StrJoin(silent, ", "), " of ",
                                    shards, silent.size() == 1 ? " has" : " have", " not answered within ",
                                    kShardPatience / core::kNanosPerSecond, " s"));
}

http::Response Admin::Readiness() const {
  const ServerState state = control_->state();
  if (state != ServerState::kServing) return Error(503, absl::StrCat("not ready: ", Name(state)));
  const std::vector<ServedListener> listeners = control_->listeners();
  if (std::none_of(listeners.begin(), listeners.end(), [](const ServedListener& each) { return each.open; })) {
    return Error(503, "not ready: no listener is open");
  }
  Json json;
  json["status"] = "ready";
  return Answer(200, json);
}

http::Response Admin::Drain(const http::Request& request) {
  const absl::StatusOr<QueryKeys> keys = QueryKeys::Parse(request.query(), {"listener", "percent"});
  if (!keys.ok()) return Error(keys.status());
  const absl::StatusOr<std::optional<uint64_t>> percent = keys->Number("percent", 1, 100);
  if (!percent.ok()) return Error(percent.status());
  const std::optional<std::string> listener = keys->Text("listener");
  if (!listener.has_value() && percent->has_value())
    return Error(400, "percent= is of one listener: say listener=NAME too");
  Json json;
  if (!listener.has_value()) {
    if (absl::Status status = control_->Drain(); !status.ok()) return Error(status);
    json["draining"] = "all";
    return Answer(202, json);
  }
  std::set<std::string> open;
  for (const ServedListener& each : control_->listeners()) {
    if (each.open) open.insert(each.name);
  }
  if (!open.contains(*listener)) {
    return Error(
        404, absl::StrCat("no open listener is called '", *listener, "': there ",
                          open.empty() ? "are none"
                                       : absl::StrCat(open.size() == 1 ? "is " : "are ", absl::StrJoin(open, ", "))));
  }
  const absl::Status status = percent->has_value()
                                  ? control_->DrainConnections(*listener, static_cast<uint32_t>(**percent))
                                  : control_->DrainListener(*listener);
  if (!status.ok()) return Error(status);
  json["draining"] = *listener;
  if (percent->has_value()) json["percent"] = **percent;
  return Answer(202, json);
}

}  // namespace mooring::server::admin
