// SPDX-License-Identifier: Apache-2.0
#include "server/admin/connection_search.h"

#include <algorithm>

#include "core/shard.h"

namespace mooring::server::admin {

void ConnectionSearch::Step(net::Engine* engine) {
  const uint64_t turn = engine->shard()->counters().Read(core::ShardCount::kTurns);
  if (turn == turn_) return;  // control was so fast that this is still the turn of the last step
  turn_ = turn;
  // Until the engine can be walked in steps: all at once.
  if (next_slot_ != 0) return;
  engine->ForEach([&](net::Connection* conn) {
    ConnectionRow row;
    row.id = conn->id();
    row.peer = conn->peer();
    row.listener = conn->listener();
    row.state = conn->open() ? ConnectionState::kOpen : ConnectionState::kClosing;
    row.queued = conn->queued_bytes();
    Offer(row);
  });
  done_ = true;
}

void ConnectionSearch::Offer(const ConnectionRow& row) {
  ++seen_;
  if (!query_.Has(row)) return;
  ++matched_;
  const auto before = [this](const ConnectionRow& a, const ConnectionRow& b) { return query_.Before(a, b); };
  if (best_.size() == query_.limit) {
    if (!query_.Before(row, best_.front())) return;
    std::pop_heap(best_.begin(), best_.end(), before);
    best_.pop_back();
  }
  best_.push_back(row);
  std::push_heap(best_.begin(), best_.end(), before);
}

std::vector<ConnectionRow> ConnectionSearch::TakeBest() {
  std::sort_heap(best_.begin(), best_.end(), [this](const ConnectionRow& a, const ConnectionRow& b) { return query_.Before(a, b); });
  return std::move(best_);
}

}  // namespace mooring::server::admin
