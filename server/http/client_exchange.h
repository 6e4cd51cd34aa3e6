// SPDX-License-Identifier: Apache-2.0
// ClientExchange: an answer whose head is there and whose body is read piece by piece: what is not read is not received.
//
//   auto exchange = co_await client.Open(ClientRequest(Method::kGet, "/large"));
//   while (auto piece = co_await exchange.ReadBody()) Use(*piece);          // exchange.failure() says how it ended
//
// When its answer is complete it gives its connection back. Destroyed before, it aborts it.
//
// Threads:  one shard, inside its turn. REQUIRES: destroyed after what it reads, before its client.
// Owns:     the connection that it has borrowed, the head, and the request.
#ifndef MOORING_SERVER_HTTP_CLIENT_EXCHANGE_H_
#define MOORING_SERVER_HTTP_CLIENT_EXCHANGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "alloc/buffer_pool.h"
#include "core/clock.h"
#include "core/task.h"
#include "server/http/client_answer.h"
#include "server/http/request.h"

namespace mooring::server::http {

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

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_CLIENT_EXCHANGE_H_
