// SPDX-License-Identifier: Apache-2.0
// A program of the library's for other people's clients: SampleRoutes, and /connection, which says on which one it was asked.
#include <string>
#include <utility>

#include "server/http/body_writer.h"
#include "server/http/http_service.h"
#include "server/server.h"
#include "tests/server/http/sample_routes.h"

int main(int argc, char** argv) {
  using namespace mooring::server;
  http::Router router = http::SampleRoutes();
  router.Get("/connection", [](http::Request&) {
    return http::Response::Stream("text/plain", [](http::BodyWriter& out) -> mooring::core::Task<> {
      const std::string id = std::to_string(out.id().value) + "\n";
      co_await out.Write(id);
    });
  });
  http::HttpOptions options;
  options.body_bytes_max = 256 << 20;
  return Server(argc, argv).Listen("tcp://127.0.0.1:0", http::Http(std::move(router), options), {.name = "app"}).Run();
}
