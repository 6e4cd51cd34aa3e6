// SPDX-License-Identifier: Apache-2.0
// Services: what mooringd can speak, by the name that --listen uses.
//
// Threads:  MakeService on the shard that will use the handler; the list is constant.
#ifndef MOORING_SERVER_SERVICES_H_
#define MOORING_SERVER_SERVICES_H_

#include <memory>
#include <span>
#include <string_view>

#include "net/engine.h"
#include "net/handler.h"

namespace mooring::server {

struct Service {
  const char* name;
  const char* summary;  // one line for --help
  net::ServiceOptions options;
  std::unique_ptr<net::Handler> (*make)();
};

std::span<const Service> Services();
const Service* FindService(std::string_view name);  // null: no such service

}  // namespace mooring::server

#endif  // MOORING_SERVER_SERVICES_H_
