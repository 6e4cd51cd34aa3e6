// SPDX-License-Identifier: Apache-2.0
// ConnectionQuery: which connections a list has, in what order, and how many of them.
//
//   /connections?service=http&min_queued=1&sort=-queued&limit=10
//
// Threads:  a value; it goes to the shards.
#ifndef MOORING_SERVER_ADMIN_CONNECTION_QUERY_H_
#define MOORING_SERVER_ADMIN_CONNECTION_QUERY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "net/connection_figures.h"
#include "net/transport.h"
#include "server/admin/peer_prefix.h"

namespace mooring::server::admin {

struct ConnectionQuery {
  static constexpr uint64_t kLimitDefault = 100;
  static constexpr uint64_t kLimitMax = 10'000;
  // What connections that this side has begun are listed under.
  static constexpr char kOutbound[] = "outbound";

  enum class Sort : uint8_t { kId, kPeer, kCreated, kLastActive, kBytesIn, kBytesOut, kQueued };

  // What names in a query mean: listeners by name, those of the past too.
  struct Names {
    struct Of {
      std::string listener;
      std::string service;
      net::ListenerId id;
    };
    std::vector<Of> listeners;
    uint32_t shards = 0;
    bool track_peers = false;
  };

  // The error says which key, and what is allowed.
  static absl::StatusOr<ConnectionQuery> Parse(std::string_view query, const Names& names);

  bool Has(const net::ConnectionFigures& row) const;
  // Whether `a` comes before `b`; no two are equal.
  bool Before(const net::ConnectionFigures& a, const net::ConnectionFigures& b) const;

  std::optional<std::vector<net::ListenerId>> listeners = {};  // none: all, and outbound ones
  bool outbound = true;
  std::optional<uint32_t> shard = {};
  std::optional<std::string_view> state = {};
  std::optional<PeerPrefix> peer = {};
  uint64_t queued_min = 0;
  std::optional<int64_t> idle_over_s = {};
  Sort sort = Sort::kId;
  bool descending = false;
  uint64_t limit = kLimitDefault;

 private:
  absl::uint128 KeyOf(const net::ConnectionFigures& row) const;
};

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_CONNECTION_QUERY_H_
