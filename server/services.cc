// SPDX-License-Identifier: Apache-2.0
#include "server/services.h"

#include <memory>

#include "net/task_service.h"
#include "server/echo.h"
#include "server/line.h"
#include "server/version.h"
#include "server/web_service.h"

namespace mooring::server {
namespace {

constexpr uint32_t kLineIdleSeconds = 5 * 60;  // a peer that says nothing for so long is gone, or will connect again
constexpr char kHello[] = "printf 'hello\\n'";

}  // namespace

Program Mooringd() {
  return {
      .name = "mooringd",
      .version = kVersion,
      .summary = "mooringd holds very many connections: one thread per CPU, nothing shared.",
      .offered = {{.name = "echo",
                   .summary = "sends back what it gets",
                   .try_it = kHello,
                   .make = [] { return std::make_unique<Echo>(); }},
                  {.name = "discard",
                   .summary = "takes everything, says nothing",
                   .make = [] { return std::make_unique<Discard>(); }},
                  {.name = "line",
                   .summary = "answers each line of at most 8192 bytes with OK",
                   .try_it = kHello,
                   .options = {.idle_timeout_s = kLineIdleSeconds},
                   .make = [] { return std::make_unique<net::TaskService>(Line); }},
                  WebService()},
      .default_listen = "echo=127.0.0.1:7000,line=127.0.0.1:7001,http=127.0.0.1:8080",
  };
}

}  // namespace mooring::server
