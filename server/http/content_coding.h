// SPDX-License-Identifier: Apache-2.0
// ContentCoding: how a file may be compressed beforehand, and which of the ways there are a client likes best (RFC 9110,
// section 12.5.3).
//
// Threads:  none; functions.
#ifndef MOORING_SERVER_HTTP_CONTENT_CODING_H_
#define MOORING_SERVER_HTTP_CONTENT_CODING_H_

#include <cstdint>
#include <string_view>

#include "server/http/fields.h"

namespace mooring::server::http {

// In the order in which the server likes them less.
enum class ContentCoding : uint8_t { kIdentity, kGzip, kBrotli };
inline constexpr int kContentCodings = 3;

constexpr std::string_view Name(ContentCoding coding) {
  switch (coding) {
    case ContentCoding::kIdentity: return "identity";
    case ContentCoding::kGzip: return "gzip";
    case ContentCoding::kBrotli: return "br";
  }
  return "?";
}
// Of a file's compressed sibling; empty for the file itself.
constexpr std::string_view SuffixOf(ContentCoding coding) {
  switch (coding) {
    case ContentCoding::kIdentity: return "";
    case ContentCoding::kGzip: return ".gz";
    case ContentCoding::kBrotli: return ".br";
  }
  return "";
}

class ContentCodings {
 public:
  constexpr void Add(ContentCoding coding) { bits_ |= Bit(coding); }
  constexpr bool Has(ContentCoding coding) const { return (bits_ & Bit(coding)) != 0; }
  constexpr bool only_identity() const { return bits_ == Bit(ContentCoding::kIdentity); }

 private:
  static constexpr uint8_t Bit(ContentCoding coding) { return static_cast<uint8_t>(1u << static_cast<int>(coding)); }
  uint8_t bits_ = Bit(ContentCoding::kIdentity);  // which always is
};

// The one of `there` that the Accept-Encoding fields weigh highest, br before gzip where they are equal; a coding that
// they name goes before an identity that they do not. Identity without such a field, and where nothing is acceptable:
// better the file than a 406.
ContentCoding ChooseCoding(const Fields& fields, ContentCodings there);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_CONTENT_CODING_H_
