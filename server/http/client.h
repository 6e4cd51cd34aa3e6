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

#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/clock.h"
#include "core/count_table.h"
#include "core/counters.h"
#include "core/task.h"
#include "net/connect.h"
#include "net/pool.h"
#include "server/http/client_answer.h"
#include "server/http/client_exchange.h"
#include "server/http/client_request.h"
#include "server/http/method.h"

namespace mooring::server::http {

struct ClientOptions {
  std::string target;             // HOST:PORT
  std::string host = {};          // of the Host field; empty: the target's, with its port unless that is 80
  std::string agent = "mooring";  // the User-Agent field; empty: none
  // For all of an exchange: a connection, the request, the whole answer. Of Open: up to the answer's head. 0 is none.
  core::Nanos deadline = 10 * core::kNanosPerSecond;
  uint64_t body_bytes_max = 1 << 20;   // of an answer that is read whole. As HttpOptions has it for requests
  uint32_t head_bytes_max = 16 << 10;  // of an answer; its trailers likewise. Node has the same. At most 60 KiB
  uint32_t fields_max = 100;           // at most 256
  // As of net::PoolOptions.
  uint32_t connections_max = 16;
  uint32_t waiters_max = 1024;
  core::Nanos idle_max_age = 50 * core::kNanosPerSecond;
  net::ConnectOptions connect = {.deadline = 5 * core::kNanosPerSecond};
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
inline constexpr std::string_view kClientCountNames[] = {
    "requests", "answers", "retried", "interim", "expired", "refused", "ended", "no_connection",
    "headers_left_out",
};
static_assert(std::size(kClientCountNames) == static_cast<size_t>(ClientCount::kCount));

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
  const core::CounterSet<ClientCount>& counters() const { return counters_.set(); }

 private:
  friend class ClientExchange;
  core::Task<std::unique_ptr<ClientExchange::State>> Begin(ClientRequest request, int64_t deadline_ms);
  int64_t DeadlineMs(const AskOptions& options) const;
  void Count(const ClientAnswer& answer);

  const ClientOptions options_;
  const std::string host_;
  const bool fields_fit_;  // the client's own, in a head
  net::Pool pool_;
  core::SharedCounts<ClientCount> counters_{"http_client", options_.target, kClientCountNames};
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_CLIENT_H_
