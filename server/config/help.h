// SPDX-License-Identifier: Apache-2.0
// Help: what --help prints.
//
// Threads:  any; pure.
#ifndef MOORING_SERVER_CONFIG_HELP_H_
#define MOORING_SERVER_CONFIG_HELP_H_

#include <string>

#include "server/program.h"

namespace mooring::server::config {

std::string HelpText(const Program& program);

}  // namespace mooring::server::config

#endif  // MOORING_SERVER_CONFIG_HELP_H_
