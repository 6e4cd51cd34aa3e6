// SPDX-License-Identifier: Apache-2.0
// HttpConnection: what HTTP keeps of a connection that waits for its next request, and how it serves what comes.
//
//   idle ──bytes──> a whole head, answered at once by a plain route ──> idle
//    │                └─ anything that is not over by then ──> Exchange ──over──> what was pipelined behind it, idle
//    └ deadline, retired, drained: Close
//
// Requests are served in their order, one at a time. What is pipelined behind one that is not over is not parsed and, but
// for one block, not read.
//
// Threads:  one shard, inside its turn. Made by Connection::New.
// Owns:     its exchange, and the input that nobody has taken.
#ifndef MOORING_SERVER_HTTP_HTTP_CONNECTION_H_
#define MOORING_SERVER_HTTP_HTTP_CONNECTION_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "net/connection.h"
#include "net/handler.h"
#include "server/http/http_state.h"
#include "server/http/request_parser.h"
#include "server/http/router.h"

namespace mooring::server::http {

class Exchange;

class HttpConnection : public net::Handler {
 public:
  HttpConnection(HttpService::State* state, const net::Connection& conn);
  ~HttpConnection() override;

  void OnData(net::Connection& conn, alloc::Lease data) override;
  void OnEof(net::Connection& conn) override;
  void OnDrain(net::Connection& conn) override;
  void OnDeadline(net::Connection& conn) override;
  void OnWritable(net::Connection& conn) override;
  void OnClose(net::Connection& conn, net::CloseCause cause) override;

 private:
  friend class Exchange;

  // Serves what there is, until nothing is left or something must be waited for.
  void Serve(net::Connection& conn);
  void ServeHead(net::Connection& conn);
  // Finds the route of a request whose head is complete, and asks what can answer at once. No route: `ready` answers.
  const Router::Route* FindRoute(net::Connection& conn, Request& request, std::optional<Response>* ready);
  // An exchange for the head that state_ has parsed, which is `bytes` of the input.
  bool BeginExchange(net::Connection& conn, uint32_t bytes);
  bool EndExchange(net::Connection& conn);  // true: the connection goes on
  void Rest(net::Connection& conn);
  void UpdateReading(net::Connection& conn);

  // What a request gets that no route has: 404, 405, or the answer to OPTIONS.
  Response Unrouted(const Request& request, const Router::Found& found);
  // Runs `action.now`; none where `later` has to answer.
  std::optional<Response> CallNow(const Router::Route& route, Request& request);
  // Writes a response: the head, and the body where that is there. `must_close`: the stream cannot be read on. Says
  // whether the connection goes on behind it. `behind`: bytes of a next request have come already.
  bool Write(net::Connection& conn, const Request& request, const RequestParser::Head& head, Response& response,
             bool must_close, bool behind);
  // Says why a request is not served, and closes: nothing more is read as a request.
  void Refuse(net::Connection& conn, Refusal refusal);
  void Log(const Request& request, int status, uint64_t body_bytes);
  bool Retires() const;

  HttpService::State* const state_;
  Exchange* exchange_ = nullptr;
  alloc::Lease input_;
  uint32_t requests_ = 0;
  uint32_t retire_at_s_ = 0;  // of the shard's clock; 0: never
  bool serving_ = false;      // inside Serve
  bool paused_ = false;
  bool eof_ = false;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_HTTP_CONNECTION_H_
