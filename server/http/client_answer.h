// SPDX-License-Identifier: Apache-2.0
// ClientAnswer: what HttpClient was answered, or why it was not.
//
// Threads:  a value.
#ifndef MOORING_SERVER_HTTP_CLIENT_ANSWER_H_
#define MOORING_SERVER_HTTP_CLIENT_ANSWER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http/fields.h"
#include "server/http/refusal.h"

namespace mooring::server::http {

class ClientExchange;
class HttpClient;

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

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_CLIENT_ANSWER_H_
