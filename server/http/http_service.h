// SPDX-License-Identifier: Apache-2.0
// HttpService: HTTP/1.1 on a listener: a Router's routes over connections that live for many requests.
//
//   Router router;
//   router.Get("/hello/{name}", Hello);
//   return Server(argc, argv).Listen("tcp://127.0.0.1:8080", Http(router)).Run();
//
// Threads:  one instance per shard.
// Owns:     its copy of the router and of the options.
#ifndef MOORING_SERVER_HTTP_HTTP_SERVICE_H_
#define MOORING_SERVER_HTTP_HTTP_SERVICE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "core/clock.h"
#include "core/counters.h"
#include "net/handler.h"
#include "net/service_options.h"
#include "server/http/refusal.h"
#include "server/http/router.h"

namespace mooring::server::http {

class AccessLog;

// Deadlines are whole seconds; 0 is none.
struct HttpOptions {
  uint32_t request_line_bytes_max = 8 << 10;  // 414 beyond it. nginx and Apache have the same
  uint32_t fields_bytes_max = 16 << 10;       // 431. Node has the same
  uint32_t fields_max = 100;                  // 431. hyper, Apache
  uint64_t body_bytes_max = 1 << 20;          // 413. nginx
  // From a request's first byte to its head's end, the first one's from accept on, whatever trickles in: an inactivity
  // timer would not stop a client that sends a byte now and then (Apache: 20 s; nginx, Node: 60 s).
  uint32_t header_deadline_s = 15;
  uint32_t body_idle_s = 30;            // without a byte of a body that is being read (nginx: 60 s)
  uint32_t body_rate_bytes = 500;       // a second, on average, once body_rate_after_s have passed (Apache: the same)
  uint32_t body_rate_after_s = 20;
  uint32_t keepalive_s = 60;            // without a request (nginx: 75 s)
  uint32_t handler_deadline_s = 60;     // 504: from a request's head to its response's (nginx: 60 s for an upstream)
  uint32_t requests_max = 10'000;       // of a connection; then it is closed behind a response. 0: no limit
  uint32_t connection_age_s = 3600;     // likewise; up to a tenth less, so that not all come back at once
  uint32_t drain_keepalive_grace_s = 5; // in a drain, how long an idle connection may still bring the request on its way
  uint32_t write_stall_s = 30;          // net::ServiceOptions
  std::string server = "mooring";       // the Server field; empty: none
  AccessLog* access_log = nullptr;      // outlives the service; null: none
  int64_t (*wall_s)() = nullptr;        // seconds since 1970, for Date; null: the machine's clock
};

// Empty, or which of them cannot be so, and what it may be.
std::string WhatIsWrong(const HttpOptions& options);

enum class HttpCount : uint8_t {
  kRequests,            // heads complete
  kResponses,           // heads written, errors too
  kNotFound,            // 404 of the router
  kMethodNotAllowed,    // 405 of the router
  kHandlerFailed,       // 500: a route threw
  kHandlerDeadline,     // 504
  kStreamsCut,          // streams that ended before their body did: the connection was aborted
  kHeadersLeftOut,      // fields of responses that would have broken the head
  kTakenOver,           // 101
  kContinued,           // 100
  kKeepaliveExpired,    // closed after keepalive_s
  kFirstByteExpired,    // closed: nothing came for header_deadline_s
  kRetired,             // closed behind a response for requests_max or connection_age_s
  kDrainGraceExpired,   // closed in a drain: no request came
  kCount
};

class HttpService : public net::Handler {
 public:
  // REQUIRES: WhatIsWrong(options) is empty; else the nearest that is possible is taken.
  HttpService(Router router, HttpOptions options);
  ~HttpService() override;

  void OnOpen(net::Connection& conn) override;
  void OnData(net::Connection&, alloc::Lease) override {}  // HttpConnection has taken its place
  // http_requests, ... of HttpCount; http_refused_bare_lf, ... of Refusal; access_log_lines and access_log_dropped of the
  // log, which the services of all shards share.
  void Count(absl::FunctionRef<void(std::string_view name, uint64_t value)> sink) const override;

  const core::CounterSet<HttpCount>& counters() const;
  const core::CounterSet<Refusal>& refusals() const;

 private:
  friend class HttpConnection;
  friend class Exchange;
  class State;
  const std::unique_ptr<State> state_;
};

// What Server::Listen takes: makes an HttpService with copies of both on each shard.
class Http {
 public:
  explicit Http(Router router, HttpOptions options = {}) : router_(std::move(router)), options_(std::move(options)) {}
  std::unique_ptr<net::Handler> operator()() const { return std::make_unique<HttpService>(router_, options_); }
  // The bounds of its connections, unless ListenOptions says others.
  net::ServiceOptions limits() const;

 private:
  Router router_;
  HttpOptions options_;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_HTTP_SERVICE_H_
