// SPDX-License-Identifier: Apache-2.0
// Range: which part of a representation a request asks for (RFC 9110, section 14).
//
// Threads:  none; a function.
// Limits:   one range. Several are answered with the whole, as the RFC allows: putting parts together costs more than it
//           gives, and many small ones are a known attack.
#ifndef MOORING_SERVER_HTTP_RANGE_H_
#define MOORING_SERVER_HTTP_RANGE_H_

#include <cstdint>
#include <string_view>

namespace mooring::server::http {

struct Range {
  enum class Kind : uint8_t {
    kWhole,          // no range that is understood: 200
    kPart,           // 206
    kUnsatisfiable,  // 416
  };
  Kind kind = Kind::kWhole;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// What the value of a Range field means for `size` bytes. Another unit, several ranges and what is malformed are kWhole,
// and so is all of an empty representation, of which there is no part to name: some clients ask for a range always.
Range ParseRange(std::string_view value, uint64_t size);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_RANGE_H_
