// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_connection.h"

#include <algorithm>
#include <utility>

#include "core/shard.h"
#include "server/http/access_log.h"
#include "server/http/exchange.h"

namespace mooring::server::http {
namespace {

// A body that is shared and not larger is copied behind the head: cheaper than a piece of its own.
constexpr size_t kCopiedBytesMax = 4096;

uint32_t NowSeconds() { return static_cast<uint32_t>(core::Shard::Current()->now_ms() / 1000); }

net::CloseCause CauseOf(Refusal refusal) {
  switch (refusal) {
    case Refusal::kHeadDeadline:
    case Refusal::kBodyDeadline:
    case Refusal::kBodyTooSlow: return net::CloseCause::kIdle;
    case Refusal::kRequestLineTooLong:
    case Refusal::kFieldsTooLarge:
    case Refusal::kTooManyFields:
    case Refusal::kBodyTooLarge: return net::CloseCause::kTooLong;
    default: return net::CloseCause::kProtocol;
  }
}

core::Task<> ServeTakenOver(Response::TakeOverFunction service, net::Connection* conn) { co_await service(*conn); }

}  // namespace

HttpConnection::HttpConnection(HttpService::State* state, const net::Connection& conn) : state_(state) {
  const uint32_t age = state->options.connection_age_s;
  if (age == 0) return;
  // Any number that differs from one connection to the next will do: the multiplier is 2^64 by the golden ratio.
  const uint64_t mixed = conn.id().value * 0x9e3779b97f4a7c15u >> 32;
  retire_at_s_ = NowSeconds() + age - static_cast<uint32_t>(mixed % (age / 10 + 1));
}

// A task that runs still is cut off with its shard: nothing is destroyed under it.
HttpConnection::~HttpConnection() {
  if (exchange_ != nullptr && !exchange_->running()) delete exchange_;
}

bool HttpConnection::Retires() const {
  const uint32_t most = state_->options.requests_max;
  return (most != 0 && requests_ >= most) || (retire_at_s_ != 0 && NowSeconds() >= retire_at_s_);
}

void HttpConnection::OnData(net::Connection& conn, alloc::Lease data) {
  // Whoever leaves input behind has paused the connection.
  input_ = std::move(data);
  Serve(conn);
}

void HttpConnection::Serve(net::Connection& conn) {
  serving_ = true;
  for (;;) {
    if (!conn.open()) {
      // What closes the connection has written all there is to say. A task is told by OnClose.
      input_.Reset();
      if (exchange_ != nullptr && !exchange_->running()) delete std::exchange(exchange_, nullptr);
      break;
    }
    if (exchange_ != nullptr) {
      exchange_->Advance();
      if (!exchange_->over()) break;
      if (!EndExchange(conn)) return;  // nothing of this may be touched: another service may have the connection
      continue;
    }
    if (input_.empty()) {
      Rest(conn);
      break;
    }
    if (!conn.writable()) break;
    ServeHead(conn);
  }
  serving_ = false;
  if (input_.empty()) input_.Reset();  // who waits holds no receive block
  if (conn.open()) UpdateReading(conn);
}

void HttpConnection::UpdateReading(net::Connection& conn) {
  const bool pause = !input_.empty();
  if (pause == paused_) return;
  paused_ = pause;
  if (pause) {
    conn.Pause();
  } else {
    conn.Resume();
  }
}

// Nothing is under way.
void HttpConnection::Rest(net::Connection& conn) {
  input_.Reset();
  if (eof_) return conn.Close();
  if (conn.draining()) return OnDrain(conn);
  if (requests_ > 0) conn.SetDeadline(core::Seconds(state_->options.keepalive_s));
}

void HttpConnection::ServeHead(net::Connection& conn) {
  HttpService::State& state = *state_;
  state.parser.Reset();
  const RequestParser::Step step = state.parser.Feed(input_.view(), state.fields);
  switch (step.event) {
    case RequestParser::Event::kHead: break;
    case RequestParser::Event::kRefused: return Refuse(conn, state.parser.refusal());
    default:
      exchange_ = new Exchange(this, &conn);
      if (exchange_ == nullptr || !exchange_->BeginHead(state.parser, input_.view())) return conn.Abort();
      input_.Reset();
      // The first request has had its time since the connection was accepted; a drain's grace was for its first byte.
      if (requests_ > 0 || conn.draining()) conn.SetDeadline(core::Seconds(state.options.header_deadline_s));
      return;
  }

  Request& request = state.request;
  const RequestParser::Head& head = state.parser.head();
  Exchange::Fill(&request, input_.data(), state.fields, head);
  std::optional<Response> ready;
  const Router::Route* const route = FindRoute(conn, request, &ready);
  if (ready.has_value() && !head.has_body && !ready->streams() && !ready->takes_over()) {
    const bool behind = input_.size() > step.taken;
    const uint64_t body_bytes = head.method == Method::kHead ? 0 : ready->body().size();
    const bool goes_on = Write(conn, request, head, *ready, /*must_close=*/false, behind);
    Log(request, ready->status(), body_bytes);
    input_.RemovePrefix(step.taken);
    if (!goes_on) conn.Close();
    return;
  }
  if (!BeginExchange(conn, step.taken)) return conn.Abort();
  exchange_->Run(route, std::move(ready));
}

const Router::Route* HttpConnection::FindRoute(net::Connection& conn, Request& request,
                                               std::optional<Response>* ready) {
  request.peer_ = &conn.peer();
  ++requests_;
  state_->counters.Add(HttpCount::kRequests);
  const Router::Found found = state_->router.Find(request);
  if (found.route == nullptr) {
    ready->emplace(Unrouted(request, found));
  } else if (found.route->action.now != nullptr && (!request.has_body() || found.route->action.later != nullptr)) {
    *ready = CallNow(*found.route, request);  // else it is a plain route that waits for the body
  }
  return found.route;
}

bool HttpConnection::BeginExchange(net::Connection& conn, uint32_t bytes) {
  exchange_ = new Exchange(this, &conn);
  const bool begun = exchange_ != nullptr &&
                     exchange_->BeginRequest(state_->parser, state_->fields, input_.view().substr(0, bytes),
                                             std::move(state_->request));
  input_.RemovePrefix(bytes);
  return begun;
}

bool HttpConnection::EndExchange(net::Connection& conn) {
  const bool closes = exchange_->closes();
  Response::TakeOverFunction take_over = exchange_->TakeTakeOver();
  delete std::exchange(exchange_, nullptr);
  if (take_over) {
    alloc::Lease unread = std::move(input_);
    core::Task<> task = ServeTakenOver(std::move(take_over), &conn);
    if (conn.TakeOver(std::move(task), std::move(unread))) return false;
    conn.Abort();
    return true;
  }
  if (closes) conn.Close();
  return true;
}

Response HttpConnection::Unrouted(const Request& request, const Router::Found& found) {
  if (found.allow.empty()) {
    state_->counters.Add(HttpCount::kNotFound);
    return Response::Plain(404);
  }
  if (request.method() == Method::kOptions) return Response().Status(204).Header("Allow", found.allow);
  state_->counters.Add(HttpCount::kMethodNotAllowed);
  return Response::Plain(405).Header("Allow", found.allow);
}

std::optional<Response> HttpConnection::CallNow(const Router::Route& route, Request& request) {
  try {
    std::optional<Response> response = route.action.now(request);
    if (!response.has_value() && route.action.later == nullptr) response.emplace(Response::Plain(404));
    return response;
  } catch (...) {
    state_->counters.Add(HttpCount::kHandlerFailed);
    return Response::Plain(500);
  }
}

bool HttpConnection::Write(net::Connection& conn, const Request& request, const RequestParser::Head& head,
                           Response& response, bool must_close, bool behind) {
  HttpService::State& state = *state_;
  if (response.status() < 200 || response.status() > 599) {
    state.counters.Add(HttpCount::kHandlerFailed);
    response = Response::Plain(500);
  }
  const int status = response.status();
  const bool bodiless = HeadWriter::Bodiless(status);
  bool keep_alive = head.keep_alive && !must_close && !response.closes() && !(conn.draining() && !behind);
  if (keep_alive && Retires()) {
    state.counters.Add(HttpCount::kRetired);
    keep_alive = false;
  }
  // Without chunks only the end of the connection ends such a body.
  if (response.length() == Response::kUnknownLength && head.minor == 0 && !bodiless) keep_alive = false;
  const HeadWriter::To to = {.minor = head.minor, .keep_alive = keep_alive};
  std::string& out = state.out;
  out.clear();
  state.heads.Append(&out, response, to, request.extra_lines_, core::Shard::Current()->now_ms());
  state.counters.Add(HttpCount::kResponses);
  const int left_out = response.left_out() + request.left_out_;
  if (left_out != 0) [[unlikely]] state.counters.Add(HttpCount::kHeadersLeftOut, static_cast<uint64_t>(left_out));
  const std::string_view body = response.body();
  if (body.empty() || bodiless || response.streams() || head.method == Method::kHead) {
    conn.Write(out);
  } else if (body.size() <= kCopiedBytesMax) {
    out.append(body);
    conn.Write(out);
  } else {
    conn.Write(out);
    const alloc::SharedBytes all = response.shared() ? response.shared() : alloc::SharedBytes::Take(response.TakeText());
    if (!all) {
      conn.Abort();
      return false;
    }
    if (body.size() == all.size()) {
      conn.Write(all);
    } else {
      const auto offset = static_cast<uint32_t>(body.data() - all.view().data());
      const alloc::Lease whole = core::Shard::Current()->buffers().Share(all);
      if (whole) conn.Write(whole.Share(offset, static_cast<uint32_t>(body.size())));
      if (!whole) conn.Abort();
    }
  }
  return keep_alive;
}

void HttpConnection::Refuse(net::Connection& conn, Refusal refusal) {
  state_->refusals.Add(refusal);
  const int status = StatusOf(refusal);
  std::string text = std::string(ReasonOf(status)).append(": ").append(Explain(refusal)).append("\n");
  Response response = Response::Text(std::move(text)).Status(status);
  // Whatever it was, it is answered as if HTTP/1.1 had been spoken, and then closed.
  Request& nothing = state_->request;
  nothing = Request();
  nothing.peer_ = &conn.peer();
  Write(conn, nothing, {}, response, /*must_close=*/true, /*behind=*/false);
  Log(nothing, status, 0);
  input_.Reset();
  conn.Close(CauseOf(refusal));
}

void HttpConnection::Log(const Request& request, int status, uint64_t body_bytes) {
  AccessLog* const log = state_->options.access_log;
  if (log == nullptr) return;
  std::string_view line;
  if (!request.method_name().empty()) {  // they lie behind each other in the head: "GET /a HTTP/1.1"
    constexpr size_t kVersionBytes = sizeof(" HTTP/1.1") - 1;
    const char* const begin = request.method_name().data();
    const char* const end = request.target().data() + request.target().size() + kVersionBytes;
    line = {begin, static_cast<size_t>(end - begin)};
  }
  log->Note({.peer = &request.peer(),
             .request_line = line,
             .status = status,
             .body_bytes = body_bytes,
             .referer = request.Header("Referer"),
             .user_agent = request.Header("User-Agent")});
}

void HttpConnection::OnEof(net::Connection& conn) {
  eof_ = true;
  if (exchange_ != nullptr) {
    exchange_->OnEof();
    if (conn.open()) Serve(conn);
  } else if (input_.empty()) {
    conn.Close();
  }
}

void HttpConnection::OnDrain(net::Connection& conn) {
  if (exchange_ != nullptr) return exchange_->OnDrain();
  if (!input_.empty()) return;  // waits for room, and has its answers to come
  const uint32_t grace = state_->options.drain_keepalive_grace_s;
  if (grace == 0) return conn.Close();
  conn.SetDeadline(core::Seconds(grace));
}

void HttpConnection::OnDeadline(net::Connection& conn) {
  if (exchange_ != nullptr) {
    exchange_->OnDeadline();
    if (conn.open()) Serve(conn);
    return;
  }
  if (conn.draining()) {
    state_->counters.Add(HttpCount::kDrainGraceExpired);
    return conn.Close();
  }
  state_->counters.Add(requests_ == 0 ? HttpCount::kFirstByteExpired : HttpCount::kKeepaliveExpired);
  conn.Close(net::CloseCause::kIdle);
}

void HttpConnection::OnWritable(net::Connection& conn) {
  if (!serving_) Serve(conn);
}

void HttpConnection::OnClose(net::Connection&, net::CloseCause) {
  input_.Reset();
  if (exchange_ == nullptr) return;
  if (!exchange_->OnClose()) delete std::exchange(exchange_, nullptr);
}

}  // namespace mooring::server::http
