// SPDX-License-Identifier: Apache-2.0
// Response: what a route answers: a status, header fields, and a body that is there or is still to come.
//
//   return Response::Text("hello\n");
//   return Response::Json(text).Status(201).Header("Location", "/things/7");
//   return Response::Stream("text/event-stream", [](BodyWriter& out) -> Task<> { ... });
//
// Date, Server, Content-Length, Transfer-Encoding and Connection are the server's: fields of these names are left out
// and counted, and so is a field whose name or value could break the head (a name that is no token; a CR, LF or NUL).
//
// Threads:  a value, on one shard.
// Owns:     what it carries; a stream's function is kept until its task is done, so a lambda may capture.
#ifndef MOORING_SERVER_HTTP_RESPONSE_H_
#define MOORING_SERVER_HTTP_RESPONSE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "alloc/shared_bytes.h"
#include "core/task.h"

namespace mooring::net {
class Connection;
}  // namespace mooring::net

namespace mooring::server::http {

class BodyWriter;
class Exchange;

// "OK", "Not Found", ...; "Unknown" for a number that has no name (RFC 9110, section 15).
std::string_view ReasonOf(int status);

class Response {
 public:
  static constexpr uint64_t kUnknownLength = ~uint64_t{0};
  using StreamFunction = absl::AnyInvocable<core::Task<>(BodyWriter&)>;
  using TakeOverFunction = absl::AnyInvocable<core::Task<>(net::Connection&)>;

  Response() = default;  // 200 without a body
  // `status` with a line of text that says it. REQUIRES: 200 to 599.
  static Response Plain(int status);
  static Response Text(std::string body) { return Of("text/plain; charset=utf-8", std::move(body)); }
  static Response Html(std::string body) { return Of("text/html; charset=utf-8", std::move(body)); }
  static Response Json(std::string body) { return Of("application/json", std::move(body)); }
  // `type` is a constant, or lives until the response is written.
  static Response Of(std::string_view type, std::string body) {
    Response response;
    response.type_ = type;
    response.text_ = std::move(body);
    return response;
  }
  // A body that many responses share, or a part of it. REQUIRES: offset + size <= body.size().
  static Response Shared(std::string_view type, alloc::SharedBytes body) {
    const uint32_t size = body.size();
    return SharedPart(type, std::move(body), 0, size);
  }
  static Response SharedPart(std::string_view type, alloc::SharedBytes body, uint32_t offset, uint32_t size);
  // The functions below answer 500 where the one they are given is empty.
  // `write` is run once the head is sent, and what it writes is the body: as many bytes as `length` says, or in chunks.
  // If it ends early, throws, or writes less, the connection is aborted: no short body looks whole.
  static Response Stream(std::string_view type, StreamFunction write, uint64_t length = kUnknownLength);
  // 303, 308, ...: `location` goes out as it is; build it from nothing that a client has sent. 500 where it would break
  // the head. REQUIRES: 300 to 399.
  static Response Redirect(int status, std::string_view location);
  // 101: the connection is the function's from here on, as if it were a service of its own; bytes behind the request's
  // head are its first ones. Only in answer to a request with request.upgrade(); else 500.
  static Response TakeOver(std::string_view protocol, TakeOverFunction service);

  Response&& Status(int status) && {
    status_ = static_cast<uint16_t>(status);
    return std::move(*this);
  }
  // Adds a field; a Content-Type replaces the one that was there. See above for what is left out.
  Response&& Header(std::string_view name, std::string_view value) && {
    AddHeader(name, value);
    return std::move(*this);
  }
  // The connection is closed behind this response.
  Response&& Close() && {
    close_ = true;
    return std::move(*this);
  }
  void SetStatus(int status) { status_ = static_cast<uint16_t>(status); }
  bool AddHeader(std::string_view name, std::string_view value);  // false: left out
  // A stream that never ends by itself, such as server-sent events: in a drain its task is cancelled, and what it has
  // written by then is a whole body.
  Response&& Endless() && {
    endless_ = true;
    return std::move(*this);
  }
  std::string TakeText() { return std::move(text_); }  // of a body that is not shared
  // Lines "Name: value\r\n" that are known to be right and that many responses share, Content-Type among them.
  void SetPrepared(alloc::SharedBytes lines) { prepared_ = std::move(lines); }

  int status() const { return status_; }
  bool closes() const { return close_; }
  std::string_view type() const { return type_; }
  std::string_view header_lines() const { return lines_; }  // "Name: value\r\n" each
  const alloc::SharedBytes& prepared() const { return prepared_; }
  int left_out() const { return left_out_; }  // fields, up to 255
  // Of a body that is there.
  std::string_view body() const {
    return shared_ ? shared_.view().substr(offset_, part_bytes_) : std::string_view(text_);
  }
  const alloc::SharedBytes& shared() const { return shared_; }
  bool streams() const { return later_ != nullptr && static_cast<bool>(later_->stream); }
  bool takes_over() const { return later_ != nullptr && static_cast<bool>(later_->take_over); }
  // kUnknownLength for a stream in chunks.
  uint64_t length() const { return later_ == nullptr ? body().size() : later_->length; }

 private:
  friend class Exchange;
  struct Later {
    StreamFunction stream;
    TakeOverFunction take_over;
    std::string protocol;
    uint64_t length = kUnknownLength;
  };

  uint16_t status_ = 200;
  bool close_ = false;
  uint8_t left_out_ = 0;
  bool endless_ = false;
  uint32_t offset_ = 0;      // of shared_
  uint32_t part_bytes_ = 0;
  std::string_view type_;    // Content-Type; empty: none
  std::string lines_;
  std::string text_;
  alloc::SharedBytes prepared_;
  alloc::SharedBytes shared_;
  std::unique_ptr<Later> later_;
};

// It is moved on the way of every request.
static_assert(sizeof(Response) <= 128);
static_assert(std::is_nothrow_move_constructible_v<Response> && std::is_nothrow_move_assignable_v<Response>);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_RESPONSE_H_
