// SPDX-License-Identifier: Apache-2.0
#include "server/services.h"

#include <array>

#include "net/task_service.h"
#include "server/echo.h"
#include "server/line.h"

namespace mooring::server {
namespace {

constexpr uint32_t kLineIdleSeconds = 5 * 60;  // a peer that says nothing for so long is gone, or will connect again

const std::array<Service, 3>& All() {
  static const std::array<Service, 3> services = {{
      {"echo", "sends back what it gets", {},
       []() -> std::unique_ptr<net::Handler> { return std::make_unique<Echo>(); }},
      {"discard", "takes everything, says nothing", {},
       []() -> std::unique_ptr<net::Handler> { return std::make_unique<Discard>(); }},
      {"line", "answers each line of at most 8192 bytes with OK", {.idle_timeout_s = kLineIdleSeconds},
       []() -> std::unique_ptr<net::Handler> { return std::make_unique<net::TaskService>(Line); }},
  }};
  return services;
}

}  // namespace

std::span<const Service> Services() { return All(); }

const Service* FindService(std::string_view name) {
  for (const Service& service : All()) {
    if (name == service.name) return &service;
  }
  return nullptr;
}

}  // namespace mooring::server
