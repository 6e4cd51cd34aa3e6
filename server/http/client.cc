// SPDX-License-Identifier: Apache-2.0
#include "server/http/client.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/shard.h"
#include "core/sleep.h"
#include "server/http/client_exchange_state.h"
#include "server/http/outgoing_field.h"

namespace mooring::server::http {
namespace {

using core::Nanos;
using core::Task;

// In origin-form or asterisk-form, of bytes that a target may have; a fragment is none of a server's business.
bool CanBeTarget(Method method, std::string_view target) {
  if (target == "*") return method == Method::kOptions;
  if (!target.starts_with('/')) return false;
  return std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
}

std::string HostOf(const ClientOptions& options) {
  if (!options.host.empty()) return options.host;
  std::string_view host = options.target;
  if (host.starts_with("tcp://")) host.remove_prefix(6);
  if (host.ends_with(":80")) host.remove_suffix(3);
  return std::string(host);
}

net::PoolOptions PoolOf(const ClientOptions& options) {
  return {.target = options.target,
          .connections_max = options.connections_max,
          .waiters_max = options.waiters_max,
          .idle_max_age = options.idle_max_age,
          .connect = options.connect};
}

}  // namespace

HttpClient::HttpClient(ClientOptions options)
    : options_(std::move(options)),
      host_(HostOf(options_)),
      fields_fit_(FitsInHead("Host", host_) && FitsInHead("User-Agent", options_.agent)),
      pool_(PoolOf(options_)) {}
HttpClient::~HttpClient() = default;

int64_t HttpClient::DeadlineMs(const AskOptions& options) const {
  const Nanos deadline = options.deadline.value_or(options_.deadline);
  return deadline == 0 ? 0 : core::Shard::Current()->DeadlineMs(deadline);
}

Task<std::unique_ptr<ClientExchange::State>> HttpClient::Begin(ClientRequest request, int64_t deadline_ms) {
  counters_.Add(ClientCount::kRequests);
  counters_.Add(ClientCount::kHeadersLeftOut, request.left_out_);
  const Method method = request.method_;
  const bool target_fits = CanBeTarget(method, request.target_);
  auto state = std::make_unique<ClientExchange::State>(this, std::move(request));
  if (method >= Method::kConnect) {
    state->Fail(ClientFailure::kRequest, "the request's method cannot be sent");
  } else if (!target_fits) {
    state->Fail(ClientFailure::kRequest,
                "the request's target is none: it begins with '/' and has no space, control byte or fragment");
  } else if (!fields_fit_) {
    state->Fail(ClientFailure::kRequest, "the client's host or agent would break a head");
  } else {
    co_await state->Ask(deadline_ms);
  }
  co_return state;
}

Task<ClientExchange> HttpClient::Open(ClientRequest request) {
  const int64_t deadline_ms = DeadlineMs(request.options_);
  ClientExchange exchange(co_await Begin(std::move(request), deadline_ms));
  Count(exchange.answer());
  co_return exchange;
}

Task<ClientResult> HttpClient::Send(ClientRequest request) {
  const AskOptions options = request.options_;
  const int64_t deadline_ms = DeadlineMs(options);
  const auto state = co_await Begin(std::move(request), deadline_ms);
  std::string body;
  if (state->answer) {
    const uint64_t bytes_max = options.body_bytes_max.value_or(options_.body_bytes_max);
    if (deadline_ms == 0) {
      co_await state->ReadWhole(&body, bytes_max);
    } else {
      const auto done = co_await core::WithDeadline(Left(deadline_ms), state->ReadWhole(&body, bytes_max));
      if (done.expired() && state->answer.failure() == ClientFailure::kCancelled) {
        state->answer.failure_ = ClientFailure::kDeadline;
        state->answer.why_ = absl::StrCat(options_.target, ": the answer's body was not complete in time");
      }
    }
  }
  ClientResult result(std::move(state->answer));
  if (result) result.body_ = std::move(body);
  Count(result);
  co_return result;
}

void HttpClient::Count(const ClientAnswer& answer) {
  switch (answer.failure()) {
    case ClientFailure::kDeadline:
      return counters_.Add(ClientCount::kExpired);
    case ClientFailure::kRefused:
      return counters_.Add(ClientCount::kRefused);
    case ClientFailure::kEnded:
      return counters_.Add(ClientCount::kEnded);
    case ClientFailure::kConnect:
    case ClientFailure::kTooManyWait:
      return counters_.Add(ClientCount::kNoConnection);
    default:
      return;
  }
}

}  // namespace mooring::server::http
