// SPDX-License-Identifier: Apache-2.0
// ConnectionNames: how a list of connections spells their ids and states.
//
// Threads:  none; functions.
#ifndef MOORING_SERVER_ADMIN_CONNECTION_NAMES_H_
#define MOORING_SERVER_ADMIN_CONNECTION_NAMES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/connection.h"
#include "net/connection_figures.h"

namespace mooring::server::admin {

// SHARD-SLOT-GENERATION: numbers of 64 bits would lose digits in JavaScript.
std::string TextOf(net::ConnectionId id);
// None where it is not one that TextOf gives.
std::optional<net::ConnectionId> ConnectionIdOf(std::string_view text);

// Name(net::ConnectionState), or "draining": open, and it has had the notice of a drain.
std::string_view StateOf(const net::ConnectionFigures& figures);
// All that StateOf may give, in the order of a connection's life.
std::vector<std::string_view> States();

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_CONNECTION_NAMES_H_
