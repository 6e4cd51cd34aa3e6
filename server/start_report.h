// SPDX-License-Identifier: Apache-2.0
// StartReport: what a server says of itself when it begins to serve, for people, a line for each thing.
//
// Threads:  pure functions.
#ifndef MOORING_SERVER_START_REPORT_H_
#define MOORING_SERVER_START_REPORT_H_

#include <string>

#include "net/endpoint.h"
#include "net/service_options.h"
#include "server/program.h"

namespace mooring::server {

// A command for a shell that says hello to the service at `endpoint`: Service::try_it, piped into nc, or a curl.
std::string TryIt(const std::string& hello, const net::Endpoint& endpoint);

// http://HOST:PORT/ by which this machine itself reaches what listens there; of a Unix path, the path.
std::string UrlOf(const net::Endpoint& endpoint);

// SECURITY.md: where a wait on a peer has no deadline, start-up says so. Empty when there is nothing to say.
std::string DeadlinesOff(const std::string& service, const net::ServiceOptions& options);

}  // namespace mooring::server

#endif  // MOORING_SERVER_START_REPORT_H_
