// SPDX-License-Identifier: Apache-2.0
// Refusal: the one enum of why a request is not served, with the status that says so. Each has a counter.
#ifndef MOORING_SERVER_HTTP_REFUSAL_H_
#define MOORING_SERVER_HTTP_REFUSAL_H_

#include <cstdint>
#include <string_view>

namespace mooring::server::http {

enum class Refusal : uint8_t {
  kNone,
  // The request line.
  kMethod,               // none that is registered, or no token
  kTarget,               // bytes that no target has, a form that the method does not have, a fragment, userinfo
  kRequestLineTooLong,
  kVersion,              // HTTP, but neither 1.0 nor 1.1
  kNoHttp,               // no HTTP version behind the target
  // Line ends and fields.
  kBareLf,
  kBareCr,
  kControlByte,          // NUL and other control bytes in a line
  kObsFold,              // a field that goes on in the next line
  kSpaceBeforeColon,     // or in the name
  kFieldName,            // empty, or bytes that no name has
  kFieldsTooLarge,
  kTooManyFields,
  kHost,                 // missing, repeated or invalid
  kHostMismatch,         // another one in an absolute-form target
  kExpect,               // anything but 100-continue
  kUpgradeBody,          // an upgrade, or a CONNECT, with a body
  // Framing of the body.
  kLengthAndCoding,      // Content-Length with Transfer-Encoding
  kLengthRepeated,       // more than one, a list, equal ones too
  kLength,               // no number, or beyond 2^63
  kUnknownCoding,        // a transfer coding that is none of RFC 9112's
  kCoding,               // Transfer-Encoding is not exactly `chunked`, or stands in HTTP/1.0
  kChunkSize,            // no hexadecimal number, or more than 16 digits
  kChunkExtension,       // over its limit
  kChunkEnd,             // no CRLF behind a chunk's bytes
  kBodyTooLarge,
  // Time.
  kHeadDeadline,
  kBodyDeadline,
  kBodyTooSlow,
  kCount
};

// The status that answers it (RFC 9110, section 15; 431: RFC 6585).
constexpr int StatusOf(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone: return 200;
    case Refusal::kRequestLineTooLong: return 414;
    case Refusal::kVersion: return 505;
    case Refusal::kFieldsTooLarge:
    case Refusal::kTooManyFields: return 431;
    case Refusal::kExpect: return 417;
    case Refusal::kUnknownCoding: return 501;
    case Refusal::kBodyTooLarge: return 413;
    case Refusal::kHeadDeadline:
    case Refusal::kBodyDeadline:
    case Refusal::kBodyTooSlow: return 408;
    default: return 400;
  }
}

// "bare_lf", ...: the label of its counter, and in words what the answer says about it.
std::string_view Name(Refusal refusal);
std::string_view Explain(Refusal refusal);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_REFUSAL_H_
