// SPDX-License-Identifier: Apache-2.0
#include "core/plan.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"

namespace mooring::core {

Plan MakePlan(const PlanInput& input) {
  assert(input.shards > 0);
  const uint64_t shards = static_cast<uint64_t>(input.shards);
  const uint64_t max = input.max_connections;
  uint64_t slots = std::min(input.descriptors_soft, uint64_t{kDirectSlotsMax});
  if (max != 0) {
    // Limited before it is doubled, so that no cap overflows; at that size the share does not bind.
    const uint64_t share = std::min((max - 1) / shards + 1, uint64_t{kDirectSlotsMax});
    slots = std::min(slots, 2 * share + kDirectSlotsSpare);
  }

  Plan plan{};
  plan.shards = input.shards;
  plan.direct_slots_per_shard = static_cast<uint32_t>(slots);
  plan.connections_possible = shards * slots;
  if (max != 0 && max <= plan.connections_possible) {
    plan.connections_possible = max;
    plan.binding_limit = absl::StrCat("--max-connections ", max);
  } else if (input.descriptors_soft < kDirectSlotsMax) {
    plan.binding_limit = absl::StrCat("RLIMIT_NOFILE ", input.descriptors_soft, " per shard");
  } else {
    plan.binding_limit = "2^20 slots a ring";
  }
  return plan;
}

std::string Plan::ToString() const {
  return absl::StrCat("up to ", connections_possible, " connections on ", shards, shards == 1 ? " shard" : " shards",
                      "\n  limited by ", binding_limit, "; ", direct_slots_per_shard, " direct slots per shard");
}

}  // namespace mooring::core
