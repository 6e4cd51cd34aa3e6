// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_service.h"

#include <algorithm>
#include <ctime>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/connection.h"
#include "server/http/access_log.h"
#include "server/http/http_connection.h"
#include "server/http/http_state.h"

namespace mooring::server::http {
namespace {

int64_t WallSeconds() { return time(nullptr); }

constexpr uint32_t kLineBytesMax = RequestParser::kHeadBytesMax / 4;
constexpr uint32_t kFieldsBytesMax = RequestParser::kHeadBytesMax - kLineBytesMax;
constexpr uint32_t kLineBytesMin = 64;  // a request line that says anything at all
constexpr uint32_t kFieldsBytesMin = 256;

RequestParser::Limits LimitsOf(const HttpOptions& options) {
  return {.request_line_bytes = std::clamp(options.request_line_bytes_max, kLineBytesMin, kLineBytesMax),
          .fields_bytes = std::clamp(options.fields_bytes_max, kFieldsBytesMin, kFieldsBytesMax),
          .fields = std::clamp(options.fields_max, 1u, RequestParser::kFieldsMax),
          .body_bytes = UINT64_MAX};  // a route's, once it is known
}

}  // namespace

std::string WhatIsWrong(const HttpOptions& options) {
  const auto outside = [](const char* what, uint64_t value, uint64_t least, uint64_t most) -> std::string {
    if (value >= least && value <= most) return {};
    return absl::StrCat(what, " is ", value, "; possible are ", least, " to ", most);
  };
  for (std::string wrong : {outside("request_line_bytes_max", options.request_line_bytes_max, kLineBytesMin, kLineBytesMax),
                            outside("fields_bytes_max", options.fields_bytes_max, kFieldsBytesMin, kFieldsBytesMax),
                            outside("fields_max", options.fields_max, 1, RequestParser::kFieldsMax)}) {
    if (!wrong.empty()) return wrong;
  }
  const auto breaks_head = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(options.server.begin(), options.server.end(), breaks_head)) {
    return "server has control bytes; it is one line of text";
  }
  return {};
}

HttpService::State::State(Router with_router, HttpOptions with_options)
    : options(std::move(with_options)),
      limits(LimitsOf(options)),
      router(std::move(with_router)),
      heads(WhatIsWrong(options).empty() ? options.server : std::string(), options.wall_s == nullptr ? WallSeconds : options.wall_s) {}

HttpService::HttpService(Router router, HttpOptions options)
    : state_(std::make_unique<State>(std::move(router), std::move(options))) {}
HttpService::~HttpService() = default;

void HttpService::OnOpen(net::Connection& conn) {
  if (conn.New<HttpConnection>(state_.get(), conn) == nullptr) return conn.Abort();
  conn.SetDeadline(core::kNanosPerSecond * state_->options.header_deadline_s);
}

void HttpService::Count(absl::FunctionRef<void(std::string_view name, uint64_t value)> sink) const {
  static constexpr std::string_view kNames[] = {
      "http_requests", "http_responses", "http_not_found", "http_method_not_allowed", "http_handler_failed",
      "http_handler_deadline", "http_streams_cut", "http_headers_left_out", "http_taken_over", "http_continued",
      "http_keepalive_expired", "http_first_byte_expired", "http_retired", "http_drain_grace_expired",
  };
  static_assert(std::size(kNames) == static_cast<size_t>(HttpCount::kCount));
  for (size_t i = 0; i < std::size(kNames); ++i) sink(kNames[i], state_->counters.Read(static_cast<HttpCount>(i)));
  for (size_t i = 1; i < static_cast<size_t>(Refusal::kCount); ++i) {
    const auto refusal = static_cast<Refusal>(i);
    const std::string_view name = Name(refusal);
    sink(absl::StrCat("http_refused_", absl::string_view(name.data(), name.size())), state_->refusals.Read(refusal));
  }
  if (const AccessLog* log = state_->options.access_log; log != nullptr) {
    sink("access_log_lines", log->written());
    sink("access_log_dropped", log->dropped());
  }
}

const core::CounterSet<HttpCount>& HttpService::counters() const { return state_->counters; }
const core::CounterSet<Refusal>& HttpService::refusals() const { return state_->refusals; }

net::ServiceOptions Http::limits() const {
  return {.write_stall_s = options_.write_stall_s,
          .own_deadlines = true,
          .track_peers = options_.access_log != nullptr};
}

}  // namespace mooring::server::http
