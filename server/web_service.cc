// SPDX-License-Identifier: Apache-2.0
#include "server/web_service.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

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

// Whether `path` could be written, without making it.
absl::Status CouldWrite(const std::string& path) {
  if (path == "-" || access(path.c_str(), W_OK) == 0) return absl::OkStatus();
  if (errno == ENOENT) {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    if (access(folder.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("cannot write the access log '", path, "': ", strerror(errno)));
}

absl::Status Wrong(const ServiceValues& values, const char* setting, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat(values.Said(setting), ": ", status.message()));
}

absl::StatusOr<Configured> Configure(const ServiceValues& values, const Surroundings& surroundings) {
  const auto number = [&values](const char* name) { return static_cast<uint32_t>(values.Number(name)); };
  http::HttpOptions options;
  options.request_line_bytes_max = number("request_line_max");
  options.fields_bytes_max = number("fields_max_bytes");
  options.fields_max = number("fields_max");
  options.body_bytes_max = values.Number("body_max");
  options.header_deadline_s = number("header_deadline");
  options.body_idle_s = number("body_idle");
  options.body_rate_bytes = number("body_rate");
  options.keepalive_s = number("keepalive");
  options.write_stall_s = number("write_stall");
  options.requests_max = number("requests_max");
  options.connection_age_s = number("connection_age");
  options.drain_keepalive_grace_s = surroundings.drain_keepalive_grace_s;
  options.server = values.Text("server");
  if (const std::string wrong = http::WhatIsWrong(options); !wrong.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("http: ", wrong));
  }

  http::Router router;
  if (const std::string& root = values.Text("root"); !root.empty()) {
    absl::StatusOr<http::StaticFiles> files = http::StaticFiles::Open({.root = root,
                                                                       .cached_file_bytes_max = number("cached_file_max"),
                                                                       .cache_bytes_max = values.Number("cache_bytes")});
    if (!files.ok()) return Wrong(values, "root", files.status());
    router.Fallback(files->action());
  } else {
    router.Get("/", Welcome(surroundings.all, time(nullptr)));
  }
  std::shared_ptr<http::AccessLog> log;
  if (const std::string& path = values.Text("access_log"); !path.empty() && surroundings.only_check) {
    if (const absl::Status status = CouldWrite(path); !status.ok()) return Wrong(values, "access_log", status);
  } else if (!path.empty()) {
    absl::StatusOr<std::unique_ptr<http::AccessLog>> opened = http::AccessLog::Open(path);
    if (!opened.ok()) return Wrong(values, "access_log", opened.status());
    log = *std::move(opened);
    options.access_log = log.get();
  }
  const http::Http http(std::move(router), std::move(options));
  Configured configured = {.options = http.limits(), .make = [http, log] { return http(); }};
  if (log != nullptr) {
    configured.reopen = [log] { return log->Reopen(); };
  }
  return configured;
}

std::vector<ServiceSetting> Settings() {
  using enum ServiceSetting::Kind;
  constexpr uint64_t kMax = UINT32_MAX;
  return {
      {"root", kText, "", "the folder that is served; without it, a page that says what is running",
       "a server that was told nothing shows nobody's files"},
      {"access_log", kText, "", "a file for a line of each response, - is stdout; without it, no log",
       "a line for each response costs a tenth of a small one"},
      {"server", kText, "mooring", "the Server field of responses; empty: none", "names the program, and no version"},
      {"request_line_max", kBytes, "8KiB", "bytes of a request line; 414 beyond it", "nginx and Apache: the same", 64, 16 << 10},
      {"fields_max_bytes", kBytes, "16KiB", "bytes of a request's header fields; 431 beyond it", "Node: the same; nginx 32KiB", 256, 48 << 10},
      {"fields_max", kCount, "100", "header fields of a request; 431 beyond it", "Apache: the same", 1, 256},
      {"body_max", kBytes, "1MiB", "bytes of a request's body; 413 beyond it", "nginx: the same"},
      {"header_deadline", kSeconds, "15s", "how long a request's head may take, and the first byte; 0: any time",
       "whatever trickles in, so that no slow sender keeps a connection; Apache 20s, nginx and Node 60s"},
      {"body_idle", kSeconds, "30s", "how long no byte of a body may come; 0: any time", "nginx 60s"},
      {"body_rate", kBytes, "500", "bytes a second that a body's sender must reach after 20s; 0: none", "Apache: the same", 0, kMax},
      {"keepalive", kSeconds, "60s", "how long a connection may wait for its next request; 0: for ever", "nginx 75s"},
      {"write_stall", kSeconds, "30s", "how long a client may take nothing of its response; 0: for ever", "nginx 60s"},
      {"requests_max", kCount, "10000", "requests of a connection; then it is closed behind a response; 0: any number",
       "now and then a client goes to whichever server a balancer has added; nginx 1000", 0, kMax},
      {"connection_age", kSeconds, "1h", "the age at which a connection is closed behind a response, less up to a tenth; 0: never", "nginx: the same"},
      {"cache_bytes", kBytes, "64MiB", "what each shard keeps of files in memory", "a site's small files; larger ones are streamed"},
      {"cached_file_max", kBytes, "1MiB", "the largest file that is kept in memory; larger ones are streamed",
       "some sixty of them fill the cache, not one", 0, kMax},
  };
}

}  // namespace

Service WebService() {
  return {.name = "http",
          .summary = "HTTP/1.1: the folder --http-root, or a page that says what is running",
          .try_it = kTryUrl,
          .options = {.own_deadlines = true},
          .settings = Settings(),
          .configure = Configure};
}

}  // namespace mooring::server
