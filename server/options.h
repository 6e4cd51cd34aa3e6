// SPDX-License-Identifier: Apache-2.0
// Options: mooringd's command line.
//
// Threads:  one.
#ifndef MOORING_SERVER_OPTIONS_H_
#define MOORING_SERVER_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "net/endpoint.h"
#include "net/transport.h"

namespace mooring::server {

struct Service;

struct ListenOption {
  const Service* service;
  net::Endpoint endpoint;
};

struct Options {
  std::vector<ListenOption> listen;   // echo on 127.0.0.1:7000 and line on 127.0.0.1:7001 when none is given
  std::string cpus;                   // "": all that the process may use
  int shards = 0;                     // 0: one per CPU
  std::optional<net::TransportKind> transport;  // none: auto, the best that the kernel allows
  uint64_t max_connections = 0;       // 0: as many as the descriptor limit allows
  uint32_t drain_deadline_s = 30;
  bool help = false;
  bool version = false;
};

// Errors are one line each: what was wrong with which flag, and what is allowed. A flag given twice is one of them.
absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments);

std::string HelpText();

}  // namespace mooring::server

#endif  // MOORING_SERVER_OPTIONS_H_
