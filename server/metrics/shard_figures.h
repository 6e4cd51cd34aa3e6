// SPDX-License-Identifier: Apache-2.0
// AddShardFigures: what the data shards count, added up, and of each where one shard alone matters.
//
// Threads:  the control shard; reads atomics.
#ifndef MOORING_SERVER_METRICS_SHARD_FIGURES_H_
#define MOORING_SERVER_METRICS_SHARD_FIGURES_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "net/engine.h"
#include "server/control.h"
#include "server/metrics/families.h"

namespace mooring::server::metrics {

void AddShardFigures(const std::vector<ShardView>& shards, Families* families);

// The largest part over the mean: 1 is even, the number of parts is the worst. 1 when there is nothing.
double Skew(const std::vector<double>& parts);

// What a handler counts, and where it is shown: http_requests is a metric of its own.
void AddHandlerFigures(const std::vector<ShardView>& shards, Families* families);
// What other objects of the shards count (core/count_table.h).
void AddCountTables(const std::vector<ShardView>& shards, Families* families);

// Where a count of the engine is shown. No label: it is a metric of its own.
struct Shown {
  Metric metric;
  std::string_view label = {};
};
std::optional<Shown> ShownAs(net::EngineCount count);

// Bytes that the shards hold for connections: those that rise and fall with them.
uint64_t ConnectionBytes(const std::vector<ShardView>& shards);

}  // namespace mooring::server::metrics

#endif  // MOORING_SERVER_METRICS_SHARD_FIGURES_H_
