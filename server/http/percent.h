// SPDX-License-Identifier: Apache-2.0
// Percent: percent-decoding (RFC 3986, section 2.1), once, of what a client wrote into a target.
//
// Threads:  none; a function.
#ifndef MOORING_SERVER_HTTP_PERCENT_H_
#define MOORING_SERVER_HTTP_PERCENT_H_

#include <optional>
#include <string>
#include <string_view>

namespace mooring::server::http {

// `text` with each %XX as the byte it stands for, NUL and '/' too: what they mean is for the caller to say. None where
// a '%' is not followed by two hexadecimal digits. `plus_is_space`: '+' is a space, as in the fields of a form.
std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space = false);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_PERCENT_H_
