// SPDX-License-Identifier: Apache-2.0
#include "core/plan.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"

namespace mooring::core {
namespace {

Plan OfDirectSlots(const PlanInput& input) {
  const uint64_t shards = static_cast<uint64_t>(input.shards);
  const uint64_t max = input.max_connections;
  uint64_t slots = std::min(input.descriptors_soft, uint64_t{kDirectSlotsMax});
  if (max != 0) {
    // Limited before it is doubled, so that no cap overflows; at that size the share does not bind.
    const uint64_t share = std::min((max - 1) / shards + 1, uint64_t{kDirectSlotsMax});
    slots = std::min(slots, 2 * share + kDirectSlotsSpare);
  }

  Plan plan{};
  plan.slots_per_shard = static_cast<uint32_t>(slots);
  plan.connections_possible = shards * slots;
  plan.descriptors = 1024;  // rings, listeners, half-closes under way
  if (max != 0 && max <= plan.connections_possible) {
    plan.connections_possible = max;
    plan.binding_limit = absl::StrCat("--max-connections ", max);
  } else if (input.descriptors_soft < kDirectSlotsMax) {
    plan.binding_limit = absl::StrCat("RLIMIT_NOFILE ", input.descriptors_soft, " per shard");
  } else {
    plan.binding_limit = "2^20 slots a ring";
  }
  if (max != 0) plan.credit = plan.connections_possible;
  plan.slots = absl::StrCat(slots, " direct slots per shard");
  return plan;
}

// What is kept for the rest: a quarter of the limit goes to connections however little that is.
uint64_t Reserved(const PlanInput& input) {
  const uint64_t own = (static_cast<uint64_t>(input.shards) + 1) * (kDescriptorsPerShard + input.listeners);
  const uint64_t reserved = std::max<uint64_t>(kDescriptorsReserved, 64 + own);
  return std::min(reserved, input.descriptors_soft - input.descriptors_soft / 4);
}

Plan OfDescriptors(const PlanInput& input) {
  const uint64_t reserved = Reserved(input);
  const uint64_t limit = input.descriptors_soft - reserved;
  const uint64_t slots = uint64_t{kDirectSlotsMax} * static_cast<uint64_t>(input.shards);
  const uint64_t max = input.max_connections;

  Plan plan{};
  plan.connections_possible = std::max<uint64_t>(1, std::min(limit, slots));
  plan.binding_limit = limit <= slots ? absl::StrCat("RLIMIT_NOFILE ", input.descriptors_soft, " for the whole process")
                                      : "2^20 connections a shard";
  if (max != 0 && max <= plan.connections_possible) {
    plan.connections_possible = max;
    plan.binding_limit = absl::StrCat("--max-connections ", max);
  } else if (max == 0 && plan.connections_possible > kDirectSlotsMax) {
    // Containers have a limit of 2^30, which nobody means: the table alone would take 8 GB.
    plan.connections_possible = kDirectSlotsMax;
    plan.binding_limit = "2^20, because --max-connections does not say more";
  }
  // With the spare a small cap still has a backlog for peers to wait in: that is sized by the slots.
  plan.slots_per_shard =
      static_cast<uint32_t>(std::min<uint64_t>(plan.connections_possible + kDirectSlotsSpare, kDirectSlotsMax));
  plan.credit = plan.connections_possible;
  plan.descriptors = plan.connections_possible + reserved;
  plan.slots = absl::StrCat("each connection takes a descriptor (the ", input.descriptor_taker, " transport), ", reserved,
                            " are kept for the rest");
  return plan;
}

}  // namespace

Plan MakePlan(const PlanInput& input) {
  assert(input.shards > 0);
  Plan plan = input.descriptor_taker.empty() ? OfDirectSlots(input) : OfDescriptors(input);
  plan.shards = input.shards;
  return plan;
}

std::string Plan::ToString() const {
  return absl::StrCat("up to ", connections_possible, " connections on ", shards, shards == 1 ? " shard" : " shards",
                      "\n  limited by ", binding_limit, "; ", slots);
}

}  // namespace mooring::core
