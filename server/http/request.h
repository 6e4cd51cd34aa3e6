// SPDX-License-Identifier: Apache-2.0
// Request: what a route is asked: a head that is complete, and a body that may still be on its way.
//
//   Task<Response> Store(Request& request) {
//     while (auto piece = co_await request.ReadBody()) Use(*piece);
//     co_return Response::Plain(201);
//   }
//
// Views that it gives live as long as the request does: until a plain route returns, until a coroutine's task and the
// stream of its response are done.
//
// Threads:  one shard, inside its turn.
// Owns:     what it was told (SetHeader). Head and body belong to the connection's exchange.
#ifndef MOORING_SERVER_HTTP_REQUEST_H_
#define MOORING_SERVER_HTTP_REQUEST_H_

#include <array>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/cancel_scope.h"
#include "core/task.h"
#include "net/address.h"
#include "server/http/fields.h"
#include "server/http/method.h"

namespace mooring::server::http {

class Exchange;
class HttpConnection;

enum class BodyEnd : uint8_t {
  kNone,       // there is a piece
  kComplete,   // no more: all of it was read
  kRefused,    // over its limit, too slow or against the rules: the server answers for the route
  kGone,       // the peer or the connection is
  kCancelled,  // the task's scope was: the route's deadline, or the end of the connection
};

// A piece of a body, as ReadResult is one of a stream.
struct BodyPiece {
  const char* data = nullptr;
  uint32_t size = 0;
  BodyEnd end = BodyEnd::kNone;
  explicit operator bool() const { return end == BodyEnd::kNone; }
  std::string_view operator*() const { return {data, size}; }  // lives until the next ReadBody
};

class BodyAwaiter;

class Request {
 public:
  static constexpr unsigned kParametersMax = 8;  // of a route's pattern

  Method method() const { return method_; }
  std::string_view method_name() const { return method_name_; }
  std::string_view target() const { return target_; }  // as sent
  std::string_view path() const { return path_; }      // as sent, still percent-encoded; "*" for OPTIONS *
  std::string_view query() const { return query_; }    // as sent, behind the '?'
  // The first value of `name` in the query, decoded as HTML forms encode (+ is a space); none when it is not there.
  // Malformed ones are passed over.
  std::optional<std::string> Query(std::string_view name) const;
  int minor() const { return minor_; }                 // of HTTP/1.x
  const Fields& fields() const { return fields_; }
  // The value of the first field of that name; empty when there is none.
  std::string_view Header(std::string_view name) const { return fields_.Find(name).value_or(std::string_view()); }
  bool upgrade() const { return upgrade_; }            // asks for another protocol: Header("Upgrade")

  // What {name} in the route's pattern stands for, decoded; empty when the pattern has no such name.
  std::string Param(std::string_view name) const;
  // The same, as sent: it tells an encoded slash in {name...} from one between two segments.
  std::string_view RawParam(std::string_view name) const;

  // The whole body: of a plain route, for which the server has read it; after ReadAll; else empty.
  std::string_view body() const { return body_; }
  bool has_body() const { return has_body_; }
  // The next piece, as large as it came. Tells the client to go on (100 Continue) where it waits for that. While a route
  // does not read, the peer is not read. Coroutines only, one at a time.
  BodyAwaiter ReadBody();
  // All of it, kept until the request ends. Fails as ReadBody does; kComplete is success here.
  core::Task<BodyEnd> ReadAll();

  // Goes out with whatever answers this request, as Response::Header; what that leaves out is left out here too, and so
  // is a Content-Type. For filters: a request's id, cookies.
  bool SetHeader(std::string_view name, std::string_view value);  // false: left out
  // What SetHeader was given for that name, first; empty when it was not: a route finds a filter's work here.
  std::string_view HeaderSet(std::string_view name) const;
  // For filters that tell a route something, such as who asks.
  std::string note;

  // The peer's address; empty where it is not asked for (HttpOptions::track_peers).
  const net::Address& peer() const { return *peer_; }

 private:
  friend class Exchange;
  friend class HttpConnection;
  friend class HttpService;
  friend class Router;
  friend class RequestBuilder;  // tests: a request without a connection

  // A parameter of the pattern: its name, which the router owns, and its place in the path.
  struct Parameter {
    std::string_view name;
    std::string_view raw;
  };

  Method method_ = Method::kGet;
  uint8_t minor_ = 1;
  bool upgrade_ = false;
  bool has_body_ = false;
  uint8_t parameter_count_ = 0;
  uint8_t left_out_ = 0;     // fields, up to 255
  std::string_view method_name_;
  std::string_view target_;
  std::string_view path_;
  std::string_view query_;
  std::string_view body_;
  Fields fields_;
  std::array<Parameter, kParametersMax> parameters_;
  std::string extra_lines_;  // of SetHeader
  static const net::Address kNobody;
  const net::Address* peer_ = &kNobody;
  Exchange* exchange_ = nullptr;
};

// Waits for a piece of the body.
class [[nodiscard]] BodyAwaiter : private core::WaitPoint {
 public:
  explicit BodyAwaiter(Exchange* exchange) : exchange_(exchange) {}
  BodyAwaiter(const BodyAwaiter&) = delete;
  bool await_ready() const noexcept { return false; }
  template <std::derived_from<core::TaskPromiseBase> P>
  bool await_suspend(std::coroutine_handle<P> task) {
    handle = task;
    return Begin(task.promise().scope());
  }
  BodyPiece await_resume();

 private:
  friend class Exchange;
  bool Begin(core::CancelScope* scope);  // false: the piece is there
  void Cancel();
  void Resume(BodyPiece piece);

  Exchange* const exchange_;
  core::CancelScope* scope_ = nullptr;
  BodyPiece piece_;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_REQUEST_H_
