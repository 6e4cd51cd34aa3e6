// SPDX-License-Identifier: Apache-2.0
#include "server/web_service.h"

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/shard.h"
#include "core/shards.h"
#include "net/engine.h"
#include "server/http/access_log.h"
#include "server/http/http_service.h"
#include "server/http/router.h"
#include "server/http/static_files.h"
#include "server/http/welcome.h"
#include "server/version.h"

// What HttpOptions says of each is not repeated here.
ABSL_FLAG(std::string, http_root, "", "the folder that http serves; without it, a page that says what is running");
ABSL_FLAG(std::string, http_access_log, "", "a file for a line of each response, - is stdout; without it, no log");
ABSL_FLAG(std::string, http_server, "mooring", "the Server field of responses; empty: none");
ABSL_FLAG(uint32_t, http_request_line_max, 8192, "bytes of a request line; 414 beyond it");
ABSL_FLAG(uint32_t, http_fields_max_bytes, 16384, "bytes of a request's header fields; 431 beyond it");
ABSL_FLAG(uint32_t, http_fields_max, 100, "header fields of a request; 431 beyond it");
ABSL_FLAG(uint64_t, http_body_max, 1 << 20, "bytes of a request's body; 413 beyond it");
ABSL_FLAG(uint32_t, http_header_deadline, 15, "seconds for a request's head, and for the first byte; 0: none");
ABSL_FLAG(uint32_t, http_body_idle, 30, "seconds without a byte of a body; 0: none");
ABSL_FLAG(uint32_t, http_body_rate, 500, "bytes a second that a body's sender must reach after 20 s; 0: none");
ABSL_FLAG(uint32_t, http_keepalive, 60, "seconds that a connection may wait for its next request; 0: for ever");
ABSL_FLAG(uint32_t, http_write_stall, 30, "seconds in which a client may take nothing of its response; 0: for ever");
ABSL_FLAG(uint32_t, http_requests_max, 10000, "requests of a connection; 0: any number");
ABSL_FLAG(uint32_t, http_connection_age, 3600, "seconds after which a connection is closed behind a response; 0: never");
ABSL_FLAG(uint64_t, http_cache_bytes, 64 << 20, "bytes of files that each shard keeps in memory");
ABSL_FLAG(uint32_t, http_cached_file_max, 1 << 20, "bytes of the largest file that is kept in memory; larger ones are streamed");
ABSL_FLAG(uint32_t, drain_keepalive_grace, 5,
          "seconds in which, during a drain, an idle HTTP connection may still bring the request that is on its way");

namespace mooring::server {
namespace {

// The page for `/` where no folder is served.
class Welcome {
 public:
  Welcome(const std::vector<Listening>& all, int64_t started_s) : started_s_(started_s) {
    for (const Listening& each : all) {
      listeners_.push_back({.name = each.name, .address = each.address, .summary = each.summary});
    }
  }

  http::Response operator()() const {
    const core::Shard& shard = *core::Shard::Current();
    net::Engine& engine = *net::Engine::Current();
    return http::Response::Html(
        http::WelcomePage({.name = "mooringd",
                           .version = kVersion,
                           .transport = engine.transport()->Describe(),
                           .shards = static_cast<uint32_t>(shard.shards() == nullptr ? 1 : shard.shards()->size()),
                           .listeners = listeners_,
                           .uptime_s = time(nullptr) - started_s_,
                           .shard = shard.id(),
                           .connections = engine.live()}));
  }

 private:
  const int64_t started_s_;
  std::vector<http::WelcomeFacts::Listener> listeners_;
};

absl::Status Configure(Service* self, const std::vector<Listening>& all) {
  http::HttpOptions options;
  options.request_line_bytes_max = absl::GetFlag(FLAGS_http_request_line_max);
  options.fields_bytes_max = absl::GetFlag(FLAGS_http_fields_max_bytes);
  options.fields_max = absl::GetFlag(FLAGS_http_fields_max);
  options.body_bytes_max = absl::GetFlag(FLAGS_http_body_max);
  options.header_deadline_s = absl::GetFlag(FLAGS_http_header_deadline);
  options.body_idle_s = absl::GetFlag(FLAGS_http_body_idle);
  options.body_rate_bytes = absl::GetFlag(FLAGS_http_body_rate);
  options.keepalive_s = absl::GetFlag(FLAGS_http_keepalive);
  options.write_stall_s = absl::GetFlag(FLAGS_http_write_stall);
  options.requests_max = absl::GetFlag(FLAGS_http_requests_max);
  options.connection_age_s = absl::GetFlag(FLAGS_http_connection_age);
  options.drain_keepalive_grace_s = absl::GetFlag(FLAGS_drain_keepalive_grace);
  options.server = absl::GetFlag(FLAGS_http_server);
  if (const std::string wrong = http::WhatIsWrong(options); !wrong.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("http: ", wrong));
  }

  http::Router router;
  if (const std::string root = absl::GetFlag(FLAGS_http_root); !root.empty()) {
    absl::StatusOr<http::StaticFiles> files =
        http::StaticFiles::Open({.root = root,
                                 .cached_file_bytes_max = absl::GetFlag(FLAGS_http_cached_file_max),
                                 .cache_bytes_max = absl::GetFlag(FLAGS_http_cache_bytes)});
    if (!files.ok()) return absl::InvalidArgumentError(absl::StrCat("--http-root: ", std::string(files.status().message())));
    router.Fallback(files->action());
  } else {
    router.Get("/", Welcome(all, time(nullptr)));
  }
  std::shared_ptr<http::AccessLog> log;
  if (const std::string path = absl::GetFlag(FLAGS_http_access_log); !path.empty()) {
    absl::StatusOr<std::unique_ptr<http::AccessLog>> opened = http::AccessLog::Open(path);
    if (!opened.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--http-access-log: ", std::string(opened.status().message())));
    }
    log = *std::move(opened);
    options.access_log = log.get();
  }
  const http::Http http(std::move(router), std::move(options));
  self->options = http.limits();
  self->make = [http, log] { return http(); };  // the log goes with the program, after its shards
  return absl::OkStatus();
}

}  // namespace

Service WebService() {
  return {.name = "http",
          .summary = "HTTP/1.1: the folder --http-root, or a page that says what is running",
          .try_it = kTryUrl,
          .from_flags = Configure};
}

}  // namespace mooring::server
