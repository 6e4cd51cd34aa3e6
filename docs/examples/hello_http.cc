// SPDX-License-Identifier: Apache-2.0
// hello_http: routes of three kinds: a function that answers at once, a coroutine, and one whose answer is a stream.
// What no route has is answered 404.
//
//   curl -i http://127.0.0.1:8080/hello/ada        curl -T a_large_file http://127.0.0.1:8080/echo -X POST
#include <stdexcept>
#include <string>

#include "absl/strings/numbers.h"
#include "mooring/mooring.h"

using namespace mooring;

// At once: it runs inside the turn in which the request came, and costs no coroutine.
Response Hello(const Request& request) { return Response::Text("hello " + request.Param("name") + "\n"); }

// A coroutine may wait, here for a part of a second that the query says.
Task<Response> Wait(Request& request) {
  const std::string ms = request.Query("ms").value_or("100");
  int wait_ms = 0;
  if (!absl::SimpleAtoi(ms, &wait_ms) || wait_ms < 0 || wait_ms > 1000) co_return Response::Plain(400);
  co_await Sleep(Millis(wait_ms));
  co_return Response::Text("waited " + ms + " ms\n");
}

// Sends back what comes, piece by piece: a client that does not read its answer is not read either.
Task<> SendBack(Request* request, BodyWriter* out) {
  for (;;) {
    const BodyPiece piece = co_await request->ReadBody();
    if (piece.end == BodyEnd::kComplete) co_return;
    if (!piece) throw std::runtime_error("a body that was cut: the answer must not look whole");
    if (const bool going = co_await out->Write(*piece); !going) co_return;
  }
}
Task<Response> Echo(Request& request) {
  co_return Response::Stream("application/octet-stream", [&](BodyWriter& out) { return SendBack(&request, &out); });
}

// A filter runs before the routes that are added behind it, and lets them go on or answers for them.
std::optional<Response> NoRobots(Request& request) {
  if (request.Header("User-Agent").find("Robot") == std::string_view::npos) return std::nullopt;
  return Response::Plain(403);
}

int main(int argc, char** argv) {
  Router router;
  router.Use(RequestId()).Use(NoRobots);
  router.Get("/hello/{name}", Hello).Get("/wait", Wait).Post("/echo", Echo, {.body_bytes_max = 1 << 30});
  return Server(argc, argv).Listen("tcp://127.0.0.1:8080", Http(router)).Run();
}
