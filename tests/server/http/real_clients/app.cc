// SPDX-License-Identifier: Apache-2.0
// A program of the library for other people's clients: SampleRoutes, and /connection, which says on which it was asked.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "server/http/body_writer.h"
#include "server/http/http_service.h"
#include "server/server.h"
#include "tests/server/http/sample_routes.h"

ABSL_FLAG(uint32_t, grace, 5, "seconds in which an idle connection may bring one more request while it drains");

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
  const auto limits = http::Http(router, options).limits();
  // Made when the flags have been read.
  auto make = [router = std::move(router), options]() mutable -> std::unique_ptr<mooring::net::Handler> {
    options.drain_keepalive_grace_s = absl::GetFlag(FLAGS_grace);
    return std::make_unique<http::HttpService>(router, options);
  };
  return Server(argc, argv).Listen("tcp://127.0.0.1:0", make, {.name = "app", .limits = limits}).Run();
}
