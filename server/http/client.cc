// SPDX-License-Identifier: Apache-2.0
#include "server/http/client.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/event.h"
#include "core/shard.h"
#include "core/sleep.h"
#include "core/when_any.h"
#include "net/engine.h"
#include "server/http/outgoing_field.h"
#include "server/http/response_parser.h"

namespace mooring::server::http {
namespace {

using core::Nanos;
using core::Task;
using Parsed = ResponseParser::Event;

constexpr uint32_t kReadBytes = 64 << 10;
constexpr uint32_t kPieceBytes =
    64 << 10;                         // of a body that is there: a longer one goes out in such pieces, as there is room
constexpr uint32_t kInterimMax = 16;  // 1xx before an answer

bool Same(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase({a.data(), a.size()}, {b.data(), b.size()});
}

bool IsTheClients(std::string_view name) {
  for (const std::string_view own : {"Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Connection",
                                     "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade", "Expect"}) {
    if (Same(name, own)) return true;
  }
  return false;
}

bool HarmlessTwice(Method method) {
  switch (method) {
    case Method::kGet:
    case Method::kHead:
    case Method::kPut:
    case Method::kDelete:
    case Method::kOptions:
      return true;
    default:
      return false;
  }
}

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

int64_t NowMs() { return core::Shard::Current()->now_ms(); }

// What is left until then, for those who take 0 for no deadline.
Nanos Left(int64_t deadline_ms) {
  return deadline_ms == 0 ? 0 : std::max<int64_t>(deadline_ms - NowMs(), 1) * core::kNanosPerMs;
}

}  // namespace

bool ClientRequest::AddHeader(std::string_view name, std::string_view value) {
  if (!FitsInHead(name, value) || IsTheClients(name)) {
    ++left_out_;
    return false;
  }
  lines_.append(name).append(": ").append(value).append("\r\n");
  return true;
}

// RequestBody.

bool RequestBody::Begin(uint64_t bytes) {
  if (stopped_ || bytes == 0) return false;
  if (left_ == ClientRequest::kUnknownLength) {
    char size[20];
    char* end = std::to_chars(size, size + sizeof(size) - 2, bytes, 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    conn_->Write(std::string_view(size, static_cast<size_t>(end - size)));
    return true;
  }
  if (bytes > left_) {
    overrun_ = stopped_ = true;
    return false;
  }
  left_ -= bytes;
  return true;
}

void RequestBody::End() {
  if (left_ == ClientRequest::kUnknownLength) conn_->Write("\r\n");
}

RequestBody::Room RequestBody::Write(std::string_view bytes) {
  if (Begin(bytes.size())) {
    conn_->Write(bytes);
    End();
  }
  return Room(this);
}
RequestBody::Room RequestBody::Write(alloc::Lease lease) {
  if (Begin(lease.size())) {
    conn_->Write(std::move(lease));
    End();
  }
  return Room(this);
}
RequestBody::Room RequestBody::Write(const alloc::SharedBytes& bytes) {
  if (Begin(bytes.size())) {
    conn_->Write(bytes);
    End();
  }
  return Room(this);
}

// ClientExchange: an exchange on one connection; a second one, where that was stale.

class ClientExchange::State {
 public:
  State(HttpClient* client, ClientRequest request)
      : client_(client),
        limits_{.head_bytes = std::min(client->options().head_bytes_max, ResponseParser::kHeadBytesMax),
                .fields = std::min(client->options().fields_max, ResponseParser::kFieldsMax)},
        request_(std::move(request)),
        parser_(&limits_) {}

  // Everything up to the answer's head. Coroutines of this object: it stays where it is until they are done.
  Task<> Ask(int64_t deadline_ms);
  // The next piece or the end. `deadline_ms` 0 is none.
  Task<BodyPiece> Read(int64_t deadline_ms);
  // All of it.
  Task<> ReadWhole(std::string* body, uint64_t bytes_max);

  void Fail(ClientFailure failure, std::string_view why);
  alloc::Lease Keep(const BodyPiece& piece) {
    return borrowed_ && piece ? borrowed_->Keep({piece.data, piece.size, net::ReadReason::kNone}) : alloc::Lease();
  }
  // The last piece was the whole rest, and nobody has asked for the next one: complete all the same.
  void CompleteIfAllIsRead() {
    const bool going = answer.failure() == ClientFailure::kNone && has_head_ && borrowed_;
    if (going && net::Engine::Current() != nullptr) Look();
  }

  ClientAnswer answer;
  const ResponseParser::Head& head() const { return parser_.head(); }
  const ClientOptions& options() const { return client_->options(); }

 private:
  Task<> Exchange();
  Task<> ReadHead();
  Task<> SendRest();
  void WriteHead();
  bool FeedHead();
  BodyPiece Look();
  void Complete();
  void FailRead(net::ReadReason reason);
  void FailParse();
  bool WorthAnother() const;

  HttpClient* const client_;
  const ResponseParser::Limits limits_;
  ClientRequest request_;
  net::Borrowed borrowed_;
  ResponseParser parser_;
  std::string_view unread_;  // of the last read
  uint32_t interim_ = 0;
  bool has_head_ = false;
  bool complete_ = false;
  bool sent_ = false;   // all of the request
  bool ended_ = false;  // the connection has
  RequestBody body_;
  core::Event sending_over_;
  core::Event never_;
};

void ClientExchange::State::Fail(ClientFailure failure, std::string_view why) {
  if (answer.failure_ != ClientFailure::kNone) return;
  answer.failure_ = failure;
  answer.why_ = absl::StrCat(options().target, ": ", absl::string_view(why.data(), why.size()));
  unread_ = {};
  body_.stopped_ = true;
  if (borrowed_) borrowed_->Abort();  // and let go when nobody waits on it any more
}

void ClientExchange::State::FailRead(net::ReadReason reason) {
  switch (reason) {
    case net::ReadReason::kCancelled:
      return Fail(ClientFailure::kCancelled, "cancelled");
    case net::ReadReason::kDeadline:
      return Fail(ClientFailure::kDeadline, "nothing more of the answer's body came in time");
    default:
      break;
  }
  ended_ = true;
  const bool reset = reason == net::ReadReason::kReset;
  if (has_head_) {
    return Fail(ClientFailure::kEnded, reset ? "the connection broke in the middle of the answer's body"
                                             : "the connection was closed in the middle of the answer's body");
  }
  if (parser_.begun()) {
    return Fail(ClientFailure::kEnded, reset ? "the connection broke in the middle of the answer's head"
                                             : "the connection was closed in the middle of the answer's head");
  }
  Fail(ClientFailure::kEnded,
       reset ? "the connection broke before an answer" : "the connection was closed without an answer");
}

void ClientExchange::State::FailParse() {
  answer.refusal_ = parser_.refusal();
  const std::string_view name = Name(parser_.refusal());
  const std::string why =
      absl::StrCat("the answer is against the rules: ", absl::string_view(name.data(), name.size()));
  Fail(ClientFailure::kRefused, why);
}

// Another attempt could do no harm, and the connection that was borrowed may simply have been too old.
bool ClientExchange::State::WorthAnother() const {
  return answer.failure_ == ClientFailure::kEnded && ended_ && interim_ == 0 && !parser_.begun() &&
         HarmlessTwice(request_.method_) && !request_.stream_;
}

Task<> ClientExchange::State::Ask(int64_t deadline_ms) {
  auto take = net::Pool::Take::kAny;
  for (;;) {
    borrowed_ = co_await client_->pool_.Borrow(Left(deadline_ms), take);
    if (!borrowed_) {
      ClientFailure failure = ClientFailure::kConnect;
      switch (borrowed_.failure()) {
        case net::BorrowFailure::kDeadline:
          failure = ClientFailure::kDeadline;
          break;
        case net::BorrowFailure::kCancelled:
          failure = ClientFailure::kCancelled;
          break;
        case net::BorrowFailure::kTooManyWait:
          failure = ClientFailure::kTooManyWait;
          break;
        default:
          break;
      }
      answer.failure_ = failure;
      answer.why_ = borrowed_.Explain();
      co_return;
    }
    const bool reused = borrowed_.reused();
    if (deadline_ms == 0) {
      co_await Exchange();
    } else {
      const auto done = co_await core::WithDeadline(Left(deadline_ms), Exchange());
      if (done.expired() && answer.failure_ == ClientFailure::kCancelled) {
        answer.failure_ = ClientFailure::kDeadline;
        answer.why_ = absl::StrCat(
            options().target, parser_.begun() ? ": the answer's head was not complete in time" : ": no answer in time");
      }
    }
    if (answer.failure_ != ClientFailure::kNone) borrowed_ = {};
    if (!reused || take == net::Pool::Take::kNotIdle || !WorthAnother()) co_return;
    client_->counters_.Add(ClientCount::kRetried);
    take = net::Pool::Take::kNotIdle;
    answer = ClientAnswer();
    ended_ = false;
  }
}

Task<> ClientExchange::State::Exchange() {
  parser_.Reset(request_.method_);
  answer.head_.clear();
  answer.places_.resize(limits_.fields);
  sent_ = false;
  sending_over_.Reset();
  WriteHead();
  if (sent_) {
    co_await ReadHead();
  } else {
    co_await core::WhenAny(ReadHead(), SendRest());
  }
}

// And the body, where it is short.
void ClientExchange::State::WriteHead() {
  const Method method = request_.method_;
  const std::string_view name = Name(method);
  std::string head;
  head.reserve(128 + request_.target_.size() + request_.lines_.size());
  head.append(name).append(" ").append(request_.target_).append(" HTTP/1.1\r\nHost: ").append(client_->host_);
  head.append("\r\n");
  if (!options().agent.empty()) head.append("User-Agent: ").append(options().agent).append("\r\n");
  head.append(request_.lines_);
  const bool streams = static_cast<bool>(request_.stream_);
  const uint64_t length = streams ? request_.stream_bytes_ : request_.body().size();
  if (length == ClientRequest::kUnknownLength) {
    head.append("Transfer-Encoding: chunked\r\n");
  } else if (request_.has_body_ || method == Method::kPost || method == Method::kPut || method == Method::kPatch) {
    absl::StrAppend(&head, "Content-Length: ", length, "\r\n");
  }
  head.append("\r\n");
  sent_ = !streams && length <= kPieceBytes;
  borrowed_->Write(head);
  if (!sent_ || length == 0) return;
  if (request_.shared_) {
    borrowed_->Write(request_.shared_);
  } else {
    borrowed_->Write(request_.text_);
  }
}

// Ends by being cancelled only: it is the wait for the head that decides.
Task<> ClientExchange::State::SendRest() {
  net::Connection& conn = *borrowed_;
  body_ = {};
  body_.conn_ = &conn;
  if (request_.stream_) {
    body_.left_ = request_.stream_bytes_;
    co_await request_.stream_(body_);
    // A stream that was told to stop may end as if it had come to its end: no short body must look whole.
    core::Event now;
    now.Set();
    const bool going = co_await now.Wait();
    if (going && body_.overrun_) {
      Fail(ClientFailure::kRequest, "the request's stream wrote more than its length");
    } else if (going && !body_.stopped_ && conn.open()) {
      if (body_.left_ == ClientRequest::kUnknownLength) {
        sent_ = conn.Write("0\r\n\r\n");
      } else if (body_.left_ == 0) {
        sent_ = true;
      } else {
        Fail(ClientFailure::kRequest, "the request's stream ended before its length");
      }
    }
  } else if (request_.shared_) {
    sent_ = conn.Write(request_.shared_);
  } else {
    std::string_view rest = request_.text_;
    while (!rest.empty() && !body_.stopped_) {
      conn.Write(rest.substr(0, kPieceBytes));
      rest.remove_prefix(std::min<size_t>(kPieceBytes, rest.size()));
      const bool room = co_await conn.Writable();
      if (!room) break;
    }
    sent_ = rest.empty() && conn.open();
  }
  sending_over_.Set();
  co_await never_.Wait();
}

Task<> ClientExchange::State::ReadHead() {
  while (!FeedHead()) {
    if (answer.failure_ != ClientFailure::kNone) co_return;
    const auto got = co_await borrowed_->Read({.max_bytes = kReadBytes});
    if (answer.failure_ != ClientFailure::kNone) co_return;  // the stream's
    if (!got) co_return FailRead(got.reason);
    unread_ = *got;
  }
  const auto& head = parser_.head();
  has_head_ = true;
  answer.status_ = head.status;
  answer.minor_ = head.minor;
  answer.places_.resize(head.fields);
  client_->counters_.Add(ClientCount::kAnswers);
  // Who answers so has not to read the rest of the request; a success may well begin before its end.
  if (!sent_ && head.status < 300) {
    const bool over = co_await sending_over_.Wait();
    if (!over) co_return Fail(ClientFailure::kCancelled, "cancelled");
    if (answer.failure_ != ClientFailure::kNone) co_return;
  }
  body_.stopped_ = true;
  if (!head.has_body) Look();
}

// True when the head of the answer is there; false: more bytes, or a failure.
bool ClientExchange::State::FeedHead() {
  std::string& head = answer.head_;
  while (!unread_.empty()) {
    // A head that comes in one piece is looked at where it is.
    const size_t before = head.size();
    if (before != 0) head.append(unread_);
    const auto step = parser_.FeedHead(before != 0 ? std::string_view(head) : unread_, answer.places_.data());
    if (step.event == Parsed::kRefused) {
      FailParse();
      return false;
    }
    if (before == 0) {
      head.append(unread_.substr(0, step.taken));
    } else {
      head.resize(step.taken);
    }
    unread_.remove_prefix(step.taken - before);
    if (step.event == Parsed::kMore) return false;
    const int status = parser_.head().status;
    if (status >= 200) return true;
    if (status == 101 || ++interim_ > kInterimMax) {
      Fail(ClientFailure::kRefused, status == 101 ? "the answer is a change of protocols, which was not asked for"
                                                  : "there are too many interim answers");
      return false;
    }
    client_->counters_.Add(ClientCount::kInterim);
    head.clear();
    parser_.Reset(request_.method_);
  }
  return false;
}

// What is there already: a piece, or the end; a piece of no byte when more must come.
BodyPiece ClientExchange::State::Look() {
  for (;;) {
    const auto step = parser_.FeedBody(unread_);
    unread_.remove_prefix(step.taken);
    switch (step.event) {
      case Parsed::kBody:
        return {step.body.data(), static_cast<uint32_t>(step.body.size()), BodyEnd::kNone};
      case Parsed::kDone:
        Complete();
        return {nullptr, 0, BodyEnd::kComplete};
      case Parsed::kRefused:
        FailParse();
        return {nullptr, 0, BodyEnd::kRefused};
      default:
        return {};
    }
  }
}

void ClientExchange::State::Complete() {
  complete_ = true;
  const bool clean = unread_.empty() && sent_;
  unread_ = {};
  if (clean && parser_.head().keep_alive) {
    borrowed_.Return();
  } else if (clean) {
    borrowed_.Close();
  }
  borrowed_ = {};  // else aborted
}

Task<BodyPiece> ClientExchange::State::Read(int64_t deadline_ms) {
  for (;;) {
    if (complete_) co_return BodyPiece{nullptr, 0, BodyEnd::kComplete};
    if (answer.failure_ != ClientFailure::kNone) {
      borrowed_ = {};
      const bool refused = answer.failure_ == ClientFailure::kRefused || answer.failure_ == ClientFailure::kDeadline;
      const bool cancelled = answer.failure_ == ClientFailure::kCancelled;
      co_return BodyPiece{nullptr, 0, cancelled ? BodyEnd::kCancelled : refused ? BodyEnd::kRefused : BodyEnd::kGone};
    }
    const BodyPiece piece = Look();
    if (piece.size != 0) co_return piece;
    if (!piece) continue;
    const auto got = co_await borrowed_->Read({.max_bytes = kReadBytes, .deadline = Left(deadline_ms)});
    if (got) {
      unread_ = *got;
    } else if (got.reason == net::ReadReason::kEof && parser_.End()) {
      Complete();
    } else {
      FailRead(got.reason);
    }
  }
}

Task<> ClientExchange::State::ReadWhole(std::string* body, uint64_t bytes_max) {
  const auto& head = parser_.head();
  bool fits = !head.has_body || !head.has_length || head.length <= bytes_max;
  if (fits && head.has_body && head.has_length) body->reserve(head.length);
  while (fits) {
    const BodyPiece piece = co_await Read(0);
    if (!piece) co_return;
    fits = piece.size <= bytes_max - body->size();
    if (fits) body->append(*piece);
  }
  answer.refusal_ = Refusal::kBodyTooLarge;
  Fail(ClientFailure::kRefused,
       absl::StrCat("the answer's body is larger than ", bytes_max, " bytes: raise body_bytes_max, or Open it"));
}

ClientExchange::ClientExchange() = default;
ClientExchange::ClientExchange(std::unique_ptr<State> state) : state_(std::move(state)) {}
ClientExchange::ClientExchange(ClientExchange&&) noexcept = default;
ClientExchange& ClientExchange::operator=(ClientExchange&&) noexcept = default;
ClientExchange::~ClientExchange() {
  if (state_ != nullptr) state_->CompleteIfAllIsRead();
}

const ClientAnswer& ClientExchange::answer() const {
  static const ClientAnswer kNone;
  return state_ == nullptr ? kNone : state_->answer;
}

std::optional<uint64_t> ClientExchange::length() const {
  if (state_ == nullptr || (state_->head().has_body && !state_->head().has_length)) return std::nullopt;
  return state_->head().has_body ? state_->head().length : 0;
}

Task<BodyPiece> ClientExchange::ReadBody(Nanos deadline) {
  return state_->Read(deadline == 0 ? 0 : core::Shard::Current()->DeadlineMs(deadline));
}

alloc::Lease ClientExchange::Keep(const BodyPiece& piece) { return state_->Keep(piece); }

// HttpClient.

HttpClient::HttpClient(ClientOptions options)
    : options_(std::move(options)), host_(HostOf(options_)), pool_(PoolOf(options_)) {}
HttpClient::~HttpClient() = default;

int64_t HttpClient::DeadlineMs(const AskOptions& options) const {
  const Nanos deadline = options.deadline.value_or(options_.deadline);
  return deadline == 0 ? 0 : core::Shard::Current()->DeadlineMs(deadline);
}

Task<std::unique_ptr<ClientExchange::State>> HttpClient::Begin(ClientRequest request, int64_t deadline_ms) {
  counters_.Add(ClientCount::kRequests);
  counters_.Add(ClientCount::kHeadersLeftOut, request.left_out_);
  const bool sendable = request.method_ < Method::kConnect;
  const bool right = sendable && CanBeTarget(request.method_, request.target_);
  auto state = std::make_unique<ClientExchange::State>(this, std::move(request));
  if (right) {
    co_await state->Ask(deadline_ms);
  } else {
    state->Fail(ClientFailure::kRequest,
                sendable ? "the request's target is none: it begins with '/' and has neither spaces, "
                           "control bytes nor a fragment"
                         : "the request's method cannot be sent");
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
