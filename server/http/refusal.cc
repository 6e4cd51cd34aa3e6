// SPDX-License-Identifier: Apache-2.0
#include "server/http/refusal.h"

namespace mooring::server::http {

std::string_view Name(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone: return "none";
    case Refusal::kMethod: return "method";
    case Refusal::kTarget: return "target";
    case Refusal::kRequestLineTooLong: return "request_line_too_long";
    case Refusal::kVersion: return "version";
    case Refusal::kNoHttp: return "no_http";
    case Refusal::kBareLf: return "bare_lf";
    case Refusal::kBareCr: return "bare_cr";
    case Refusal::kControlByte: return "control_byte";
    case Refusal::kObsFold: return "obs_fold";
    case Refusal::kSpaceBeforeColon: return "space_before_colon";
    case Refusal::kFieldName: return "field_name";
    case Refusal::kFieldsTooLarge: return "fields_too_large";
    case Refusal::kTooManyFields: return "too_many_fields";
    case Refusal::kHost: return "host";
    case Refusal::kHostMismatch: return "host_mismatch";
    case Refusal::kExpect: return "expect";
    case Refusal::kUpgradeBody: return "upgrade_body";
    case Refusal::kLengthAndCoding: return "length_and_coding";
    case Refusal::kLengthRepeated: return "length_repeated";
    case Refusal::kLength: return "length";
    case Refusal::kUnknownCoding: return "unknown_coding";
    case Refusal::kCoding: return "coding";
    case Refusal::kChunkSize: return "chunk_size";
    case Refusal::kChunkExtension: return "chunk_extension";
    case Refusal::kChunkEnd: return "chunk_end";
    case Refusal::kBodyTooLarge: return "body_too_large";
    case Refusal::kHeadDeadline: return "head_deadline";
    case Refusal::kBodyDeadline: return "body_deadline";
    case Refusal::kBodyTooSlow: return "body_too_slow";
    case Refusal::kCount: break;
  }
  return "?";
}

std::string_view Explain(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone: return "nothing is wrong";
    case Refusal::kMethod: return "the method is none that is registered";
    case Refusal::kTarget: return "the request target has a byte or a form that it must not have";
    case Refusal::kRequestLineTooLong: return "the request line is too long";
    case Refusal::kVersion: return "the HTTP version is neither 1.0 nor 1.1";
    case Refusal::kNoHttp: return "the request line has no HTTP version";
    case Refusal::kBareLf: return "a line ends with LF without CR";
    case Refusal::kBareCr: return "a CR is not followed by LF";
    case Refusal::kControlByte: return "a line has a control byte";
    case Refusal::kObsFold: return "a header field goes on in the next line";
    case Refusal::kSpaceBeforeColon: return "there is whitespace in or behind the name of a header field";
    case Refusal::kFieldName: return "the name of a header field is not a token";
    case Refusal::kFieldsTooLarge: return "the header fields are too large";
    case Refusal::kTooManyFields: return "there are too many header fields";
    case Refusal::kHost: return "the Host field is missing, repeated or invalid";
    case Refusal::kHostMismatch: return "the Host field names another host than the request target";
    case Refusal::kExpect: return "no expectation but 100-continue can be met";
    case Refusal::kUpgradeBody: return "a request to change the protocol must not have a body";
    case Refusal::kLengthAndCoding: return "Content-Length and Transfer-Encoding exclude each other";
    case Refusal::kLengthRepeated: return "there is more than one Content-Length";
    case Refusal::kLength: return "the Content-Length is not a number of bytes";
    case Refusal::kUnknownCoding: return "the transfer coding is unknown";
    case Refusal::kCoding: return "Transfer-Encoding must be exactly chunked, in HTTP/1.1";
    case Refusal::kChunkSize: return "a chunk's size is not a hexadecimal number of at most 16 digits";
    case Refusal::kChunkExtension: return "a chunk's extensions are invalid or too long";
    case Refusal::kChunkEnd: return "a chunk does not end with CRLF";
    case Refusal::kBodyTooLarge: return "the body is too large";
    case Refusal::kHeadDeadline: return "the request did not come in time";
    case Refusal::kBodyDeadline: return "the body did not come in time";
    case Refusal::kBodyTooSlow: return "the body comes too slowly";
    case Refusal::kCount: break;
  }
  return "?";
}

}  // namespace mooring::server::http
