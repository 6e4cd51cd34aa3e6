// SPDX-License-Identifier: Apache-2.0
// Flags: the names of all flags that a program has from the table of keys, its services' settings and of themselves.
//
// Threads:  any; pure.
#ifndef MOORING_SERVER_CONFIG_FLAGS_H_
#define MOORING_SERVER_CONFIG_FLAGS_H_

#include <vector>

#include "server/config/arguments.h"
#include "server/program.h"

namespace mooring::server::config {

// They stand in no file.
inline constexpr char kListenFlag[] = "listen";
inline constexpr char kConfigFlag[] = "config";

std::vector<KnownFlag> KnownFlags(const Program& program);

}  // namespace mooring::server::config

#endif  // MOORING_SERVER_CONFIG_FLAGS_H_
