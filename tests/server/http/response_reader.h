// SPDX-License-Identifier: Apache-2.0
// ResponseReader: what a ResponseParser makes of bytes that come in any pieces and end after the last one.
//
// Threads:  one.
#ifndef MOORING_TESTS_SERVER_HTTP_RESPONSE_READER_H_
#define MOORING_TESTS_SERVER_HTTP_RESPONSE_READER_H_

#include <array>
#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>

#include "server/http/response_parser.h"

namespace mooring::server::http {

class ResponseReader {
 public:
  struct Verdict {
    Refusal refusal = Refusal::kNone;  // then nothing else is said
    bool complete = false;
    int status = 0;
    bool keep_alive = false;
    std::string fields = {};  // "name=value;"
    std::string body = {};
    size_t left = 0;  // bytes behind the message
    friend bool operator==(const Verdict&, const Verdict&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Verdict& v) {
      return out << Name(v.refusal) << (v.complete ? " complete " : " incomplete ") << v.status
                 << (v.keep_alive ? " kept " : " ") << v.fields << " \"" << v.body << "\" " << v.left;
    }
  };

  ResponseReader(Method method, const ResponseParser::Limits* limits) : parser_(limits) { parser_.Reset(method); }

  void Feed(std::string_view bytes) {
    while (!over_) {
      ++calls_;
      if (!has_head_) {
        const size_t before = head_.size();
        head_.append(bytes);
        const auto step = parser_.FeedHead(head_, fields_.data());
        if (step.event == ResponseParser::Event::kRefused) return Refused();
        if (step.event == ResponseParser::Event::kMore) return;
        has_head_ = true;
        bytes.remove_prefix(step.taken - before);
        head_.resize(step.taken);
        const auto& head = parser_.head();
        verdict_.status = head.status;
        verdict_.keep_alive = head.keep_alive;
        for (uint32_t i = 0; i < fields().size(); ++i) {
          verdict_.fields.append(fields().name(i)).append("=").append(fields().value(i)).append(";");
        }
      }
      const auto step = parser_.FeedBody(bytes);
      right_ = right_ && step.taken <= bytes.size();
      const std::string_view taken = bytes.substr(0, step.taken);
      bytes.remove_prefix(step.taken);
      switch (step.event) {
        case ResponseParser::Event::kBody:
          right_ = right_ && !step.body.empty() && step.body.data() >= taken.data() &&
                   step.body.data() + step.body.size() <= taken.data() + taken.size();
          verdict_.body.append(step.body);
          break;
        case ResponseParser::Event::kMore:
          right_ = right_ && bytes.empty();
          return;
        case ResponseParser::Event::kDone:
          over_ = verdict_.complete = true;
          break;
        default:
          return Refused();
      }
    }
    if (verdict_.refusal == Refusal::kNone) verdict_.left += bytes.size();
  }
  // The connection ends.
  const Verdict& End() {
    if (!over_ && has_head_ && parser_.End()) verdict_.complete = true;
    return verdict_;
  }

  bool has_head() const { return has_head_; }
  std::string_view head_bytes() const { return head_; }
  Fields fields() const { return {head_.data(), fields_.data(), parser_.head().fields}; }
  const ResponseParser& parser() const { return parser_; }
  bool right() const { return right_; }  // the parser has kept to its interface
  size_t calls() const { return calls_; }

 private:
  void Refused() {
    verdict_ = {};
    verdict_.refusal = parser_.refusal();
    right_ = right_ && verdict_.refusal != Refusal::kNone;
    over_ = true;
  }

  ResponseParser parser_;
  std::array<Field, ResponseParser::kFieldsMax> fields_ = {};
  std::string head_;
  bool has_head_ = false;
  bool over_ = false;
  bool right_ = true;
  size_t calls_ = 0;
  Verdict verdict_;
};

}  // namespace mooring::server::http

#endif  // MOORING_TESTS_SERVER_HTTP_RESPONSE_READER_H_
