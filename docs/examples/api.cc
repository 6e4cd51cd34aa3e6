// SPDX-License-Identifier: Apache-2.0
// api: JSON out of JSON: /weather/{city} asks another server for figures and says what they mean. It answers 502 when
// that server does not answer as it should, and 504 when it takes too long.
//
//   api --listen=127.0.0.1:8081 &              # the one that is asked, for /measured/{city}; any HTTP server will do
//   api --station=127.0.0.1:8081 &
//   curl -i http://127.0.0.1:8080/weather/oslo
#include <nlohmann/json.hpp>
#include <string>

#include "absl/flags/flag.h"
#include "mooring/mooring.h"

using namespace mooring;
using nlohmann::json;

ABSL_FLAG(std::string, station, "127.0.0.1:8081", "who has measured: HOST:PORT");

struct Station {  // each shard has connections of its own, which are used again and again
  HttpClient http{{.target = absl::GetFlag(FLAGS_station)}};
};

Response Failed(int status, const std::string& why) {
  return Response::Json(json{{"error", why}}.dump() + "\n").Status(status);
}

Task<Response> Weather(Request& request) {
  // As the client has sent it: percent-encoded where it must be.
  const std::string target = "/measured/" + std::string(request.RawParam("city"));
  const auto got = co_await Local<Station>().http.Get(target, {.deadline = Seconds(2)});
  if (!got) co_return Failed(got.expired() ? 504 : 502, got.Explain());
  if (got.status() == 404) co_return Failed(404, "nobody measures there");
  const json measured = json::parse(got.body(), nullptr, /*allow_exceptions=*/false);
  const auto celsius = measured.find("celsius");
  if (got.status() != 200 || celsius == measured.end() || !celsius->is_number()) {
    co_return Failed(502, "the station does not say how warm it is");
  }
  const double warm = *celsius;
  const char* const feels = warm < 5 ? "cold" : warm < 25 ? "fine" : "hot";
  co_return Response::Json(json{{"celsius", warm}, {"feels", feels}}.dump() + "\n");
}

Response Measured(const Request& request) {
  static const json figures = {{"oslo", -3.5}, {"berlin", 11}, {"cairo", 31.5}};
  const auto city = figures.find(request.Param("city"));
  if (city == figures.end()) return Response::Plain(404);
  return Response::Json(json{{"celsius", *city}}.dump() + "\n");
}

int main(int argc, char** argv) {
  Router router;
  router.Get("/weather/{city}", Weather).Get("/measured/{city}", Measured);
  return Server(argc, argv).PerShard<Station>().Listen("tcp://127.0.0.1:8080", Http(router)).Run();
}
