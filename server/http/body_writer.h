// SPDX-License-Identifier: Apache-2.0
// BodyWriter: where the body of a streamed response goes.
//
//   Response::Stream("text/plain", [](BodyWriter& out) -> Task<> {
//     while (more) if (const bool going = co_await out.Write(next); !going) co_return;
//   })
//
// A body of unknown length goes out in chunks, one for each Write (to an HTTP/1.0 client: as it is, up to the end of the
// connection). Writes of one turn are sent together. A Write waits while the connection's queue is full, so a client that
// does not read holds its stream back and nothing else.
//
// Threads:  one shard, inside its turn; the task of the stream.
// Owns:     nothing; it lives as long as the stream's task.
#ifndef MOORING_SERVER_HTTP_BODY_WRITER_H_
#define MOORING_SERVER_HTTP_BODY_WRITER_H_

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <string_view>

#include "alloc/buffer_pool.h"
#include "alloc/shared_bytes.h"
#include "core/task.h"
#include "net/connection.h"

namespace mooring::server::http {

class Exchange;

class BodyWriter {
 public:
  // What Write gives, to be awaited.
  class [[nodiscard]] Room {
   public:
    explicit Room(BodyWriter* writer);
    bool await_ready() const noexcept { return false; }
    template <std::derived_from<core::TaskPromiseBase> P>
    bool await_suspend(std::coroutine_handle<P> task) {
      if (task.promise().scope()->cancelled()) writer_->stopped_ = true;
      return !writer_->stopped_ && inner_.await_suspend(task);
    }
    bool await_resume() const { return !writer_->stopped_ && inner_.await_resume(); }

   private:
    BodyWriter* const writer_;
    net::WritableAwaiter inner_;
  };

  // co_await: true when it is written and there is room for more; false when nobody wants more (the peer is gone, the task
  // was cancelled, or more than the length was written): end.
  Room Write(std::string_view bytes);            // copies
  Room Write(alloc::Lease lease);                // does not
  Room Write(const alloc::SharedBytes& bytes);   // does not, ever
  // Somebody still reads. A stream that waits for something else than room looks here, or at the result of Write.
  bool open() const;
  // The id by which other shards and turns may find the connection.
  net::ConnectionId id() const;
  // Bytes of the body that are still to be written; Response::kUnknownLength for one in chunks.
  uint64_t left() const;

 private:
  friend class Exchange;
  explicit BodyWriter(Exchange* exchange) : exchange_(exchange) {}
  Exchange* const exchange_;
  bool stopped_ = false;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_BODY_WRITER_H_
