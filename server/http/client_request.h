// SPDX-License-Identifier: Apache-2.0
// ClientRequest: what HttpClient asks: a method, a target, header fields and a body that is there or is written later.
//
//   ClientRequest(Method::kPut, "/things/7").Header("If-Match", tag).Body("application/json", text)
//   ClientRequest(Method::kPost, "/log").Stream("text/plain", [](RequestBody& out) -> Task<> { ... })
//
// Host, User-Agent and the fields that frame a message or speak of its connection (Content-Length, Transfer-Encoding,
// Connection, Keep-Alive, TE, Trailer, Upgrade, Expect, Proxy-Connection) are the client's: fields of these names are left
// out and counted, and so is a field whose name or value could break the head.
//
// Threads:  a value, on one shard.
// Owns:     what it carries; a stream's function is kept until its task is done, so a lambda may capture.
#ifndef MOORING_SERVER_HTTP_CLIENT_REQUEST_H_
#define MOORING_SERVER_HTTP_CLIENT_REQUEST_H_

#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "alloc/buffer_pool.h"
#include "alloc/shared_bytes.h"
#include "core/clock.h"
#include "core/task.h"
#include "net/connection.h"
#include "server/http/method.h"

namespace mooring::server::http {

// What one exchange has other than its client.
struct AskOptions {
  std::optional<core::Nanos> deadline = {};
  std::optional<uint64_t> body_bytes_max = {};
};
static_assert(std::is_trivially_copyable_v<AskOptions>, "gcc 12 frees other temporaries of a co_await twice");

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

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_CLIENT_REQUEST_H_
