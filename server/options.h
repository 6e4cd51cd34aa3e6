// SPDX-License-Identifier: Apache-2.0
// Options: the command line of a server: what every program understands, and the flags that it defines with ABSL_FLAG.
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
#include "server/program.h"

namespace mooring::server {

struct ListenOption {
  std::string name;        // of the listener, no two alike: line, then line-2
  const Service* service;  // the program's
  net::Endpoint endpoint;
};

struct Options {
  std::vector<ListenOption> listen;   // the program's listeners, then what is offered and was asked for
  std::string cpus;                   // "": all that the process may use
  int shards = 0;                     // 0: one per CPU
  std::optional<net::TransportKind> transport;  // none: auto, the best that the kernel allows
  uint64_t max_connections = 0;       // 0: as many as the descriptor limit allows
  uint32_t drain_deadline_s = 30;
  bool help = false;
  bool version = false;
};

// Errors are one line each: what was wrong with which flag, and what is allowed. A flag given twice is one of them.
// `program` outlives the options.
absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments, const Program& program);

std::string HelpText(const Program& program);

}  // namespace mooring::server

#endif  // MOORING_SERVER_OPTIONS_H_
