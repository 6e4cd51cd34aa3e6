// SPDX-License-Identifier: Apache-2.0
#include "server/admin/connection_search.h"

#include <algorithm>
namespace mooring::server::admin {

void ConnectionSearch::Step(const net::Engine& engine, uint64_t turn) {
  if (turn == turn_) return;  // control was so fast that this is still the turn of the last step
  turn_ = turn;
  next_slot_ = engine.ListConnections(next_slot_, [this](const net::ConnectionFigures& figures) { Offer(figures); });
}

void ConnectionSearch::Offer(const net::ConnectionFigures& row) {
  ++seen_;
  if (!query_.Has(row)) return;
  ++matched_;
  const auto before = [this](const net::ConnectionFigures& a, const net::ConnectionFigures& b) {
    return query_.Before(a, b);
  };
  if (best_.size() == query_.limit) {
    if (!query_.Before(row, best_.front())) return;
    std::pop_heap(best_.begin(), best_.end(), before);
    best_.pop_back();
  }
  best_.push_back(row);
  std::push_heap(best_.begin(), best_.end(), before);
}

std::vector<net::ConnectionFigures> ConnectionSearch::TakeBest() {
  std::sort_heap(best_.begin(), best_.end(), [this](const net::ConnectionFigures& a, const net::ConnectionFigures& b) {
    return query_.Before(a, b);
  });
  return std::move(best_);
}

}  // namespace mooring::server::admin
