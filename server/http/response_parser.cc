// SPDX-License-Identifier: Apache-2.0
#include "server/http/response_parser.h"

#include <algorithm>
#include <charconv>

#include "server/http/byte_scan.h"

namespace mooring::server::http {
namespace {

constexpr std::string_view kProtocol = "HTTP/";
constexpr uint64_t kLengthMax = uint64_t{1} << 63;
constexpr uint8_t kChunkDigitsMax = 16;

bool IsDigit(char c) { return Is(c, kDigitByte); }
// REQUIRES: it is one.
unsigned HexDigit(char c) { return static_cast<unsigned>(IsDigit(c) ? c - '0' : (c | 0x20) - 'a' + 10); }

// What llhttp has found in the bytes that it was given.
struct Found {
  bool skip_body = false;
  uint64_t content = 0;
};

const llhttp_settings_t* Settings() {
  static const llhttp_settings_t settings = [] {
    llhttp_settings_t made;
    llhttp_settings_init(&made);
    made.on_headers_complete = [](llhttp_t* parser) { return static_cast<Found*>(parser->data)->skip_body ? 1 : 0; };
    made.on_body = [](llhttp_t* parser, const char*, size_t bytes) {
      static_cast<Found*>(parser->data)->content += bytes;
      return 0;
    };
    return made;
  }();
  return &settings;
}

}  // namespace

ResponseParser::ResponseParser(const Limits* limits) : limits_(limits) { Reset(Method::kGet); }

void ResponseParser::Reset(Method method) {
  method_ = method;
  state_ = State::kStatusLine;
  refusal_ = Refusal::kNone;
  trailers_ = false;
  digits_ = 0;
  at_ = extension_bytes_ = extensions_bytes_ = fields_ = 0;
  left_ = 0;
  head_ = {};
  llhttp_init(&second_, HTTP_RESPONSE, Settings());
}

ResponseParser::Step ResponseParser::Refuse(Refusal refusal, uint32_t taken) {
  refusal_ = refusal;
  state_ = State::kRefused;
  return {Event::kRefused, taken, {}};
}

bool ResponseParser::Agrees(std::string_view bytes, uint64_t content) {
  Found found{.skip_body = !head_.has_body};
  second_.data = &found;
  const llhttp_errno_t error = llhttp_execute(&second_, bytes.data(), bytes.size());
  second_.data = nullptr;
  return (error == HPE_OK || (error == HPE_PAUSED_UPGRADE && head_.status == 101)) && found.content == content;
}

// HTTP/1.1 200 OK
Refusal ResponseParser::OnStatusLine(char c) {
  const uint32_t i = at_;
  if (i < 5) return c == kProtocol[i] ? Refusal::kNone : Refusal::kNoHttp;
  switch (i) {
    case 5:
      if (!IsDigit(c)) return Refusal::kNoHttp;
      return c == '1' ? Refusal::kNone : Refusal::kVersion;
    case 6:
      return c == '.' ? Refusal::kNone : Refusal::kNoHttp;
    case 7:
      if (!IsDigit(c)) return Refusal::kNoHttp;
      head_.minor = static_cast<uint8_t>(c - '0');
      return head_.minor <= 1 ? Refusal::kNone : Refusal::kVersion;
    case 8:
      return c == ' ' ? Refusal::kNone : Refusal::kNoHttp;
    case 9:
    case 10:
    case 11:
      if (!IsDigit(c) || (i == 9 && c == '0')) return Refusal::kNoHttp;
      head_.status = static_cast<uint16_t>(head_.status * 10 + (c - '0'));
      return Refusal::kNone;
    default:
      break;
  }
  if (state_ == State::kStatusLineCr) {
    state_ = State::kFieldStart;
    return c == '\n' ? Refusal::kNone : Refusal::kBareCr;
  }
  if (c == '\r') {
    state_ = State::kStatusLineCr;
    return Refusal::kNone;
  }
  if (c == '\n') return Refusal::kBareLf;
  if (!Is(c, kValueByte)) return Refusal::kControlByte;
  return i == 12 && c != ' ' ? Refusal::kNoHttp : Refusal::kNone;
}

Refusal ResponseParser::OnField(char c) {
  switch (state_) {
    case State::kFieldStart:
      if (c == '\r') {
        state_ = State::kEndCr;
        return Refusal::kNone;
      }
      if (c == '\n') return Refusal::kBareLf;
      if (c == ' ' || c == '\t') return Refusal::kObsFold;
      if (IsControl(c)) return Refusal::kControlByte;
      if (!Is(c, kTokenByte)) return Refusal::kFieldName;
      if (fields_ == limits_->fields) return Refusal::kTooManyFields;
      field_.name = static_cast<uint16_t>(at_);
      state_ = State::kName;
      return Refusal::kNone;
    case State::kName:
      if (Is(c, kTokenByte)) return Refusal::kNone;
      if (c == ':') {
        field_.name_bytes = static_cast<uint16_t>(at_ - field_.name);
        field_.value = static_cast<uint16_t>(at_ + 1);
        state_ = State::kValue;
        return Refusal::kNone;
      }
      if (c == ' ' || c == '\t') return Refusal::kSpaceBeforeColon;
      if (c == '\n') return Refusal::kBareLf;
      return IsControl(c) && c != '\r' ? Refusal::kControlByte : Refusal::kFieldName;
    case State::kValue:
      if (c == '\r') {
        field_.value_bytes = static_cast<uint16_t>(at_ - field_.value);
        state_ = State::kValueCr;
        return Refusal::kNone;
      }
      if (c == '\n') return Refusal::kBareLf;
      return Is(c, kValueByte) ? Refusal::kNone : Refusal::kControlByte;
    case State::kValueCr:
      if (c != '\n') return Refusal::kBareCr;
      ++fields_;
      state_ = State::kFieldStart;
      return Refusal::kNone;
    default:
      return c == '\n' ? Refusal::kNone : Refusal::kBareCr;  // kEndCr; what that ends is the caller's
  }
}

ResponseParser::Step ResponseParser::FeedHead(std::string_view all, Field* fields) {
  if (state_ == State::kRefused) return {Event::kRefused, 0, {}};
  for (; at_ < all.size(); ++at_) {
    if (state_ == State::kValue) {
      const char* const bound = all.data() + std::min<size_t>(all.size(), limits_->head_bytes);
      at_ = static_cast<uint32_t>(Skip<kValueByte>(all.data() + at_, std::max(all.data() + at_, bound)) - all.data());
      if (at_ == all.size()) break;
    }
    if (at_ >= std::min(limits_->head_bytes, kHeadBytesMax)) return Refuse(Refusal::kFieldsTooLarge, at_);
    const char c = all[at_];
    const State before = state_;
    const Refusal wrong = before <= State::kStatusLineCr ? OnStatusLine(c) : OnField(c);
    if (wrong != Refusal::kNone) return Refuse(wrong, at_);
    if (before == State::kValueCr) {
      // Whitespace around a value is not its.
      std::string_view value = all.substr(field_.value, field_.value_bytes);
      const size_t first = value.find_first_not_of(" \t");
      field_.value = static_cast<uint16_t>(field_.value + std::min(first, value.size()));
      value.remove_prefix(std::min(first, value.size()));
      field_.value_bytes = static_cast<uint16_t>(value.find_last_not_of(" \t") + 1);
      fields[fields_ - 1] = field_;
    } else if (before == State::kEndCr) {
      ++at_;
      const Refusal framed = OnHeadEnd(all.substr(0, at_), fields);
      if (framed != Refusal::kNone) return Refuse(framed, at_);
      return {Event::kHead, at_, {}};
    }
  }
  return {Event::kMore, at_, {}};
}

Refusal ResponseParser::OnHeadEnd(std::string_view head, const Field* fields) {
  head_.fields = static_cast<uint16_t>(fields_);
  if (const Refusal wrong = Frame(Fields(head.data(), fields, fields_)); wrong != Refusal::kNone) return wrong;
  state_ = !head_.has_body   ? State::kDone
           : head_.chunked   ? State::kChunkSize
           : head_.until_end ? State::kUntilEnd
                             : State::kSized;
  left_ = state_ == State::kSized ? head_.length : 0;
  digits_ = 0;
  if (!Agrees(head, 0)) return Refusal::kNoHttp;
  const bool chunked = (second_.flags & F_CHUNKED) != 0;
  if (head_.has_body && chunked != head_.chunked) return Refusal::kCoding;
  return second_.status_code == head_.status ? Refusal::kNone : Refusal::kNoHttp;
}

// How long the body is (RFC 9112, section 6.3), where the head leaves no doubt.
Refusal ResponseParser::Frame(const Fields& fields) {
  const uint32_t codings = fields.Count("Transfer-Encoding");
  const uint32_t lengths = fields.Count("Content-Length");
  const bool interim_or_204 = head_.status < 200 || head_.status == 204;
  if (codings != 0 && lengths != 0) return Refusal::kLengthAndCoding;
  if (codings != 0) {
    if (codings > 1 || head_.minor == 0 || interim_or_204 ||
        !SameIgnoringCase(*fields.Find("Transfer-Encoding"), "chunked")) {
      return Refusal::kCoding;
    }
    head_.chunked = true;
  }
  if (lengths != 0) {
    const std::string_view value = *fields.Find("Content-Length");
    if (lengths > 1 || value.find(',') != std::string_view::npos) return Refusal::kLengthRepeated;
    const bool digits = !value.empty() && std::all_of(value.begin(), value.end(), [](char c) { return IsDigit(c); });
    if (!digits || std::from_chars(value.data(), value.data() + value.size(), head_.length).ec != std::errc() ||
        head_.length > kLengthMax) {
      return Refusal::kLength;
    }
    if (interim_or_204 && head_.length != 0) return Refusal::kLength;
    head_.has_length = true;
  }
  const bool none = interim_or_204 || head_.status == 304 || method_ == Method::kHead;
  head_.until_end = !none && !head_.chunked && !head_.has_length;
  head_.has_body = !none && (!head_.has_length || head_.length != 0);
  head_.keep_alive = !head_.until_end && !fields.HasToken("Connection", "close") &&
                     (head_.minor == 1 || fields.HasToken("Connection", "keep-alive"));
  return Refusal::kNone;
}

Refusal ResponseParser::OnChunkLine(char c) {
  switch (state_) {
    case State::kChunkSize:
      if (Is(c, kHexByte)) {
        if (++digits_ > kChunkDigitsMax) return Refusal::kChunkSize;
        if (left_ > kLengthMax >> 4) return Refusal::kChunkSize;
        left_ = left_ << 4 | HexDigit(c);
        return Refusal::kNone;
      }
      if (digits_ == 0) return Refusal::kChunkSize;
      extension_bytes_ = 0;
      state_ = c == ';' ? State::kChunkExtension : State::kChunkSizeCr;
      return c == ';' || c == '\r' ? Refusal::kNone : c == '\n' ? Refusal::kBareLf : Refusal::kChunkSize;
    case State::kChunkExtension:
      if (c == '\r') {
        state_ = State::kChunkSizeCr;
        return Refusal::kNone;
      }
      if (c == '\n') return Refusal::kBareLf;
      if (!Is(c, kValueByte)) return Refusal::kControlByte;
      if (++extension_bytes_ > limits_->chunk_extension_bytes) return Refusal::kChunkExtension;
      return ++extensions_bytes_ > limits_->chunk_extensions_bytes ? Refusal::kChunkExtension : Refusal::kNone;
    case State::kChunkSizeCr:
      if (c != '\n') return Refusal::kBareCr;
      state_ = left_ == 0 ? State::kFieldStart : State::kChunkBytes;
      if (left_ == 0) {
        trailers_ = true;
        at_ = fields_ = 0;
      }
      return Refusal::kNone;
    case State::kChunkEnd:
      state_ = State::kChunkEndCr;
      return c == '\r' ? Refusal::kNone : Refusal::kChunkEnd;
    default:  // kChunkEndCr
      state_ = State::kChunkSize;
      digits_ = 0;
      return c == '\n' ? Refusal::kNone : Refusal::kChunkEnd;
  }
}

ResponseParser::Step ResponseParser::FeedBody(std::string_view bytes) {
  if (state_ == State::kDone) return {Event::kDone, 0, {}};
  if (state_ == State::kRefused) return {Event::kRefused, 0, {}};
  for (uint32_t i = 0; i < bytes.size();) {
    if (state_ == State::kSized || state_ == State::kUntilEnd || state_ == State::kChunkBytes) {
      const bool counted = state_ != State::kUntilEnd;
      const auto rest = static_cast<uint32_t>(bytes.size()) - i;
      const auto size = counted ? static_cast<uint32_t>(std::min<uint64_t>(rest, left_)) : rest;
      const std::string_view piece = bytes.substr(i, size);
      if (!Agrees(piece, size)) return Refuse(Refusal::kChunkEnd, i);
      if (counted) left_ -= size;
      if (counted && left_ == 0) state_ = state_ == State::kSized ? State::kDone : State::kChunkEnd;
      return {Event::kBody, i + size, piece};
    }
    // A byte at a time to llhttp too, so that who refuses first does not depend on how they come.
    const char c = bytes[i];
    const State before = state_;
    const bool in_trailers = trailers_;
    if (in_trailers && at_ >= limits_->head_bytes) return Refuse(Refusal::kFieldsTooLarge, i);
    const Refusal wrong = in_trailers ? OnField(c) : OnChunkLine(c);
    if (wrong != Refusal::kNone) return Refuse(wrong, i);
    if (!Agrees(bytes.substr(i, 1), 0)) {
      const Refusal of_line = before == State::kChunkExtension ? Refusal::kChunkExtension : Refusal::kChunkSize;
      return Refuse(in_trailers ? Refusal::kFieldName : of_line, i);
    }
    ++i;
    if (in_trailers) ++at_;
    if (before == State::kEndCr) {
      state_ = State::kDone;
      return {Event::kDone, i, {}};
    }
  }
  return {Event::kMore, static_cast<uint32_t>(bytes.size()), {}};
}

}  // namespace mooring::server::http
