// SPDX-License-Identifier: Apache-2.0
// Share: one shard's part of the connections and of the source addresses.
//
// Threads:  a value.
#ifndef MOORING_TOOLS_LOAD_SHARE_H_
#define MOORING_TOOLS_LOAD_SHARE_H_

#include <cstdint>
#include <vector>

#include "net/address.h"
#include "tools/load/options.h"

namespace mooring::tools::load {

struct Share {
  uint32_t index = 0;        // of the shard
  uint32_t shards = 1;
  bool own_cpu = true;       // no other shard runs on its CPU, so it may wait for a moment by looking at the clock
  uint32_t connections = 0;  // of this shard
  uint64_t total = 0;        // of this shard, in a churn; 0: no bound
  uint32_t connecting_max = 128;  // connects under way
  std::vector<net::Address> sources;
  uint32_t per_source_max = kPerSourceMax;
};

// What part `part` of `parts` gets of `whole` things: as even as it goes, and never more of fewer things.
inline uint32_t PartOf(uint64_t whole, uint32_t part, uint32_t parts) {
  return static_cast<uint32_t>(whole / parts + (part < whole % parts ? 1 : 0));
}

// How `options.connections` are shared out, by shard.
std::vector<Share> ShareOut(const Options& options, int shards);

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_SHARE_H_
