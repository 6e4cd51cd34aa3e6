// SPDX-License-Identifier: Apache-2.0
// ResponseParser: one response out of a stream of bytes, cut anywhere: its head, then its body, piece by piece.
//
// A screen looks at every byte of the framing and refuses what could be read in two ways, because whoever believes one
// reading gives the rest of the bytes to the next one who asks; llhttp in its strict mode then has to agree with it, head
// and chunks. The verdict is the same however the bytes are cut.
//
//   head ──complete──> body ──last byte, or End() where the connection's end is the body's──> done
//     └──────────────────┴── anything against the rules ──> refused: read nothing more as a response
//
// Whether a response has a body depends on the request's method: Reset is told. A 1xx is a response of its own, without a
// body: Reset and go on.
//
// Threads:  one at a time.
// Owns:     nothing but its state.
// Limits:   Limits. Work is linear in the bytes fed.
#ifndef MOORING_SERVER_HTTP_RESPONSE_PARSER_H_
#define MOORING_SERVER_HTTP_RESPONSE_PARSER_H_

#include <cstdint>
#include <string_view>

#include "llhttp.h"
#include "server/http/fields.h"
#include "server/http/method.h"
#include "server/http/refusal.h"

namespace mooring::server::http {

class ResponseParser {
 public:
  static constexpr uint32_t kFieldsMax = 256;          // no limit may be higher
  static constexpr uint32_t kHeadBytesMax = 60 << 10;  // likewise: places in a head are 16 bits

  struct Limits {
    uint32_t head_bytes = 16 << 10;             // status line and fields. Trailers too, for themselves
    uint32_t fields = 100;                      // likewise
    uint32_t chunk_extension_bytes = 256;       // of one chunk
    uint32_t chunk_extensions_bytes = 4 << 10;  // of a message
  };

  enum class Event : uint8_t {
    kMore,     // all was taken, and nothing is complete
    kHead,     // the head is complete: head() and the fields are there. `taken` ends behind its empty line
    kBody,     // `body` has a piece of the content, inside the bytes that were fed
    kDone,     // the message is complete; what follows is not its
    kRefused,  // see refusal(); for good
  };
  struct Step {
    Event event;
    uint32_t taken;         // of the bytes fed
    std::string_view body;  // kBody
  };

  struct Head {
    uint16_t status = 0;
    uint8_t minor = 1;        // of HTTP/1.x: 0 or 1
    bool keep_alive = false;  // the server will answer again on this connection
    bool chunked = false;
    bool until_end = false;   // the body ends with the connection
    bool has_length = false;  // Content-Length was there: `length`
    bool has_body = false;    // content may follow
    uint16_t fields = 0;      // how many
    uint64_t length = 0;      // of the content; to HEAD and in a 304: of what GET would give
  };

  // `limits` outlives the parser.
  explicit ResponseParser(const Limits* limits);

  // Begins the next response, to a request of that method.
  void Reset(Method method);

  // `all` is all of the head that has come, from its first byte on, each time more: where it is kept may change. `fields`
  // has as many as limits->fields, the same ones until the head is there. kMore, kHead or kRefused.
  Step FeedHead(std::string_view all, Field* fields);
  // What follows the head: takes bytes until there is a piece or an end; without a body kDone at once. Feed the rest next.
  Step FeedBody(std::string_view bytes);
  // The connection has ended. True when the message is complete thereby.
  bool End() const { return state_ == State::kUntilEnd; }

  const Head& head() const { return head_; }
  Refusal refusal() const { return refusal_; }
  // Something of a response has come.
  bool begun() const { return at_ != 0 || state_ != State::kStatusLine; }

 private:
  enum class State : uint8_t {
    kStatusLine,
    kStatusLineCr,
    // Of the head, and of trailers.
    kFieldStart,
    kName,
    kValue,
    kValueCr,
    kEndCr,
    // Of the body.
    kSized,
    kUntilEnd,
    kChunkSize,
    kChunkExtension,
    kChunkSizeCr,
    kChunkBytes,
    kChunkEnd,
    kChunkEndCr,
    kDone,
    kRefused,
  };
  // What a byte does to the state: an error, or none.
  Refusal OnStatusLine(char c);
  Refusal OnField(char c);
  Refusal OnChunkLine(char c);
  Refusal OnHeadEnd(std::string_view head, const Field* fields);
  Refusal Frame(const Fields& fields);
  // Whether llhttp takes these bytes, and as much content in them.
  bool Agrees(std::string_view bytes, uint64_t content);
  Step Refuse(Refusal refusal, uint32_t taken);

  const Limits* limits_;
  Method method_ = Method::kGet;
  State state_ = State::kStatusLine;
  Refusal refusal_ = Refusal::kNone;
  bool trailers_ = false;
  uint8_t digits_ = 0;             // of the chunk's size
  uint32_t at_ = 0;                // bytes of the head, or of the trailers
  uint32_t extension_bytes_ = 0;   // of the chunk
  uint32_t extensions_bytes_ = 0;  // of the message
  uint32_t fields_ = 0;
  uint64_t left_ = 0;              // of the content, or of the chunk
  Field field_;                    // being read
  Head head_;
  llhttp_t second_;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_RESPONSE_PARSER_H_
