// SPDX-License-Identifier: Apache-2.0
// hello_http: a Mooring program with one answer of 13 bytes, as nginx's `return 200` is one; and a route that reads a
// body, for clients that are slow to send one.
//
//   bazel-bin/perf/peers/hello_http --listen=127.0.0.1:8080
//
// Threads:  as server::Server.
#include <string>

#include "mooring/mooring.h"
#include "server/http/http_service.h"
#include "server/http/request.h"
#include "server/http/response.h"
#include "server/http/router.h"

using mooring::Server;
using mooring::server::http::Http;
using mooring::server::http::Request;
using mooring::server::http::Response;
using mooring::server::http::Router;

int main(int argc, char** argv) {
  Router router;
  router.Get("/", [](Request&) { return Response::Text("Hello, world!"); });
  router.Post("/", [](Request& request) { return Response::Text(std::to_string(request.body().size())); });
  return Server(argc, argv, {.name = "hello_http"})
      .Listen("tcp://127.0.0.1:0", Http(router, {.requests_max = 0}), {.name = "http"})
      .Run();
}
