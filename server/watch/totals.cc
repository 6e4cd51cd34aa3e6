// SPDX-License-Identifier: Apache-2.0
#include "server/watch/totals.h"

#include <algorithm>
#include <utility>

namespace mooring::server::watch {

Totals::Totals(const std::vector<ShardView>& shards) : shards_(shards) {
  std::map<std::pair<std::string, std::string>, uint64_t> most;  // of (listener, name)
  for (const ShardView& view : shards) {
    if (view.transport != nullptr) {
      view.transport->Count([&](std::string_view name, uint64_t value) { transports_[std::string(name)] += value; });
    }
    for (const ShardView::Served& served : view.handlers) {
      served.handler->Count([&](std::string_view name, uint64_t value) {
        services_sum_[std::string(name)] += value;
        uint64_t& so_far = most[{served.listener, std::string(name)}];
        so_far = std::max(so_far, value);
      });
    }
  }
  for (const auto& [key, value] : most) services_[key.second] += value;
}

uint64_t Totals::active() const {
  uint64_t sum = 0;
  for (const ShardView& view : shards_) sum += view.engine->live_counter().Read();
  return sum;
}

uint64_t Totals::stalls() const {
  uint64_t sum = 0;
  for (const ShardView& view : shards_) sum += view.shard->turns().stalls();
  return sum;
}

}  // namespace mooring::server::watch
