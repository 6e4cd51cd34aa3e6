// SPDX-License-Identifier: Apache-2.0
#include "server/admin/answers.h"

#include <ctime>

namespace mooring::server::admin {
namespace {

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange: return 400;
    case absl::StatusCode::kNotFound: return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition: return 409;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded: return 503;
    default: return 500;
  }
}

}  // namespace

std::string TimeText(int64_t wall_s) {
  const time_t time = wall_s;
  tm parts = {};
  gmtime_r(&time, &parts);
  char text[32];
  return {text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string TextOf(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

http::Response Answer(int status, const Json& json) {
  return http::Response::Json(TextOf(json) + "\n").Status(status);
}

http::Response Error(int status, std::string_view why) {
  Json json;
  json["error"] = std::string(why);
  return Answer(status, json);
}

http::Response Error(const absl::Status& status) {
  return Error(HttpStatusOf(status.code()), {status.message().data(), status.message().size()});
}

}  // namespace mooring::server::admin
