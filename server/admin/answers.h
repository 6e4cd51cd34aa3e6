// SPDX-License-Identifier: Apache-2.0
// Answers of the admin interface: JSON that cannot fail to be written, and errors that say what to do.
//
// Threads:  none; functions.
#ifndef MOORING_SERVER_ADMIN_ANSWERS_H_
#define MOORING_SERVER_ADMIN_ANSWERS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "server/http/response.h"

namespace mooring::server::admin {

using Json = nlohmann::ordered_json;  // fields in the order in which they are said

// RFC 3339, in UTC, of seconds since 1970.
std::string TimeText(int64_t wall_s);
// On one line; bytes that are no UTF-8 become U+FFFD.
std::string TextOf(const Json& json);
// With a newline behind it, for terminals.
http::Response Answer(int status, const Json& json);
// {"error": why}
http::Response Error(int status, std::string_view why);
// 400, 404, 409, ...: what the code of `status` means to who asked. REQUIRES: not ok.
http::Response Error(const absl::Status& status);

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_ANSWERS_H_
