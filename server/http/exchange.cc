// SPDX-License-Identifier: Apache-2.0
#include "server/http/exchange.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstring>
#include <utility>

#include "core/shard.h"
#include "core/sleep.h"

namespace mooring::server::http {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// Appends `bytes` to what `lease`, the only holder of its block, has. The block doubles.
bool AppendTo(alloc::Lease* lease, std::string_view bytes) {
  const uint64_t need = uint64_t{lease->size()} + bytes.size();
  if (need > alloc::BufferPool::kBlockBytesMax) return false;
  alloc::Block* const block = lease->block();
  if (block == nullptr || need > block->capacity) {
    const uint64_t twice = std::min<uint64_t>(2 * uint64_t{lease->size()}, alloc::BufferPool::kBlockBytesMax);
    alloc::Block* larger = core::Shard::Current()->buffers().Acquire(static_cast<uint32_t>(std::max(need, twice)));
    if (larger == nullptr) return false;
    if (lease->size() != 0) std::memcpy(larger->data, lease->data(), lease->size());
    *lease = alloc::Lease(larger, 0, lease->size());
  }
  std::memcpy(lease->data() + lease->size(), bytes.data(), bytes.size());
  lease->Extend(static_cast<uint32_t>(bytes.size()));
  return true;
}

}  // namespace

Exchange::Exchange(HttpConnection* handler, net::Connection* conn)
    : handler_(handler), conn_(conn), parser_(&handler->state_->limits) {
  done = [](core::TaskRoot* self, std::exception_ptr error) {
    auto* exchange = static_cast<Exchange*>(self);
    if (error != nullptr) exchange->conn_->Abort();  // no memory for a response
    exchange->OnTaskDone();
  };
}

// The head.

bool Exchange::BeginHead(const RequestParser& parser, std::string_view part) {
  parser_ = parser;
  return AppendTo(&block_, part);
}

bool Exchange::Keep(const Field* fields, std::string_view head) {
  fields_bytes_ = static_cast<uint16_t>(sizeof(Field) * parser_.head().fields);
  const uint32_t bytes = fields_bytes_ + static_cast<uint32_t>(head.size());
  alloc::Block* block = core::Shard::Current()->buffers().Acquire(bytes);
  if (block == nullptr) return false;
  std::memcpy(block->data, fields, fields_bytes_);
  std::memcpy(block->data + fields_bytes_, head.data(), head.size());
  block_ = alloc::Lease(block, 0, bytes);  // lets go of what `head` may have been in
  return true;
}

bool Exchange::BeginRequest(const RequestParser& parser, const Field* fields, std::string_view head,
                            Request&& request) {
  parser_ = parser;
  if (!Keep(fields, head)) return false;
  // Filters may have written to it, and the router has found its parameters: those stay, at their new place.
  request_ = std::move(request);
  FillPlaces(&request_, this->head(), this->fields(), parser.head());
  for (uint8_t i = 0; i < request_.parameter_count_; ++i) {
    std::string_view& raw = request_.parameters_[i].raw;
    if (!raw.empty()) raw = {this->head() + (raw.data() - head.data()), raw.size()};
  }
  request_.exchange_ = this;
  return true;
}

void Exchange::FillPlaces(Request* request, const char* head, const Field* fields,
                          const RequestParser::Head& parsed) {
  request->method_name_ = {head + parsed.method_at(), parsed.method_bytes};
  request->target_ = {head + parsed.target, parsed.target_bytes};
  request->path_ = parsed.path_bytes == 0 ? std::string_view("/") : std::string_view(head + parsed.path, parsed.path_bytes);
  request->query_ = {head + parsed.query, parsed.query_bytes};
  request->fields_ = Fields(head, fields, parsed.fields);
}

void Exchange::Fill(Request* request, const char* head, const Field* fields, const RequestParser::Head& parsed) {
  FillPlaces(request, head, fields, parsed);
  request->method_ = parsed.method;
  request->minor_ = parsed.minor;
  request->upgrade_ = parsed.upgrade;
  request->has_body_ = parsed.has_body;
  request->parameter_count_ = 0;
  request->body_ = {};
  request->extra_lines_.clear();
  request->note.clear();
  request->left_out_ = 0;
  request->exchange_ = nullptr;
}

void Exchange::AdvanceHead() {
  alloc::Lease& input = handler_->input_;
  Field* const found = handler_->state_->fields;
  while (!input.empty()) {
    // What is behind the head's end stays where it is.
    const uint32_t had = block_.size();
    if (!AppendTo(&block_, input.view())) return conn_->Abort();
    const RequestParser::Step step = parser_.Feed(block_.view().substr(had), found);
    input.RemovePrefix(step.taken);
    block_.Truncate(had + step.taken);
    if (step.event == RequestParser::Event::kMore) continue;
    if (step.event == RequestParser::Event::kRefused) {
      phase_ = Phase::kOver;
      return handler_->Refuse(*conn_, parser_.refusal());
    }
    if (!Keep(found, block_.view())) return conn_->Abort();
    Fill(&request_, head(), fields(), parser_.head());
    request_.exchange_ = this;
    std::optional<Response> ready;
    const Router::Route* const route = handler_->FindRoute(*conn_, request_, &ready);
    return Run(route, std::move(ready));
  }
}

// The request.

void Exchange::Run(const Router::Route* route, std::optional<Response> ready) {
  const RequestParser::Head& head = parser_.head();
  route_ = route;
  conn_->SetDeadline(0);
  body_done_ = !head.has_body;
  continued_ = !head.expects_continue;
  uint64_t most = handler_->state_->options.body_bytes_max;
  if (route != nullptr) most = route->options.body_bytes_max.value_or(most);
  parser_.LimitBody(most);
  if (head.length > most) {
    if (!ready.has_value()) {
      phase_ = Phase::kOver;
      return handler_->Refuse(*conn_, Refusal::kBodyTooLarge);
    }
    closes_ = true;  // rather than read what nobody wants
  }
  if (ready.has_value()) {
    if (ready->streams() || ready->takes_over()) {
      ready_ = std::move(ready);
      return StartTask();
    }
    Answer(*ready);
    return AnswerIsWritten();
  }
  if (route->action.later != nullptr) return StartTask();
  phase_ = Phase::kCollect;
  AdvanceCollect();
}

void Exchange::Advance() {
  Phase before;
  do {
    before = phase_;
    AdvancePhase();
  } while (phase_ != before && conn_->open());
}

void Exchange::AdvancePhase() {
  switch (phase_) {
    case Phase::kHead: return AdvanceHead();
    case Phase::kCollect: return AdvanceCollect();
    case Phase::kDiscard: return AdvanceDiscard();
    case Phase::kRoute: {
      if (reader_ == nullptr) return;
      bool wait = false;
      const BodyPiece piece = NextPiece(&wait);
      if (!wait) std::exchange(reader_, nullptr)->Resume(piece);
      return;
    }
    case Phase::kOver: return;
  }
}

// A plain route gets its body whole.
void Exchange::AdvanceCollect() {
  for (;;) {
    bool wait = false;
    const BodyPiece piece = NextPiece(&wait);
    if (wait) return;
    if (piece) {
      if (AppendTo(&body_, *piece)) continue;
      return conn_->Abort();
    }
    if (piece.end == BodyEnd::kComplete) break;
    phase_ = Phase::kOver;
    if (piece.end == BodyEnd::kRefused) return handler_->Refuse(*conn_, refusal_);
    return conn_->Close();  // the rest of the body will not come
  }
  request_.body_ = body_.view();
  std::optional<Response> response = handler_->CallNow(*route_, request_);
  if (response->streams() || response->takes_over()) {
    ready_ = std::move(response);
    return StartTask();
  }
  Answer(*response);
  AnswerIsWritten();
}

void Exchange::AdvanceDiscard() {
  for (;;) {
    bool wait = false;
    const BodyPiece piece = NextPiece(&wait);
    if (wait) return;
    if (piece) continue;
    phase_ = Phase::kOver;
    if (piece.end == BodyEnd::kComplete) return;
    if (piece.end == BodyEnd::kRefused) handler_->state_->refusals.Add(refusal_);  // it has its answer already
    closes_ = true;
    return;
  }
}

BodyPiece Exchange::NextPiece(bool* wait) {
  shown_.Reset();
  if (body_done_) return {.end = BodyEnd::kComplete};
  if (refusal_ != Refusal::kNone) return Cut(BodyEnd::kRefused);
  if (!open()) return Cut(BodyEnd::kGone);
  alloc::Lease& input = handler_->input_;
  while (!input.empty()) {
    Waited();
    if (refusal_ != Refusal::kNone) return Cut(BodyEnd::kRefused);
    const RequestParser::Step step = parser_.Feed(input.view(), handler_->state_->fields);
    continued_ = true;  // who sends does not wait for it
    const RequestParser::Head& head = parser_.head();
    switch (step.event) {
      case RequestParser::Event::kBody:
        body_bytes_ += step.body.size();
        if (!head.chunked && body_bytes_ == head.length) body_done_ = true;
        shown_ = input.Share(0, input.size());
        input.RemovePrefix(step.taken);
        return {.data = step.body.data(), .size = static_cast<uint32_t>(step.body.size())};
      case RequestParser::Event::kDone:
        body_done_ = true;
        input.RemovePrefix(step.taken);
        return {.end = BodyEnd::kComplete};
      case RequestParser::Event::kRefused:
        refusal_ = parser_.refusal();
        return Cut(BodyEnd::kRefused);
      default: input.RemovePrefix(step.taken);
    }
  }
  input.Reset();
  if (handler_->eof_) return Cut(BodyEnd::kGone);
  Continue();
  *wait = true;
  if (waits_since_ms_ < 0) waits_since_ms_ = core::Shard::Current()->now_ms();
  conn_->SetDeadline(core::Seconds(handler_->state_->options.body_idle_s));
  handler_->UpdateReading(*conn_);
  return {};
}

BodyPiece Exchange::Cut(BodyEnd end) {
  body_cut_ = true;
  return {.end = end};
}

// Only time in which somebody wants the body counts against its sender.
void Exchange::Waited() {
  if (waits_since_ms_ < 0) return;
  waited_ms_ += core::Shard::Current()->now_ms() - std::exchange(waits_since_ms_, -1);
  conn_->SetDeadline(0);
  const HttpOptions& options = handler_->state_->options;
  if (options.body_rate_bytes == 0 || options.body_rate_after_s == 0) return;
  if (waited_ms_ <= int64_t{options.body_rate_after_s} * 1000) return;
  if (body_bytes_ * 1000 < options.body_rate_bytes * static_cast<uint64_t>(waited_ms_)) refusal_ = Refusal::kBodyTooSlow;
}

void Exchange::Continue() {
  if (std::exchange(continued_, true) || body_done_ || status_ != 0) return;
  handler_->state_->counters.Add(HttpCount::kContinued);
  conn_->Write(kContinue);
}

// The answer.

void Exchange::Answer(Response& response) {
  if (response.streams()) Continue();  // it may read the body, and behind the head that cannot be said
  const bool behind = body_done_ && !handler_->input_.empty();
  // Who waits for a 100 may send the body or not; and nobody knows which.
  const bool must_close = closes_ || (!continued_ && !body_done_);
  status_ = static_cast<uint16_t>(response.status());
  sent_ = request_.method() == Method::kHead || response.streams() ? 0 : response.body().size();
  closes_ = !handler_->Write(*conn_, request_, parser_.head(), response, must_close, behind);
}

void Exchange::AnswerIsWritten() {
  handler_->Log(request_, status_, sent_);
  phase_ = body_done_ || closes_ ? Phase::kOver : Phase::kDiscard;
}

void Exchange::CountCut() { handler_->state_->counters.Add(HttpCount::kStreamsCut); }

void Exchange::StartTask() {
  phase_ = Phase::kRoute;
  running_ = true;
  conn_->HoldSlot();
  if (Serve().Start(this)) return;
  running_ = false;
  conn_->ReleaseSlot();
  conn_->Abort();
}

core::Task<> Exchange::Serve() {
  HttpService::State& state = *handler_->state_;
  std::optional<Response> response = std::move(ready_);
  if (!response.has_value()) {
    const core::Nanos limit = route_->options.deadline.value_or(core::Seconds(state.options.handler_deadline_s));
    const int64_t due_ms = core::Shard::Current()->DeadlineMs(limit);
    bool expired = false;
    try {
      if (limit > 0) {
        auto outcome = co_await core::WithDeadline(limit, route_->action.later(request_));
        expired = outcome.expired();
        if (!expired) response.emplace(std::move(*outcome));
      } else {
        response.emplace(co_await route_->action.later(request_));
      }
    } catch (...) {  // maybe because its wait was cancelled at the deadline
      expired = limit > 0 && core::Shard::Current()->now_ms() >= due_ms;
    }
    if (!response.has_value()) {
      state.counters.Add(expired ? HttpCount::kHandlerDeadline : HttpCount::kHandlerFailed);
      response.emplace(Response::Plain(expired ? 504 : 500));
    }
  }
  if (!open()) co_return;
  if (refusal_ != Refusal::kNone) {
    status_ = static_cast<uint16_t>(StatusOf(refusal_));
    handler_->Refuse(*conn_, refusal_);
    co_return;
  }
  if (response->takes_over()) {
    if (request_.upgrade() && !conn_->draining()) {
      state.counters.Add(HttpCount::kTakenOver);
      state.out.clear();
      state.heads.AppendSwitch(&state.out, response->later_->protocol, request_.extra_lines_,
                               core::Shard::Current()->now_ms());
      status_ = 101;
      conn_->Write(state.out);
      take_over_ = std::move(response->later_->take_over);
      co_return;
    }
    // In a drain the new service would never hear that it is to end.
    if (!request_.upgrade()) state.counters.Add(HttpCount::kHandlerFailed);
    response.emplace(Response::Plain(request_.upgrade() ? 503 : 500));
  }
  Answer(*response);
  if (!response->streams() || request_.method() == Method::kHead || HeadWriter::Bodiless(status_)) co_return;

  left_ = response->length();
  chunked_ = left_ == Response::kUnknownLength && request_.minor() == 1;
  endless_ = response->endless_;
  if (endless_ && conn_->draining()) scope.Cancel();
  bool whole = false;
  try {
    BodyWriter writer(this);
    co_await response->later_->stream(writer);
    whole = left_ == 0 || (left_ == Response::kUnknownLength && (endless_ || !scope.cancelled()));
    if (body_cut_) whole = false;  // whatever it made of a part of the request
  } catch (...) {
    state.counters.Add(HttpCount::kHandlerFailed);
  }
  endless_ = false;
  if (!conn_->open()) co_return;
  if (!whole) {
    if (refusal_ != Refusal::kNone) state.refusals.Add(refusal_);
    CountCut();
    conn_->Abort();
    co_return;
  }
  if (chunked_) conn_->Write("0\r\n\r\n");
  // Said in the head that it would go on; but a drain has begun since.
  if (conn_->draining() && handler_->input_.empty()) closes_ = true;
}

void Exchange::OnTaskDone() {
  running_ = false;
  shown_.Reset();
  if (closed_) {
    handler_->exchange_ = nullptr;
    conn_->ReleaseSlot();
    delete this;
    return;
  }
  conn_->ReleaseSlot();
  if (conn_->open()) {
    if (status_ == 101) {
      handler_->Log(request_, status_, 0);
      phase_ = Phase::kOver;
    } else {
      AnswerIsWritten();
    }
  } else {
    phase_ = Phase::kOver;
  }
  if (handler_->serving_) return;
  net::Connection* const conn = conn_;
  try {
    handler_->Serve(*conn);
  } catch (...) {  // no memory; nobody above would catch it
    conn->Abort();
  }
}

bool Exchange::BeginPiece(uint64_t bytes) {
  if (bytes == 0 || !open() || scope.cancelled()) return false;
  if (left_ != Response::kUnknownLength) {
    if (bytes > left_) {
      CountCut();
      conn_->Abort();
      return false;
    }
    left_ -= bytes;
  }
  if (!chunked_) return true;
  char size[20];
  char* end = std::to_chars(size, size + 16, bytes, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return conn_->Write(std::string_view(size, static_cast<size_t>(end - size)));
}

void Exchange::EndPiece(uint64_t bytes) {
  sent_ += bytes;
  if (chunked_) conn_->Write("\r\n");
}

// What happens meanwhile.

void Exchange::OnEof() {
  if (phase_ == Phase::kHead) conn_->Close();
}

void Exchange::OnDeadline() {
  switch (phase_) {
    case Phase::kHead:
      phase_ = Phase::kOver;
      return handler_->Refuse(*conn_, Refusal::kHeadDeadline);
    case Phase::kCollect:
    case Phase::kDiscard:
      refusal_ = Refusal::kBodyDeadline;
      return;  // seen by NextPiece
    case Phase::kRoute:
      if (reader_ != nullptr) refusal_ = Refusal::kBodyDeadline;
      return;
    case Phase::kOver: return;
  }
}

void Exchange::OnDrain() {
  if (endless_) scope.Cancel();
}

bool Exchange::OnClose() {
  closed_ = true;
  if (running_) scope.Cancel();  // its waits, that for the body too, end through the run queue
  return running_;
}

// The body, as its route reads it.

BodyAwaiter Request::ReadBody() {
  assert(exchange_ != nullptr && "a plain route has the whole body");
  return BodyAwaiter(exchange_);
}

core::Task<BodyEnd> Request::ReadAll() { return exchange_->ReadAll(); }

core::Task<BodyEnd> Exchange::ReadAll() {
  BodyEnd end = BodyEnd::kNone;
  while (end == BodyEnd::kNone) {
    const BodyPiece piece = co_await BodyAwaiter(this);
    end = piece.end;
    if (piece && !AppendTo(&body_, *piece)) {
      conn_->Abort();
      end = BodyEnd::kGone;
    }
  }
  if (end == BodyEnd::kComplete) request_.body_ = body_.view();
  co_return end;
}

bool BodyAwaiter::Begin(core::CancelScope* scope) {
  scope_ = scope;
  bool wait = false;
  if (scope->cancelled()) {
    piece_.end = BodyEnd::kCancelled;
  } else {
    piece_ = exchange_->NextPiece(&wait);
    if (!wait && (piece_ || piece_.end == BodyEnd::kComplete)) return false;
  }
  if (!wait) {  // so that a loop which ignores failures cannot freeze its shard
    scope_ = nullptr;
    core::Shard::Current()->MakeRunnable(handle);
    return true;
  }
  cancel = [](core::WaitPoint* self) { static_cast<BodyAwaiter*>(self)->Cancel(); };
  scope->WaitAt(this);
  exchange_->reader_ = this;
  return true;
}

void BodyAwaiter::Cancel() {
  if (exchange_->reader_ != this) return;
  exchange_->reader_ = nullptr;
  exchange_->waits_since_ms_ = -1;
  exchange_->conn_->SetDeadline(0);
  piece_.end = exchange_->closed_ ? BodyEnd::kGone : BodyEnd::kCancelled;
  core::Shard::Current()->MakeRunnable(handle);
}

void BodyAwaiter::Resume(BodyPiece piece) {
  piece_ = piece;
  handle.resume();
}

BodyPiece BodyAwaiter::await_resume() {
  if (scope_ != nullptr) scope_->Clear();
  return piece_;
}

}  // namespace mooring::server::http
