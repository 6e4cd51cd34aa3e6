// SPDX-License-Identifier: Apache-2.0
// Totals: what the data shards have counted so far, added up.
//
// Threads:  the control shard; reads atomics of others.
// Limits:   O(shards * figures), whatever the number of connections.
#ifndef MOORING_SERVER_WATCH_TOTALS_H_
#define MOORING_SERVER_WATCH_TOTALS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/counters.h"
#include "net/engine.h"
#include "server/control.h"

namespace mooring::server::watch {

class Totals {
 public:
  // `shards` stays as it is for as long as this is used.
  explicit Totals(const std::vector<ShardView>& shards);

  uint64_t Of(net::EngineCount which) const { return Sum(&net::Engine::counters, which); }
  uint64_t Of(net::CloseCause which) const { return Sum(&net::Engine::causes, which); }
  uint64_t Of(net::RefuseCause which) const { return Sum(&net::Engine::refusals, which); }
  uint64_t Of(net::StopCause which) const { return Sum(&net::Engine::stops, which); }
  uint64_t Of(net::AcceptFailure which) const { return Sum(&net::Engine::accept_failures, which); }
  uint64_t active() const;
  uint64_t stalls() const;
  // By their names in Transport::Count and Handler::Count. Of what services count, the most that one of a listener's
  // handlers says is taken, one for each listener: handlers on several shards may share what they count.
  uint64_t OfTransports(std::string_view name) const { return At(transports_, name); }
  uint64_t OfServices(std::string_view name) const { return At(services_, name); }
  // The sum over all handlers, where each shard's counts its own.
  uint64_t SumOfServices(std::string_view name) const { return At(services_sum_, name); }

 private:
  using Counts = std::map<std::string, uint64_t, std::less<>>;

  static uint64_t At(const Counts& counts, std::string_view name) {
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
  }
  template <class Enum>
  uint64_t Sum(const core::CounterSet<Enum>& (net::Engine::*set)() const, Enum which) const {
    uint64_t sum = 0;
    for (const ShardView& view : shards_) sum += (view.engine->*set)().Read(which);
    return sum;
  }

  const std::vector<ShardView>& shards_;
  Counts transports_;
  Counts services_;
  Counts services_sum_;
};

}  // namespace mooring::server::watch

#endif  // MOORING_SERVER_WATCH_TOTALS_H_
