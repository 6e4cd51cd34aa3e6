// SPDX-License-Identifier: Apache-2.0
// HTTP dates: "Sun, 06 Nov 1994 08:49:37 GMT", written in that one form and read in the three that there are (RFC 9110,
// section 5.6.7). Seconds are since 1970, in UTC, without leap seconds, as time(2) gives them.
//
// Threads:  none; functions. Neither a locale nor a time zone has a say.
#ifndef MOORING_SERVER_HTTP_HTTP_DATE_H_
#define MOORING_SERVER_HTTP_HTTP_DATE_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace mooring::server::http {

inline constexpr uint32_t kHttpDateBytes = 29;

// Exactly kHttpDateBytes, no NUL. What the form cannot say (before the year 0, behind 9999) becomes its nearest second.
void FormatHttpDate(int64_t seconds, char* out);

// None for what is not exactly one date. `now` is for the form with two digits of a year, which means the past where it
// would be more than 50 years ahead. The name of the day has to be one, and is not compared with the date.
std::optional<int64_t> ParseHttpDate(std::string_view text, int64_t now);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_HTTP_DATE_H_
