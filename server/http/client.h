// SPDX-License-Identifier: Apache-2.0
// HttpClient: requests to one HTTP/1.1 server, over a pool of the shard's connections.
//
//   struct Upstream { HttpClient api{{.target = "127.0.0.1:8081"}}; };              // PerShard<Upstream>()
//
//   const auto got = co_await Local<Upstream>().api.Get("/v1/things?id=7", {.deadline = Seconds(2)});
//   if (!got) co_return Response::Plain(got.expired() ? 504 : 502);                 // got.Explain() says why, in a line
//   Use(got.status(), got.Header("Content-Type"), got.body());
//
// Any status is an answer; a failure is that there is none. What comes back is read as strictly as a request is: an
// answer that could be read in two ways is refused and its connection aborted, so none is ever taken for another's.
//
//   borrow ──> request sent ──> head (1xx skipped) ──> body ──> complete: back to the pool, or closed
//     ^                          │                      └── failed, or the exchange is destroyed before: aborted
//     └── once, on a new connection: one that had served before has ended without a byte
//
// That second attempt is made for GET, HEAD, PUT, DELETE and OPTIONS, which do no harm twice (RFC 9110, section 9.2.2),
// unless the body is a stream.
//
// Threads:  one shard, inside its turn; counters from any. Made before its first turn, destroyed after the drain.
// Owns:     its pool. Outlives its exchanges.
// Limits:   ClientOptions. No redirects are followed, no content is decoded, no cookies kept; no Expect, no Upgrade: a
//           101 is an answer against the rules.
#ifndef MOORING_SERVER_HTTP_CLIENT_H_
#define MOORING_SERVER_HTTP_CLIENT_H_

#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "alloc/buffer_pool.h"
#include "alloc/shared_bytes.h"
#include "core/clock.h"
#include "core/counters.h"
#include "core/task.h"
#include "net/connect.h"
#include "net/connection.h"
#include "net/pool.h"
#include "server/http/fields.h"
#include "server/http/method.h"
#include "server/http/refusal.h"
#include "server/http/request.h"

namespace mooring::server::http {

struct ClientOptions {
  std::string target;        // HOST:PORT
  std::string host = {};     // of the Host field; empty: the target's, with its port unless that is 80
  std::string agent = "mooring";  // the User-Agent field; empty: none
  // For all of an exchange: a connection, the request, the whole answer. Of Open: up to the answer's head. 0 is none.
  core::Nanos deadline = 10 * core::kNanosPerSecond;
  uint64_t body_bytes_max = 1 << 20;    // of an answer that is read whole. As HttpOptions has it for requests
  uint32_t head_bytes_max = 16 << 10;    // of an answer; its trailers likewise. Node has the same. At most 60 KiB
  uint32_t fields_max = 100;             // at most 256
  // As of net::PoolOptions.
  uint32_t connections_max = 16;
  uint32_t waiters_max = 1024;
  core::Nanos idle_max_age = 50 * core::kNanosPerSecond;
  net::ConnectOptions connect = {.deadline = 5 * core::kNanosPerSecond};
};

// What one exchange has other than its client.
struct AskOptions {
  std::optional<core::Nanos> deadline = {};
  std::optional<uint64_t> body_bytes_max = {};
};
static_assert(std::is_trivially_copyable_v<AskOptions>, "gcc 12 frees other temporaries of a co_await twice");

enum class ClientFailure : uint8_t {
  kNone,
  kRequest,      // it cannot be sent: its method or target, or its stream wrote less or more than its length
  kTooManyWait,  // for a connection
  kConnect,
  kDeadline,
  kCancelled,    // the task's scope was
  kEnded,        // the peer closed the connection, or it broke, before the answer was complete
  kRefused,      // the answer is against the rules or over a limit
};

// Where the body of a streamed request goes, as BodyWriter is for an answer.
class RequestBody {
 public:
  class [[nodiscard]] Room {
   public:
    explicit Room(RequestBody* body) : body_(body), inner_(body->conn_) {}
    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> task) {
      if (task.promise().scope()->cancelled()) body_->stopped_ = true;
      return !body_->stopped_ && inner_.await_suspend(task);
    }
    bool await_resume() const { return !body_->stopped_ && inner_.await_resume(); }

   private:
    RequestBody* const body_;
    net::WritableAwaiter inner_;
  };

  // co_await: true when it is written and there is room for more; false when nobody wants more (the peer is gone or has
  // refused the request already, the task was cancelled, more than the length was written): end.
  Room Write(std::string_view bytes);            // copies
  Room Write(alloc::Lease lease);                // does not
  Room Write(const alloc::SharedBytes& bytes);   // does not, ever

 private:
  friend class ClientExchange;
  bool Begin(uint64_t bytes);
  void End();

  net::Connection* conn_ = nullptr;
  uint64_t left_ = 0;     // of the length; kUnknownLength: in chunks
  bool stopped_ = false;
  bool overrun_ = false;  // more than the length was written
};

// What is asked. Host, User-Agent and the fields that frame a message or speak of its connection (Content-Length,
// Transfer-Encoding, Connection, Keep-Alive, TE, Trailer, Upgrade, Expect, Proxy-Connection) are the client's: fields of
// these names are left out and counted, and so is a field whose name or value could break the head.
class ClientRequest {
 public:
  static constexpr uint64_t kUnknownLength = ~uint64_t{0};
  using StreamFunction = absl::AnyInvocable<core::Task<>(RequestBody&)>;

  // `target` as it goes out: a path that begins with '/', percent-encoded where it has to be, with its query; "*" for
  // OPTIONS. Not CONNECT.
  ClientRequest(Method method, std::string target, AskOptions options = {})
      : method_(method), options_(options), target_(std::move(target)) {}

  ClientRequest&& Header(std::string_view name, std::string_view value) && {
    AddHeader(name, value);
    return std::move(*this);
  }
  ClientRequest&& Body(std::string_view type, std::string body) && {
    AddHeader("Content-Type", type);
    text_ = std::move(body);
    has_body_ = true;
    return std::move(*this);
  }
  ClientRequest&& Body(std::string_view type, alloc::SharedBytes body) && {
    AddHeader("Content-Type", type);
    shared_ = std::move(body);
    has_body_ = true;
    return std::move(*this);
  }
  // `write` is run once the head is sent, beside the wait for the answer, and what it writes is the body: as many bytes
  // as `length` says, or in chunks. Stopped when the answer is no success. What it throws, Send and Open throw.
  ClientRequest&& Stream(std::string_view type, StreamFunction write, uint64_t length = kUnknownLength) && {
    AddHeader("Content-Type", type);
    stream_ = std::move(write);
    stream_bytes_ = length;
    has_body_ = true;
    return std::move(*this);
  }
  bool AddHeader(std::string_view name, std::string_view value);  // false: left out

 private:
  friend class ClientExchange;
  friend class HttpClient;
  std::string_view body() const { return shared_ ? shared_.view() : std::string_view(text_); }

  Method method_;
  bool has_body_ = false;
  uint32_t left_out_ = 0;
  AskOptions options_;
  std::string target_;
  std::string lines_;
  std::string text_;
  alloc::SharedBytes shared_;
  StreamFunction stream_;
  uint64_t stream_bytes_ = 0;
};

// The head of an answer, or why there is none.
class ClientAnswer {
 public:
  explicit operator bool() const { return failure_ == ClientFailure::kNone; }
  int status() const { return status_; }  // 200 to 999; 0: no head has come
  int minor() const { return minor_; }    // of HTTP/1.x
  Fields fields() const { return {head_.data(), places_.data(), static_cast<uint32_t>(places_.size())}; }
  // The value of the first field of that name; empty when there is none.
  std::string_view Header(std::string_view name) const { return fields().Find(name).value_or(std::string_view()); }

  ClientFailure failure() const { return failure_; }
  bool expired() const { return failure_ == ClientFailure::kDeadline; }
  Refusal refusal() const { return refusal_; }  // with kRefused
  // What failed, in a line: "127.0.0.1:8081: the answer is against the rules: length_and_coding".
  std::string Explain() const { return failure_ == ClientFailure::kNone ? "answered" : why_; }

 private:
  friend class ClientExchange;
  friend class HttpClient;
  uint16_t status_ = 0;
  uint8_t minor_ = 1;
  ClientFailure failure_ = ClientFailure::kNone;
  Refusal refusal_ = Refusal::kNone;
  std::string head_;
  std::vector<Field> places_;  // in head_
  std::string why_;
};

// An answer that was read whole. An end in mid-body is a failure: status() and Header() tell of the head all the same.
class [[nodiscard]] ClientResult : public ClientAnswer {
 public:
  ClientResult() = default;
  const std::string& body() const { return body_; }
  std::string TakeBody() { return std::move(body_); }

 private:
  friend class HttpClient;
  explicit ClientResult(ClientAnswer answer) : ClientAnswer(std::move(answer)) {}
  std::string body_;
};

// An answer whose head is there and whose body is read piece by piece: what is not read is not received. Destroyed
// before the body is complete, it aborts its connection.
class [[nodiscard]] ClientExchange {
 public:
  ClientExchange();
  ClientExchange(ClientExchange&&) noexcept;
  ClientExchange& operator=(ClientExchange&&) noexcept;
  ~ClientExchange();

  explicit operator bool() const { return state_ != nullptr && static_cast<bool>(answer()); }
  const ClientAnswer& answer() const;
  int status() const { return answer().status(); }
  std::string_view Header(std::string_view name) const { return answer().Header(name); }
  ClientFailure failure() const { return answer().failure(); }
  bool expired() const { return answer().expired(); }
  std::string Explain() const { return answer().Explain(); }
  // Of the body: as the head says; none when it comes in chunks or up to the connection's end.
  std::optional<uint64_t> length() const;

  // The next piece, as large as it came, or the end: kComplete, or a failure, which failure() names. `deadline` from now;
  // 0 is none. One at a time.
  core::Task<BodyPiece> ReadBody(core::Nanos deadline = 30 * core::kNanosPerSecond);
  // The piece that was read last as a lease: no copy, and still there after the next ReadBody. A proxy writes it on.
  alloc::Lease Keep(const BodyPiece& piece);

 private:
  friend class HttpClient;
  class State;
  explicit ClientExchange(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

enum class ClientCount : uint8_t {
  kRequests,        // Send and Open
  kAnswers,         // heads
  kRetried,         // on a new connection
  kInterim,         // 1xx, skipped
  kExpired,         // failures, by their kind
  kRefused,
  kEnded,
  kNoConnection,    // kConnect, kTooManyWait
  kHeadersLeftOut,
  kCount
};

class HttpClient {
 public:
  explicit HttpClient(ClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;

  core::Task<ClientResult> Get(std::string target, AskOptions options = {}) {
    return Send(ClientRequest(Method::kGet, std::move(target), options));
  }
  core::Task<ClientResult> Post(std::string target, std::string_view type, std::string body, AskOptions options = {}) {
    return Send(ClientRequest(Method::kPost, std::move(target), options).Body(type, std::move(body)));
  }
  // The whole exchange.
  core::Task<ClientResult> Send(ClientRequest request);
  // Up to the answer's head.
  core::Task<ClientExchange> Open(ClientRequest request);

  const ClientOptions& options() const { return options_; }
  net::Pool& pool() { return pool_; }
  const core::CounterSet<ClientCount>& counters() const { return counters_; }

 private:
  friend class ClientExchange;
  core::Task<std::unique_ptr<ClientExchange::State>> Begin(ClientRequest request, int64_t deadline_ms);
  int64_t DeadlineMs(const AskOptions& options) const;
  void Count(const ClientAnswer& answer);

  const ClientOptions options_;
  const std::string host_;
  net::Pool pool_;
  core::CounterSet<ClientCount> counters_;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_CLIENT_H_
