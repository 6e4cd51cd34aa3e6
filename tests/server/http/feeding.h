// SPDX-License-Identifier: Apache-2.0
// Feeding: a request's bytes through a RequestParser in given pieces, and in one text all that it made of them.
//
// The bytes of a head are packed anew for each call, in memory of exactly their size, and the parser moves between
// calls: what it must not rely on is never there.
#ifndef MOORING_TESTS_SERVER_HTTP_FEEDING_H_
#define MOORING_TESTS_SERVER_HTTP_FEEDING_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/fields.h"
#include "server/http/method.h"
#include "server/http/refusal.h"
#include "server/http/request_parser.h"

namespace mooring::server::http {

class Feeding {
 public:
  using Event = RequestParser::Event;

  explicit Feeding(const RequestParser::Limits& limits)
      : limits_(limits), parser_(std::make_unique<RequestParser>(&limits_)) {}

  // Feeds the next piece, until the message is complete or refused.
  void Feed(std::string_view piece) {
    if (over()) return;
    if (!has_head_) {
      std::unique_ptr<char[]> packed(new char[head_.size() + piece.size()]);
      std::memcpy(packed.get(), head_.data(), head_.size());
      std::memcpy(packed.get() + head_.size(), piece.data(), piece.size());
      const RequestParser::Step step = Call({packed.get() + head_.size(), piece.size()});
      head_.append(piece.substr(0, step.taken));
      if (step.event != Event::kHead) return;
      has_head_ = true;
      piece.remove_prefix(step.taken);
    }
    std::unique_ptr<char[]> exact(new char[piece.size()]);
    std::memcpy(exact.get(), piece.data(), piece.size());
    std::string_view rest(exact.get(), piece.size());
    do {
      const RequestParser::Step step = Call(rest);
      if (step.event == Event::kBody) {
        if (step.body.empty()) wrong_ += " an empty piece;";
        if (step.body.data() < rest.data() || step.body.data() + step.body.size() > rest.data() + step.taken) {
          wrong_ += " a piece that was not fed;";
        }
        body_.append(step.body);
      }
      rest.remove_prefix(step.taken);
      if (step.event == Event::kMore && !rest.empty()) wrong_ += " more, but not all taken;";
      if (step.event == Event::kHead) wrong_ += " a second head;";
    } while (!over() && last_ != Event::kMore);
  }

  bool over() const { return last_ == Event::kDone || last_ == Event::kRefused; }
  bool has_head() const { return has_head_; }
  Event last() const { return last_; }
  size_t taken() const { return taken_; }
  const std::string& body() const { return body_; }
  const std::string& wrong() const { return wrong_; }  // what the parser did against its interface
  size_t calls() const { return calls_; }
  const std::string& head_bytes() const { return head_; }
  const RequestParser& parser() const { return *parser_; }
  Fields fields() const { return {head_.data(), fields_.data(), parser_->head().fields}; }
  Refusal refusal() const { return parser_->refusal(); }

  // "GET /path|query 1.1 keep length=5\nHost=a\n\nbody", and what the parser did against its interface, if anything.
  std::string Summary() const {
    if (last_ == Event::kRefused) {
      return "refused: " + std::string(Name(refusal())) + " at " + std::to_string(taken_) + wrong_;
    }
    if (!has_head_) return "more" + wrong_;
    const RequestParser::Head& head = parser_->head();
    const auto part = [this](size_t from, size_t size) { return head_.substr(from, size); };
    std::string text = part(head.method_at(), head.method_bytes) + " " + part(head.path, head.path_bytes);
    if (head.query_bytes != 0) text += "|" + part(head.query, head.query_bytes);
    text += " 1." + std::to_string(head.minor);
    if (head.keep_alive) text += " keep";
    if (head.chunked) text += " chunked";
    if (head.length != 0) text += " length=" + std::to_string(head.length);
    if (head.expects_continue) text += " continue";
    if (head.upgrade) text += " upgrade";
    if (head.has_body != (head.chunked || head.length != 0)) text += " has_body?";
    for (uint32_t i = 0; i < head.fields; ++i) {
      text += "\n" + std::string(fields().name(i)) + "=" + std::string(fields().value(i));
    }
    text += "\n\n" + body_;
    if (last_ != Event::kDone) text += "...";
    return text + wrong_;
  }

 private:
  RequestParser::Step Call(std::string_view bytes) {
    auto moved = std::make_unique<RequestParser>(*parser_);
    std::memset(static_cast<void*>(parser_.get()), 0xdb, sizeof(RequestParser));
    parser_ = std::move(moved);
    const RequestParser::Step step = parser_->Feed(bytes, fields_.data());
    if (step.taken > bytes.size()) wrong_ += " more taken than fed;";
    if (step.taken == 0 && !bytes.empty() && (step.event == Event::kMore || step.event == Event::kBody)) {
      wrong_ += " nothing taken;";
    }
    taken_ += step.taken;
    ++calls_;
    last_ = step.event;
    return step;
  }

  const RequestParser::Limits limits_;
  std::unique_ptr<RequestParser> parser_;
  std::array<Field, RequestParser::kFieldsMax> fields_;
  std::string head_;
  std::string body_;
  std::string wrong_;
  bool has_head_ = false;
  Event last_ = Event::kMore;
  size_t taken_ = 0;
  size_t calls_ = 0;
};

// In two or three pieces; npos: no such cut.
inline std::string FeedCut(std::string_view bytes, const RequestParser::Limits& limits,
                           size_t cut = std::string_view::npos, size_t second = std::string_view::npos) {
  Feeding feeding(limits);
  cut = std::min(cut, bytes.size());
  second = std::min(second, bytes.size());
  feeding.Feed(bytes.substr(0, cut));
  if (cut != bytes.size()) feeding.Feed(bytes.substr(cut, second - cut));
  if (second != bytes.size()) feeding.Feed(bytes.substr(second));
  return feeding.Summary();
}

// Byte by byte.
inline std::string FeedBytes(std::string_view bytes, const RequestParser::Limits& limits) {
  Feeding feeding(limits);
  for (size_t i = 0; i < bytes.size(); ++i) feeding.Feed(bytes.substr(i, 1));
  return feeding.Summary();
}

}  // namespace mooring::server::http

#endif  // MOORING_TESTS_SERVER_HTTP_FEEDING_H_
