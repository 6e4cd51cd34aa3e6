// SPDX-License-Identifier: Apache-2.0
// SilentShards: which shards do not run their turns: those that have not answered a piece of mail in time.
//
// Threads:  in a turn of the control shard.
#ifndef MOORING_SERVER_ADMIN_SHARD_HEALTH_H_
#define MOORING_SERVER_ADMIN_SHARD_HEALTH_H_

#include <cstdint>
#include <vector>

#include "core/clock.h"
#include "core/task.h"

namespace mooring::server::admin {

// Of the data shards 0 to `shards` - 1, all asked at once. Cancelled: as if nobody had answered.
core::Task<std::vector<uint32_t>> SilentShards(uint32_t shards, core::Nanos patience);

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_SHARD_HEALTH_H_
