// SPDX-License-Identifier: Apache-2.0
// The way of a request's bytes:
//   1. ScreenHead goes over them as they come, each once, and stops at the first that must not be where it is.
//   2. At the head's end llhttp parses all of it and says where its fields are.
//   3. head_rules.cc looks at the head as a whole.
//   4. A sized body is counted. A chunked one goes through ScreenChunks and llhttp side by side, and both must find the
//      same chunks.
#include "server/http/request_parser.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "server/http/byte_scan.h"
#include "server/http/head_rules.h"

namespace mooring::server::http {
namespace {

constexpr RequestParser::Limits kDefaultLimits;
constexpr uint8_t kChunkDigitsMax = 16;
constexpr std::string_view kVersion = "HTTP/1.";
constexpr int kVersionBytes = 8;

// What llhttp tells about a head: where its fields are.
struct Found {
  const char* head;
  Field* fields;
  uint32_t count;
};

int OnFieldName(llhttp_t* parser, const char* at, size_t size) {
  auto* found = static_cast<Found*>(parser->data);
  // The screen has counted already; this holds even if llhttp saw other lines than it did.
  if (found->count == RequestParser::kFieldsMax) return HPE_USER;
  Field& field = found->fields[found->count++];
  field.name = static_cast<uint16_t>(at - found->head);
  field.name_bytes = static_cast<uint16_t>(size);
  field.value = static_cast<uint16_t>(field.name + size);
  field.value_bytes = 0;
  return 0;
}

int OnFieldValue(llhttp_t* parser, const char* at, size_t size) {
  auto* found = static_cast<Found*>(parser->data);
  Field& field = found->fields[found->count - 1];
  while (size != 0 && (at[size - 1] == ' ' || at[size - 1] == '\t')) --size;
  field.value = static_cast<uint16_t>(at - found->head);
  field.value_bytes = static_cast<uint16_t>(size);
  return 0;
}

int OnHeadComplete(llhttp_t* parser) {
  // Whether there is a body, and what comes behind it, is ours to say.
  parser->upgrade = 0;
  return HPE_PAUSED;
}

int OnMessageComplete(llhttp_t*) { return HPE_PAUSED; }

constexpr llhttp_settings_t kHeadSettings = [] {
  llhttp_settings_t settings{};
  settings.on_header_field = OnFieldName;
  settings.on_header_value = OnFieldValue;
  settings.on_headers_complete = OnHeadComplete;
  return settings;
}();

constexpr llhttp_settings_t kBodySettings = [] {
  llhttp_settings_t settings{};
  settings.on_message_complete = OnMessageComplete;
  return settings;
}();

// Of a byte that no line has where it stands; `other` where the byte itself is harmless.
Refusal OfByte(char c, Refusal other) {
  if (c == '\n') return Refusal::kBareLf;
  return IsControl(c) ? Refusal::kControlByte : other;
}

Refusal OfVersionByte(char c, int place) {
  const bool number = place >= 5 && (Is(c, kDigitByte) || c == '.');
  return OfByte(c, number ? Refusal::kVersion : Refusal::kNoHttp);
}

// What only llhttp refuses. Of a head that has passed the screen and the rules there is nothing known.
Refusal OfLlhttp(int error) {
  switch (error) {
    case HPE_INVALID_METHOD:
    case HPE_INVALID_CONSTANT:
    case HPE_PAUSED_H2_UPGRADE: return Refusal::kMethod;
    case HPE_INVALID_URL: return Refusal::kTarget;
    case HPE_INVALID_VERSION: return Refusal::kVersion;
    case HPE_UNEXPECTED_CONTENT_LENGTH: return Refusal::kLengthAndCoding;
    case HPE_INVALID_CONTENT_LENGTH: return Refusal::kLength;
    case HPE_INVALID_TRANSFER_ENCODING: return Refusal::kCoding;
    case HPE_INVALID_CHUNK_SIZE:  // the screen has read the size: what is invalid stands behind it
    case HPE_STRICT: return Refusal::kChunkExtension;
    default: return Refusal::kFieldName;
  }
}

// The fields of lines that have passed the screen, where llhttp has stopped before their end: it refuses some heads
// without saying precisely why, and the rules can say it.
uint16_t SplitLines(const char* head, const char* p, const char* end, Field* fields) {
  uint16_t count = 0;
  while (p != end && *p != '\r') {
    Field& field = fields[count++];
    const auto* colon = static_cast<const char*>(std::memchr(p, ':', static_cast<size_t>(end - p)));
    const auto* cr = static_cast<const char*>(std::memchr(p, '\r', static_cast<size_t>(end - p)));
    const char* value = colon + 1;
    while (*value == ' ' || *value == '\t') ++value;
    const char* value_end = cr;
    while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) --value_end;
    field.name = static_cast<uint16_t>(p - head);
    field.name_bytes = static_cast<uint16_t>(colon - p);
    field.value = static_cast<uint16_t>(value - head);
    field.value_bytes = static_cast<uint16_t>(value_end - value);
    p = cr + 2;
  }
  return count;
}

}  // namespace

RequestParser::RequestParser(const Limits* limits) : limits_(limits == nullptr ? &kDefaultLimits : limits) {
  assert(limits_->fields <= kFieldsMax);
  assert(limits_->request_line_bytes <= kHeadBytesMax);
  assert(limits_->fields_bytes <= kHeadBytesMax - limits_->request_line_bytes);
  Reset();
}

void RequestParser::Reset() {
  head_ = Head();
  body_left_ = limits_->body_bytes;
  chunk_left_ = 0;
  seen_bytes_ = 0;
  section_ = 0;
  lines_ = 0;
  extension_bytes_ = 0;
  extensions_bytes_ = 0;
  digits_ = 0;
  empty_lines_ = 0;
  state_ = State::kLeading;
  refusal_ = Refusal::kNone;
  stray_cr_ = Refusal::kNone;
  trailers_ = false;
  begun_ = false;
}

RequestParser::Step RequestParser::Feed(std::string_view bytes, Field* fields) {
  if (!bytes.empty()) begun_ = true;
  if (state_ > State::kHeadComplete || trailers_) return FeedBody(bytes);
  const char* const head = bytes.data() - seen_bytes_;
  const char* const end = ScreenHead(head, bytes.data(), bytes.data() + bytes.size());
  const auto taken = static_cast<uint32_t>(end - bytes.data());
  seen_bytes_ += taken;
  if (refusal_ == Refusal::kNone) {
    if (state_ != State::kHeadComplete) return {Event::kMore, taken, {}};
    refusal_ = ParseHead(head, fields);
  }
  if (refusal_ != Refusal::kNone) {
    state_ = State::kRefused;
    return {Event::kRefused, taken, {}};
  }
  state_ = State::kBodyStart;
  return {Event::kHead, taken, {}};
}

inline const char* RequestParser::Refuse(const char* p, Refusal refusal) {
  refusal_ = refusal;
  return p;
}

// A CR where the line must not end. If it does not end there either, the CR is a bare one.
inline const char* RequestParser::StrayCr(const char* p, const char* end, Refusal refusal) {
  stray_cr_ = refusal;
  state_ = State::kStrayCr;
  return ScreenStrayCr(p + 1, end);
}

const char* RequestParser::ScreenStrayCr(const char* p, const char* end) {
  return p == end ? p : Refuse(p, *p == '\n' ? stray_cr_ : Refusal::kBareCr);
}

// Returns behind the last byte that was taken: `end`; or the one that is refused; or behind the head.
inline const char* RequestParser::ScreenHead(const char* head, const char* p, const char* end) {
  if (state_ < State::kFieldStart) {
    p = ScreenRequestLine(head, p, end);
    if (state_ != State::kFieldStart || refusal_ != Refusal::kNone) return p;
  }
  const auto room = static_cast<size_t>(limits_->fields_bytes - (static_cast<uint32_t>(p - head) - section_));
  return ScreenFields(p, static_cast<size_t>(end - p) > room ? p + room : end, end);
}

inline const char* RequestParser::ScreenRequestLine(const char* head, const char* p, const char* end) {
  while (p != end && state_ <= State::kLeadingLf) {
    if (state_ == State::kLeadingLf) {
      if (*p != '\n') return Refuse(p, Refusal::kBareCr);
      state_ = State::kLeading;
      ++p;
    } else if (*p == '\r') {
      if (empty_lines_ == kEmptyLines) return Refuse(p, Refusal::kMethod);
      ++empty_lines_;
      state_ = State::kLeadingLf;
      ++p;
    } else {
      section_ = static_cast<uint16_t>(p - head);
      state_ = State::kMethod;
    }
  }
  if (p == end) return p;
  if (state_ == State::kStrayCr) return ScreenStrayCr(p, end);

  const char* const line = head + section_;
  const size_t room = limits_->request_line_bytes - std::min<size_t>(limits_->request_line_bytes,
                                                                    static_cast<size_t>(p - line));
  const char* const bound = static_cast<size_t>(end - p) > room ? p + room : end;
  switch (state_) {
    case State::kMethod: {
      p = Skip<kTokenByte>(p, bound);
      if (p == end) return p;
      if (p == bound && *p != '\r') return Refuse(p, Refusal::kRequestLineTooLong);
      if (*p == '\r') return StrayCr(p, end, Refusal::kTarget);
      if (*p != ' ') return Refuse(p, OfByte(*p, Refusal::kMethod));
      const std::string_view name(line, static_cast<size_t>(p - line));
      const std::optional<Method> method = FindMethod(name);
      if (!method) return Refuse(p, Refusal::kMethod);
      head_.method = *method;
      head_.method_bytes = static_cast<uint16_t>(name.size());
      ++p;
      head_.target = static_cast<uint16_t>(p - head);
      state_ = State::kTarget;
      [[fallthrough]];
    }
    case State::kTarget: {
      p = Skip<kTargetByte>(p, bound);
      if (p == end) return p;
      if (p == bound && *p != '\r') return Refuse(p, Refusal::kRequestLineTooLong);
      head_.target_bytes = static_cast<uint16_t>(p - head - head_.target);
      if (*p == '\r') return StrayCr(p, end, head_.target_bytes == 0 ? Refusal::kTarget : Refusal::kNoHttp);
      if (*p != ' ') return Refuse(p, OfByte(*p, Refusal::kTarget));
      if (head_.target_bytes == 0) return Refuse(p, Refusal::kTarget);
      ++p;
      state_ = State::kVersion;
      [[fallthrough]];
    }
    case State::kVersion: {
      const char* const version = head + head_.target + head_.target_bytes + 1;
      // What nearly all of them are, at once; what is left of it byte by byte.
      if (p == version && bound - p >= kVersionBytes && std::memcmp(p, kVersion.data(), kVersion.size()) == 0 &&
          (p[7] == '0' || p[7] == '1')) {
        p += kVersionBytes;
      }
      for (;; ++p) {
        if (p == end) return p;
        const auto place = static_cast<int>(p - version);
        if (p == bound && *p != '\r') return Refuse(p, Refusal::kRequestLineTooLong);
        if (place == kVersionBytes && *p == '\r') break;
        if (*p == '\r') return StrayCr(p, end, Refusal::kNoHttp);
        const bool right = place < kVersionBytes - 1
                               ? *p == kVersion[static_cast<size_t>(place)]
                               : place < kVersionBytes && (*p == '0' || *p == '1');
        if (!right) return Refuse(p, OfVersionByte(*p, place));
      }
      head_.minor = static_cast<uint8_t>(p[-1] - '0');
      ++p;
      state_ = State::kRequestLineLf;
      [[fallthrough]];
    }
    default:  // kRequestLineLf
      if (p == end) return p;
      if (*p != '\n') return Refuse(p, Refusal::kBareCr);
      if (const Refusal refusal = CheckRequestLine(head, head_); refusal != Refusal::kNone) return Refuse(p, refusal);
      ++p;
      section_ = static_cast<uint16_t>(p - head);
      state_ = State::kFieldStart;
      return p;
  }
}

// Lines of fields, the head's or trailers, up to and with the empty one. `bound`: where their limit is, or `end`.
inline const char* RequestParser::ScreenFields(const char* p, const char* bound, const char* end) {
  for (;;) {
    switch (state_) {
      case State::kFieldStart:
        if (p == end) return p;
        if (*p == '\r') {
          ++p;
          state_ = State::kFieldsEndLf;
          continue;
        }
        if (p == bound) return Refuse(p, Refusal::kFieldsTooLarge);
        if (*p == ' ' || *p == '\t') return Refuse(p, Refusal::kObsFold);
        // The second bound is memory's: the caller has room for so many.
        if (lines_ == std::min(limits_->fields, kFieldsMax)) return Refuse(p, Refusal::kTooManyFields);
        if (!Is(*p, kTokenByte)) return Refuse(p, OfByte(*p, Refusal::kFieldName));
        ++lines_;
        state_ = State::kFieldName;
        [[fallthrough]];
      case State::kFieldName:
        p = Skip<kTokenByte>(p, bound);
        if (p == end) return p;
        if (p == bound) return Refuse(p, Refusal::kFieldsTooLarge);
        if (*p != ':') {
          if (*p == '\r') return StrayCr(p, end, Refusal::kFieldName);
          if (*p == ' ' || *p == '\t') return Refuse(p, Refusal::kSpaceBeforeColon);
          return Refuse(p, OfByte(*p, Refusal::kFieldName));
        }
        ++p;
        state_ = State::kFieldValue;
        [[fallthrough]];
      case State::kFieldValue:
        p = Skip<kValueByte>(p, bound);
        if (p == end) return p;
        if (p == bound) return Refuse(p, Refusal::kFieldsTooLarge);
        if (*p != '\r') return Refuse(p, OfByte(*p, Refusal::kControlByte));
        ++p;
        state_ = State::kFieldLf;
        [[fallthrough]];
      case State::kFieldLf:
        if (p == end) return p;
        if (p == bound) return Refuse(p, Refusal::kFieldsTooLarge);
        if (*p != '\n') return Refuse(p, Refusal::kBareCr);
        ++p;
        state_ = State::kFieldStart;
        continue;
      case State::kStrayCr:
        return ScreenStrayCr(p, end);
      default:  // kFieldsEndLf
        if (p == end) return p;
        if (*p != '\n') return Refuse(p, Refusal::kBareCr);
        state_ = State::kHeadComplete;
        return p + 1;
    }
  }
}

Refusal RequestParser::ParseHead(const char* head, Field* fields) {
  Found found{head, fields, 0};
  const char* const begin = head + head_.method_at();
  const char* const end = head + seen_bytes_;
  llhttp_init(&parser_, HTTP_REQUEST, &kHeadSettings);
  parser_.data = &found;
  const int error = llhttp_execute(&parser_, begin, static_cast<size_t>(end - begin));
  parser_.data = nullptr;
  const bool parsed = error == HPE_PAUSED && llhttp_get_error_pos(&parser_) == end && found.count == lines_;
  head_.fields = parsed ? lines_ : SplitLines(head, head + section_, end, fields);
  if (const Refusal refusal = CheckFields(head, fields, head_); refusal != Refusal::kNone) return refusal;
  if (!parsed) return OfLlhttp(error);
  // Both must have read the same framing.
  const bool chunked = (parser_.flags & F_CHUNKED) != 0;
  if (chunked != head_.chunked) return Refusal::kCoding;
  if (!chunked && parser_.content_length != head_.length) return Refusal::kLength;
  if (chunked) {
    parser_.settings = const_cast<llhttp_settings_t*>(&kBodySettings);
    llhttp_resume(&parser_);
  }
  return Refusal::kNone;
}

RequestParser::Step RequestParser::FeedBody(std::string_view bytes) {
  if (state_ == State::kBodyStart) {
    state_ = !head_.has_body ? State::kDone : head_.chunked ? State::kChunkSize : State::kSized;
    if (state_ == State::kSized) {
      if (head_.length > body_left_) {
        refusal_ = Refusal::kBodyTooLarge;
        state_ = State::kRefused;
      }
      chunk_left_ = head_.length;
    }
  }
  if (state_ == State::kRefused) return {Event::kRefused, 0, {}};
  if (state_ == State::kDone) return {Event::kDone, 0, {}};
  if (state_ == State::kSized) {
    if (bytes.empty()) return {Event::kMore, 0, {}};
    const std::string_view piece = bytes.substr(0, static_cast<size_t>(std::min<uint64_t>(chunk_left_, bytes.size())));
    chunk_left_ -= piece.size();
    if (chunk_left_ == 0) state_ = State::kDone;
    return {Event::kBody, static_cast<uint32_t>(piece.size()), piece};
  }
  return FeedChunks(bytes);
}

RequestParser::Step RequestParser::FeedChunks(std::string_view bytes) {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  const char* p = state_ == State::kChunkData ? begin : ScreenChunks(begin, end);
  const auto refuse = [this, begin, &p](Refusal refusal) -> Step {
    refusal_ = refusal;
    state_ = State::kRefused;
    return {Event::kRefused, static_cast<uint32_t>(p - begin), {}};
  };
  // What llhttp refuses is in front of what the screen does.
  const int error = llhttp_execute(&parser_, begin, static_cast<size_t>(p - begin));
  const bool complete = state_ == State::kHeadComplete;  // the trailers'
  if (error != (complete ? HPE_PAUSED : HPE_OK)) {
    if (error != HPE_OK) p = llhttp_get_error_pos(&parser_);
    return refuse(OfLlhttp(error));
  }
  if (refusal_ != Refusal::kNone) return refuse(refusal_);
  if (complete) {
    if (llhttp_get_error_pos(&parser_) != p) return refuse(Refusal::kChunkEnd);
    state_ = State::kDone;
    return {Event::kDone, static_cast<uint32_t>(p - begin), {}};
  }
  if (state_ != State::kChunkData) return {Event::kMore, static_cast<uint32_t>(p - begin), {}};
  // Both must have read the same size.
  if (parser_.content_length != chunk_left_) return refuse(Refusal::kChunkSize);
  const std::string_view piece(p, static_cast<size_t>(std::min<uint64_t>(chunk_left_, static_cast<size_t>(end - p))));
  if (piece.empty()) return {Event::kMore, static_cast<uint32_t>(p - begin), {}};
  if (llhttp_execute(&parser_, piece.data(), piece.size()) != HPE_OK) return refuse(Refusal::kChunkEnd);
  chunk_left_ -= piece.size();
  if (chunk_left_ == 0) state_ = State::kChunkDataCr;
  p += piece.size();
  return {Event::kBody, static_cast<uint32_t>(p - begin), piece};
}

// Goes over what is between the chunks' bytes. Returns at a chunk's first byte, at one that is refused, behind the
// message, or at `end`.
const char* RequestParser::ScreenChunks(const char* p, const char* end) {
  while (p != end) {
    switch (state_) {
      case State::kChunkDataCr:
        if (*p != '\r') return Refuse(p, *p == '\n' ? Refusal::kBareLf : Refusal::kChunkEnd);
        ++p;
        state_ = State::kChunkDataLf;
        continue;
      case State::kChunkDataLf:
        if (*p != '\n') return Refuse(p, Refusal::kChunkEnd);
        ++p;
        digits_ = 0;
        state_ = State::kChunkSize;
        continue;
      case State::kChunkSize:
        if (Is(*p, kHexByte)) {
          if (digits_ == kChunkDigitsMax) return Refuse(p, Refusal::kChunkSize);
          const auto digit = static_cast<uint64_t>(*p <= '9' ? *p - '0' : (*p | 0x20) - 'a' + 10);
          chunk_left_ = digits_ == 0 ? digit : chunk_left_ << 4 | digit;
          ++digits_;
          ++p;
          continue;
        }
        if (*p == '\r') {
          if (digits_ == 0) return Refuse(p, Refusal::kChunkSize);
          ++p;
          state_ = State::kChunkSizeLf;
          continue;
        }
        if (*p != ';' || digits_ == 0) {
          return Refuse(p, *p == '\t' ? Refusal::kChunkSize : OfByte(*p, Refusal::kChunkSize));
        }
        extension_bytes_ = 0;
        state_ = State::kChunkExtension;
        continue;
      case State::kChunkExtension: {
        const uint32_t room = std::min(limits_->chunk_extension_bytes - extension_bytes_,
                                       limits_->chunk_extensions_bytes - extensions_bytes_);
        const char* const bound = static_cast<size_t>(end - p) > room ? p + room : end;
        const char* const stop = Skip<kValueByte>(p, bound);
        extension_bytes_ += static_cast<uint32_t>(stop - p);
        extensions_bytes_ += static_cast<uint32_t>(stop - p);
        p = stop;
        if (p == end) continue;
        if (*p == '\r') {
          ++p;
          state_ = State::kChunkSizeLf;
          continue;
        }
        if (p == bound) return Refuse(p, Refusal::kChunkExtension);
        return Refuse(p, OfByte(*p, Refusal::kControlByte));
      }
      case State::kChunkSizeLf:
        if (*p != '\n') return Refuse(p, Refusal::kBareCr);
        if (chunk_left_ > body_left_) return Refuse(p, Refusal::kBodyTooLarge);
        ++p;
        if (chunk_left_ != 0) {
          body_left_ -= chunk_left_;
          state_ = State::kChunkData;
          return p;
        }
        trailers_ = true;
        section_ = 0;
        lines_ = 0;
        state_ = State::kFieldStart;
        continue;
      default: {  // trailers
        const size_t room = limits_->fields_bytes - section_;
        const char* const begin = p;
        p = ScreenFields(p, static_cast<size_t>(end - p) > room ? p + room : end, end);
        section_ = static_cast<uint16_t>(section_ + (p - begin));
        return p;
      }
    }
  }
  return p;
}

}  // namespace mooring::server::http
