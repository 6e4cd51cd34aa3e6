// SPDX-License-Identifier: Apache-2.0
// ConnectionFigures: one connection as lists of them show it, see Engine::ListConnections.
//
// Threads:  a value; it crosses shards.
#ifndef MOORING_NET_CONNECTION_FIGURES_H_
#define MOORING_NET_CONNECTION_FIGURES_H_

#include <cstdint>

#include "net/address.h"
#include "net/connection.h"
#include "net/connection_state.h"
#include "net/transport.h"

namespace mooring::net {

struct ConnectionFigures {
  ConnectionId id;
  ListenerId listener;   // or the profile that it was begun with
  ConnectionState state;
  bool outbound;
  bool draining;         // it has had the notice of a drain
  uint32_t idle_s;       // since a byte came or went
  uint64_t queued_bytes;
  uint32_t retained_blocks;
  // With ServiceOptions::track_peers; else false, and what follows is empty. The peer may be asked for: Engine::AskPeer.
  bool tracked = false;
  Address peer = {};
  uint32_t age_s = 0;    // since it was accepted or begun
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

}  // namespace mooring::net

#endif  // MOORING_NET_CONNECTION_FIGURES_H_
