// SPDX-License-Identifier: Apache-2.0
// Conditional requests: what If-Match and its like make of an answer (RFC 9110, section 13), in that section's order.
//
//   Conditions conditions(request.fields());                      // one look at the fields
//   switch (conditions.Evaluate({.etag = etag, .modified_s = s}, time(nullptr))) { ... }
//
// Threads:  a value, for as long as the request's fields.
#ifndef MOORING_SERVER_HTTP_CONDITIONAL_H_
#define MOORING_SERVER_HTTP_CONDITIONAL_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/http/fields.h"

namespace mooring::server::http {

// Of the representation that was selected.
struct Validators {
  std::string_view etag = {};                  // strong, with its quotes; empty: none
  std::optional<int64_t> modified_s = {};      // since 1970; none: not known
};

enum class Verdict : uint8_t {
  kGoOn,                // 200, or a part
  kNotModified,         // 304
  kPreconditionFailed,  // 412
};

class Conditions {
 public:
  // For GET and HEAD of something that exists.
  explicit Conditions(const Fields& fields);

  // `now` is for dates with two digits of a year.
  Verdict Evaluate(const Validators& validators, int64_t now) const;
  // The value of Range, where it is there once and If-Range does not take it back. A date in If-Range, which may be true
  // of two contents of one second, always does.
  std::optional<std::string_view> RangeFor(const Validators& validators) const;
  // Nothing of all that: the usual request.
  bool none() const { return seen_ == 0; }

 private:
  enum Seen : uint8_t {
    kIfMatch = 1,
    kIfNoneMatch = 2,
    kIfModifiedSince = 4,
    kIfUnmodifiedSince = 8,
    kIfRange = 16,
    kRange = 32,
    kSeveralRanges = 64,
  };

  const Fields* fields_;
  uint8_t seen_ = 0;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_CONDITIONAL_H_
