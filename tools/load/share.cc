// SPDX-License-Identifier: Apache-2.0
#include "tools/load/share.h"

#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "net/dialer.h"

namespace mooring::tools::load {
namespace {

// A churned connection leaves its port in TIME_WAIT; on loopback it may be taken again after a second
// (net.ipv4.tcp_tw_reuse = 2), so a second's worth of connections is spread over these.
constexpr uint32_t kChurnSources = 8;
// All shards together: 128 is the smallest backlog that servers commonly have.
constexpr uint32_t kConnectingMax = 128;

}  // namespace

std::vector<Share> ShareOut(const Options& options, int shard_count) {
  const auto shards = static_cast<uint32_t>(shard_count);
  const bool loopback = options.target.family() == AF_INET && absl::StartsWith(options.target.ToString(), "127.");
  uint32_t each = (PartOf(options.connections, 0, shards) - 1) / kPerSourceMax + 1;  // sources per shard
  if (options.mode == Mode::kChurn) each = std::max(each, kChurnSources);

  std::vector<Share> shares(shards);
  for (uint32_t i = 0; i < shards; ++i) {
    Share& share = shares[i];
    share.index = i;
    share.shards = shards;
    share.connections = PartOf(options.connections, i, shards);
    share.total = options.total / shards + (i < options.total % shards ? 1 : 0);
    share.connecting_max = std::max(2u, kConnectingMax / shards);
    if (options.mode == Mode::kChurn) share.connecting_max = share.connections;
    if (!loopback) continue;
    if (options.sources == 0) {
      share.sources = net::LoopbackSources(i * each, each);
    } else if (options.sources >= shards) {
      const auto first = static_cast<uint32_t>(uint64_t{options.sources} * i / shards);
      const auto end = static_cast<uint32_t>(uint64_t{options.sources} * (i + 1) / shards);
      share.sources = net::LoopbackSources(first, end - first);
    } else {
      share.sources = net::LoopbackSources(i % options.sources, 1);
    }
    // The flags have seen to it that all together fit; uneven parts must not leave one shard without room.
    const auto sources = static_cast<uint32_t>(share.sources.size());
    share.per_source_max = std::max(kPerSourceMax, (share.connections - 1) / sources + 1);
  }
  return shares;
}

}  // namespace mooring::tools::load
