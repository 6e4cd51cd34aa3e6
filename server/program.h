// SPDX-License-Identifier: Apache-2.0
// Program: what a server is called, what it can speak, and where it listens if nobody says otherwise.
//
// A listener of the program is always there, and --listen=NAME=ADDRESS gives it another address. A service that is only
// offered is served where --listen says, as often as it says.
//
// Threads:  made by one, then constant; what is called on shards is called on several at once.
#ifndef MOORING_SERVER_PROGRAM_H_
#define MOORING_SERVER_PROGRAM_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/locals.h"
#include "net/handler.h"
#include "net/service_options.h"

namespace mooring::server {

// What the program is going to listen on, as --listen has it.
struct Listening {
  std::string name;
  std::string address;
  std::string summary;  // of its service
};

// Service::try_it: it answers to http://ADDRESS/.
inline constexpr char kTryUrl[] = "http";

struct Service {
  std::string name;
  std::string summary = {};               // one line for --help
  std::string try_it = {};                // what to pipe into nc to see it answer; kTryUrl: a URL; empty: nothing is known
  net::ServiceOptions options = {};
  std::function<std::unique_ptr<net::Handler>()> make = {};  // once for each shard, on it
  // Once, before anything starts, if it is listened on: makes of the flags what `options` and `make` are to be. The error
  // is a bad flag.
  std::function<absl::Status(Service* self, const std::vector<Listening>& all)> configure = {};
};

struct Listener {
  Service service;      // its name is the listener's
  std::string address;  // as net::Endpoint reads it
};

struct Program {
  std::string name;
  std::string version = {};
  std::string summary = {};               // the first line of --help
  std::vector<Listener> listeners = {};
  std::vector<Service> offered = {};
  std::string default_listen = {};        // of what is offered, as --listen has it; where that is not given

  // On every shard. An exception from one of the first two is a failed start.
  std::vector<std::function<void(core::Locals&)>> per_shard = {};  // before its first turn
  std::vector<std::function<void()>> on_start = {};                // in a turn, before it listens
  std::vector<std::function<void()>> on_stop = {};                 // after its last turn
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_PROGRAM_H_
