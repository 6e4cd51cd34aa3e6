// SPDX-License-Identifier: Apache-2.0
#include "server/http/client_exchange.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "core/sleep.h"
#include "core/when_any.h"
#include "server/http/client_exchange_state.h"

namespace mooring::server::http {
namespace {

using core::Nanos;
using core::Task;
using Parsed = ResponseParser::Event;

constexpr uint32_t kReadBytes = 64 << 10;
constexpr uint32_t kPieceBytes =
    64 << 10;                         // of a body that is there: a longer one goes out in such pieces, as there is room
constexpr uint32_t kInterimMax = 16;  // 1xx before an answer

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

}  // namespace

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
  const bool answered = answer.failure_ == ClientFailure::kNone;
  if (answered && !parser_.head().has_body) Look();  // complete; nobody waits on the connection any more
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

}  // namespace mooring::server::http
