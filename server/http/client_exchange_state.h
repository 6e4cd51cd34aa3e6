// SPDX-License-Identifier: Apache-2.0
// ClientExchange::State: one exchange: it borrows a connection, sends, and reads; again where that connection was stale.
//
//   Ask ──> Exchange ──┬─ ReadHead ──> Read, Read, ... ──> Complete
//    ^        ^        └─ SendRest, beside it, of a body that is long or a stream
//    └ stale ─┘
//
// Threads:  one shard, inside its turn.
// Owns:     as ClientExchange says.
#ifndef MOORING_SERVER_HTTP_CLIENT_EXCHANGE_STATE_H_
#define MOORING_SERVER_HTTP_CLIENT_EXCHANGE_STATE_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/clock.h"
#include "core/event.h"
#include "core/shard.h"
#include "core/task.h"
#include "net/engine.h"
#include "net/pool.h"
#include "server/http/client.h"
#include "server/http/response_parser.h"

namespace mooring::server::http {

// What is left until then, for those who take 0 for no deadline.
inline core::Nanos Left(int64_t deadline_ms) {
  if (deadline_ms == 0) return 0;
  return std::max<int64_t>(deadline_ms - core::Shard::Current()->now_ms(), 1) * core::kNanosPerMs;
}

class ClientExchange::State {
 public:
  State(HttpClient* client, ClientRequest request)
      : client_(client),
        limits_{.head_bytes = std::min(client->options().head_bytes_max, ResponseParser::kHeadBytesMax),
                .fields = std::min(client->options().fields_max, ResponseParser::kFieldsMax)},
        request_(std::move(request)),
        parser_(&limits_) {}

  // Everything up to the answer's head. Coroutines of this object: it stays where it is until they are done.
  core::Task<> Ask(int64_t deadline_ms);
  // The next piece or the end. `deadline_ms` 0 is none.
  core::Task<BodyPiece> Read(int64_t deadline_ms);
  // All of it.
  core::Task<> ReadWhole(std::string* body, uint64_t bytes_max);

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
  core::Task<> Exchange();
  core::Task<> ReadHead();
  core::Task<> SendRest();
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

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_CLIENT_EXCHANGE_STATE_H_
