// SPDX-License-Identifier: Apache-2.0
// Admin: the admin interface of a server: what it counts, who is connected, and what a person may ask of it.
//
//   Admin admin(&control, {.metrics = [&] { return metrics.Text(); }, .stats = [&] { return metrics.StatsJson(); }});
//   handlers.push_back(admin.MakeHandler(Admin::Part::kAll, endpoint));
//   engine->AddListener("admin", handlers.back().get(), admin.options());
//
//   GET   /  /metrics  /stats  /healthz  /readyz  /connections  /debug/stalls
//   POST  /drain  /drain?listener=NAME[&percent=N]  /connections/{id}/close[?abort=1]
//
// It runs on the control shard's own engine, so it answers when data shards are full, and when one of them does not
// answer it says which. Whom it answers at all is OriginGuard's matter. No GET changes anything; every POST is a line
// in the log. docs/OPERATIONS.md has the interface for those who use it.
//
// Threads:  the control shard. Data shards are asked by mail.
// Owns:     nothing that a request does not; it outlives its handlers' connections.
// Limits:   below, and ConnectionList's.
#ifndef MOORING_SERVER_ADMIN_ADMIN_H_
#define MOORING_SERVER_ADMIN_ADMIN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/clock.h"
#include "net/endpoint.h"
#include "net/handler.h"
#include "net/service_options.h"
#include "server/admin/connection_list.h"
#include "server/control.h"
#include "server/http/http_service.h"
#include "server/http/router.h"

namespace mooring::server::admin {

class Admin {
 public:
  // Where it listens unless [admin] listen says otherwise, or "off".
  static constexpr char kDefaultListen[] = "127.0.0.1:7070";
  // Of the control engine: browsers open six each, scrapers one.
  static constexpr uint32_t kConnectionsMax = 64;
  // How long a shard may take to answer before it is said not to.
  static constexpr core::Nanos kShardPatience = core::Seconds(2);

  enum class Part : uint8_t {
    kAll,
    kReadOnly,  // [admin] metrics_listen: /metrics, /stats, /healthz, /readyz. Not /connections: it shows peers
  };

  // What others make, in a turn of the control shard.
  struct Figures {
    std::function<std::string()> metrics;  // the body of /metrics, Prometheus's text format 0.0.4
    std::function<std::string()> stats;    // of /stats, JSON
  };

  Admin(Control* control, Figures figures)
      : control_(control), figures_(std::move(figures)), connections_(control, kShardPatience) {}
  Admin(const Admin&) = delete;

  // `listening` is where requests come from: which Host they may name depends on it. One for each listener.
  std::unique_ptr<net::Handler> MakeHandler(Part part, const net::Endpoint& listening);
  net::ServiceOptions options() const;
  // What start-up says of an address that other machines reach; empty for loopback and Unix paths.
  static std::string Warning(Part part, const net::Endpoint& listening);

 private:
  http::Router RoutesOf(Part part, const net::Endpoint& listening);
  core::Task<http::Response> Health();
  http::Response Readiness() const;
  http::Response Drain(const http::Request& request);
  http::Response Told(const http::Request& request, http::Response response);

  Control* const control_;
  const Figures figures_;
  ConnectionList connections_;
};

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_ADMIN_H_
