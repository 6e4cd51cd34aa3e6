// SPDX-License-Identifier: Apache-2.0
// ConnectionSearch: a shard's part of a list of connections: a walk over its slots in steps, that keeps the best.
//
// It travels: by mail to the shard for each step, and back. A connection that opens or ends meanwhile may be in the
// list or not; one that lives all the while is in it, once.
//
// Threads:  a value, on whatever shard has it.
// Owns:     at most `limit` rows.
// Limits:   Engine::kListedPerCall connections in a turn of the shard, however fast it is sent back.
#ifndef MOORING_SERVER_ADMIN_CONNECTION_SEARCH_H_
#define MOORING_SERVER_ADMIN_CONNECTION_SEARCH_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "net/connection_figures.h"
#include "net/engine.h"
#include "server/admin/connection_query.h"

namespace mooring::server::admin {

class ConnectionSearch {
 public:
  explicit ConnectionSearch(ConnectionQuery query) : query_(std::move(query)) {}

  // In a turn of the engine's shard. Does nothing where this turn has had its step.
  void Step(const net::Engine& engine, uint64_t turn);
  bool done() const { return next_slot_ == net::Engine::kNoSlot; }
  uint64_t seen() const { return seen_; }        // live connections
  uint64_t matched() const { return matched_; }  // of them

  void Offer(const net::ConnectionFigures& row);
  // In order.
  std::vector<net::ConnectionFigures> TakeBest();

 private:

  ConnectionQuery query_;
  std::vector<net::ConnectionFigures> best_;  // a heap: the last in order is first
  uint64_t seen_ = 0;
  uint64_t matched_ = 0;
  uint64_t turn_ = UINT64_MAX;  // of the last step
  uint32_t next_slot_ = 0;
};

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_CONNECTION_SEARCH_H_
