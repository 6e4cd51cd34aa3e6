// SPDX-License-Identifier: Apache-2.0
// RequestParser: one request out of a stream of bytes, cut anywhere: its head, then its body, piece by piece.
//
// llhttp in its strict mode parses; a screen before it refuses what RFC 9112 lets be read in two ways and what llhttp
// would still let pass (docs/HTTP.md has the table). The verdict is the same however the bytes are cut.
//
//   kHead ──head complete──> kBody ──last byte──> kDone
//     └───────────┴── anything against the rules ──> kRefused: read nothing more as a request
//
//   RequestParser parser(limits);
//   Step step = parser.Feed(bytes, fields);      // fields: kFieldsMax, the caller's, the same until the head is there
//
// Until the head is complete the caller keeps all its bytes together, the first one first (in the block they came in,
// or copied behind each other), because what the parser knows of it are places from there: the bytes fed stand right
// behind those of the same head that were fed before. Of a body each piece may be anywhere. The parser itself may be
// copied and moved freely between two calls.
//
// Which refusal it is, where there are several, is decided by the bytes' order: a byte that must not be where it is,
// and a limit, is refused with that byte; a form of the request line with its LF; a rule about the whole head with its
// last LF, in the order of Refusal's framing, Host, Expect, Upgrade; a body's length with the first call behind the
// head.
//
// Threads:  one at a time.
// Owns:     nothing but its state, at most 192 bytes.
// Limits:   Limits. Work is linear in the bytes fed.
#ifndef MOORING_SERVER_HTTP_REQUEST_PARSER_H_
#define MOORING_SERVER_HTTP_REQUEST_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "llhttp.h"
#include "server/http/fields.h"
#include "server/http/method.h"
#include "server/http/refusal.h"

namespace mooring::server::http {

class RequestParser {
 public:
  static constexpr uint32_t kFieldsMax = 256;  // no limit may be higher
  static constexpr uint32_t kHeadBytesMax = 60 << 10;  // likewise, request line and fields together

  struct Limits {
    uint32_t request_line_bytes = 8 << 10;  // without its CRLF. nginx and Apache have the same
    uint32_t fields_bytes = 16 << 10;       // all lines with their CRLFs. Node. Trailers too, for themselves
    uint32_t fields = 100;                  // hyper, Apache
    uint32_t chunk_extension_bytes = 256;   // of one chunk
    uint32_t chunk_extensions_bytes = 4 << 10;  // of a message
    uint64_t body_bytes = 1 << 20;          // nginx. Of the content, without the framing
  };

  enum class Event : uint8_t {
    kMore,     // all was taken, and nothing is complete
    kHead,     // the head is complete: head() and the fields are there. `taken` ends behind its empty line
    kBody,     // `body` has a piece of the content, inside the bytes that were fed
    kDone,     // the message is complete; what follows is the next one. Behind kHead and behind kBody it needs no byte:
               // feed again, even nothing
    kRefused,  // see refusal(); for good
  };
  struct Step {
    Event event;
    uint32_t taken;         // of the bytes fed: feed the rest next
    std::string_view body;  // kBody
  };

  // What a complete head says. Places are from the request's first byte.
  struct Head {
    Method method = Method::kGet;
    uint8_t minor = 1;             // of HTTP/1.x: 0 or 1
    bool keep_alive = false;       // the client would use the connection again (RFC 9112, section 9.3)
    bool chunked = false;
    bool expects_continue = false; // `Expect: 100-continue` in HTTP/1.1, with a body
    bool upgrade = false;          // `Connection: upgrade` and an Upgrade field, in a GET of HTTP/1.1 without body
    bool has_body = false;         // chunked, or a length that is not 0
    uint16_t method_bytes = 0;     // see method_at()
    uint16_t target = 0;
    uint16_t target_bytes = 0;
    uint16_t path = 0;             // of the target, without its query; "*" for asterisk-form; the whole target for
    uint16_t path_bytes = 0;       // authority-form; where an absolute-form one has no path, 0 bytes: "/"
    uint16_t query = 0;            // behind the '?'; 0 bytes where there is none
    uint16_t query_bytes = 0;
    uint16_t fields = 0;           // how many
    uint64_t length = 0;           // of the content; 0 where it is chunked

    // The method's place: 0, unless empty lines came before it.
    uint16_t method_at() const { return static_cast<uint16_t>(target - 1 - method_bytes); }
  };

  RequestParser() : RequestParser(nullptr) {}
  // `limits` outlives the parser.
  explicit RequestParser(const Limits* limits);

  // Begins the next request.
  void Reset();

  // Takes bytes until something is complete. Empty lines before a request line are skipped (RFC 9112, section 2.2), at
  // most kEmptyLines, and are part of the head's bytes. REQUIRES: not kDone, not kRefused; `fields` has kFieldsMax.
  Step Feed(std::string_view bytes, Field* fields);
  static constexpr uint32_t kEmptyLines = 4;

  const Head& head() const { return head_; }
  Refusal refusal() const { return refusal_; }
  // Something of a request has come.
  bool begun() const { return begun_; }
  // The body's limit of this request, where it has another than the service's: between kHead and the next Feed, which
  // is where a Content-Length beyond it is refused.
  void LimitBody(uint64_t bytes) { body_left_ = bytes; }

 private:
  enum class State : uint8_t {
    kLeading,  // before a request line
    kLeadingLf,
    kMethod,
    kTarget,
    kVersion,
    kRequestLineLf,
    kStrayCr,  // in a line that must not end there
    kFieldStart,  // from here to kFieldsEndLf in trailers too
    kFieldName,
    kFieldValue,
    kFieldLf,
    kFieldsEndLf,
    kHeadComplete,
    kBodyStart,
    kSized,
    kChunkSize,
    kChunkExtension,
    kChunkSizeLf,
    kChunkData,
    kChunkDataCr,
    kChunkDataLf,
    kDone,
    kRefused,
  };

  const char* Refuse(const char* p, Refusal refusal);
  const char* StrayCr(const char* p, const char* end, Refusal refusal);
  const char* ScreenStrayCr(const char* p, const char* end);
  const char* ScreenHead(const char* head, const char* p, const char* end);
  const char* ScreenRequestLine(const char* head, const char* p, const char* end);
  const char* ScreenFields(const char* p, const char* bound, const char* end);
  const char* ScreenChunks(const char* p, const char* end);
  Refusal ParseHead(const char* head, Field* fields);
  Step FeedBody(std::string_view bytes);
  Step FeedChunks(std::string_view bytes);

  const Limits* limits_;
  uint64_t body_left_;         // of the limit
  uint64_t chunk_left_;        // of the chunk, or of a sized body
  uint32_t seen_bytes_;        // of the head
  uint32_t extension_bytes_;   // of the chunk's
  uint32_t extensions_bytes_;  // of all
  uint16_t section_;           // where the request line or the fields begin; in trailers: bytes of them
  uint16_t lines_;             // fields that have begun
  uint8_t digits_;             // of the chunk's size
  uint8_t empty_lines_;
  State state_;
  Refusal refusal_;
  Refusal stray_cr_;           // if the CR that was seen ends the line
  bool trailers_;
  bool begun_;
  Head head_;
  // Not before a head is complete: llhttp sees heads whole. Then it holds the place in a chunked body.
  llhttp_t parser_;
};

static_assert(sizeof(RequestParser) <= 192);
static_assert(std::is_trivially_copyable_v<RequestParser>);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_REQUEST_PARSER_H_
