// SPDX-License-Identifier: Apache-2.0
// Configure: the services of all listeners, as their settings make them; and whether that would work.
//
// Threads:  one.
#ifndef MOORING_SERVER_CONFIG_CONFIGURE_H_
#define MOORING_SERVER_CONFIG_CONFIGURE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/program.h"
#include "server/settings.h"

namespace mooring::server::config {

// One for each of settings.listeners, in order; what a listener says of its connections is in Configured::options. The
// error has a line for each listener that cannot be so.
absl::StatusOr<std::vector<Configured>> Configure(const Settings& settings, bool only_check = false);

// What NAME check prints where all is well: what would be served, and what is not at its default. Binds and writes nothing.
absl::StatusOr<std::string> Check(const Program& program, const Settings& settings);

}  // namespace mooring::server::config

#endif  // MOORING_SERVER_CONFIG_CONFIGURE_H_
