// SPDX-License-Identifier: Apache-2.0
// Exchange: a request that is not over at once: its head is not complete, its body is on its way, or its route is at work.
//
//   kHead ──> kCollect ──whole body──> a plain route ──┐
//     │   └─> kRoute: a task runs, which may read the body piece by piece ──┐
//     └ refused                                       └──> answered ──> kDiscard: what is left of the body ──> kOver
//
// It keeps a copy of the head, so a request that waits holds its own bytes and no receive block.
//
// Threads:  one shard, inside its turn.
// Owns:     head, body and task of the request. While its task runs it holds the connection's slot.
#ifndef MOORING_SERVER_HTTP_EXCHANGE_H_
#define MOORING_SERVER_HTTP_EXCHANGE_H_

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string_view>

#include "alloc/buffer_pool.h"
#include "core/task.h"
#include "net/connection.h"
#include "server/http/body_writer.h"
#include "server/http/http_connection.h"
#include "server/http/request.h"
#include "server/http/request_parser.h"
#include "server/http/response.h"
#include "server/http/router.h"

namespace mooring::server::http {

class Exchange final : private core::TaskRoot {
 public:
  enum class Phase : uint8_t { kHead, kCollect, kRoute, kDiscard, kOver };

  Exchange(HttpConnection* handler, net::Connection* conn);
  Exchange(const Exchange&) = delete;
  static void* operator new(std::size_t bytes) noexcept { return core::frame::Acquire(bytes); }
  static void operator delete(void* memory, std::size_t bytes) noexcept { core::frame::Release(memory, bytes); }

  // Makes `request` say what a complete head says, whose first byte `head` is.
  static void Fill(Request* request, const char* head, const Field* fields, const RequestParser::Head& parsed);

  // Begins with a part of a head, of which `parser` knows; false when there is no memory.
  bool BeginHead(const RequestParser& parser, std::string_view part);
  // Begins with a complete head, which is copied; `request` goes over to the exchange. False when there is no memory.
  bool BeginRequest(const RequestParser& parser, const Field* fields, std::string_view head, Request&& request);
  // ... and goes on with its route, unless `ready` answers for it, or says what is still to be streamed.
  void Run(const Router::Route* route, std::optional<Response> ready);

  // Takes of the handler's input what it can take now. REQUIRES: inside the handler's Serve.
  void Advance();
  void OnEof();
  void OnDeadline();
  void OnDrain();
  // The connection is gone: true when its task runs, and has been told to end; the exchange goes by itself then.
  bool OnClose();

  bool running() const { return running_; }
  bool over() const { return phase_ == Phase::kOver; }
  bool closes() const { return closes_; }  // the connection, once it is over
  // A 101 was sent: what takes the connection over.
  Response::TakeOverFunction TakeTakeOver() { return std::move(take_over_); }

  // The route's and its stream's.
  net::Connection* conn() const { return conn_; }
  bool open() const { return !closed_ && conn_->open(); }
  // A piece of the body; `*wait` where there is none yet.
  BodyPiece NextPiece(bool* wait);
  core::Task<BodyEnd> ReadAll();
  // Before and behind a piece of the response's body. False when it may not be written.
  bool BeginPiece(uint64_t bytes);
  void EndPiece(uint64_t bytes);
  uint64_t left() const { return left_; }

 private:
  friend class BodyAwaiter;

  char* head() { return block_.data() + fields_bytes_; }
  Field* fields() { return reinterpret_cast<Field*>(block_.data()); }
  static void FillPlaces(Request* request, const char* head, const Field* fields, const RequestParser::Head& parsed);
  bool Keep(const Field* fields, std::string_view head);
  void AdvancePhase();
  void AdvanceHead();
  void AdvanceCollect();
  void AdvanceDiscard();
  void Continue();  // 100, where the client waits for it
  void StartTask();
  core::Task<> Serve();
  void Answer(Response& response);
  void AnswerIsWritten();
  void CountCut();
  void OnTaskDone();
  BodyPiece Cut(BodyEnd end);
  void Waited();  // for a piece, until now

  HttpConnection* const handler_;
  net::Connection* const conn_;
  Phase phase_ = Phase::kHead;
  bool running_ = false;       // its task
  bool closed_ = false;        // the connection
  bool closes_ = false;
  bool body_done_ = false;
  bool body_cut_ = false;      // and will not come
  bool continued_ = false;     // 100 was sent, or nobody waits for it
  bool chunked_ = false;       // the response's body
  bool endless_ = false;       // ... which is being streamed
  Refusal refusal_ = Refusal::kNone;
  uint16_t status_ = 0;
  uint16_t fields_bytes_ = 0;  // of block_, before the head
  int64_t waits_since_ms_ = -1;  // for a piece of the body; -1: does not
  int64_t waited_ms_ = 0;
  RequestParser parser_;
  Request request_;
  alloc::Lease block_;         // the head; when it is complete, its fields before it
  alloc::Lease shown_;         // what the last piece lies in
  alloc::Lease body_;          // collected
  uint64_t body_bytes_ = 0;    // received
  uint64_t left_ = 0;          // of the response's body
  uint64_t sent_ = 0;
  const Router::Route* route_ = nullptr;
  std::optional<Response> ready_;
  BodyAwaiter* reader_ = nullptr;
  Response::TakeOverFunction take_over_;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_EXCHANGE_H_
