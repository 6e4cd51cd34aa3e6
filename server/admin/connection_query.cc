// SPDX-License-Identifier: Apache-2.0
#include "server/admin/connection_query.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/admin/connection_names.h"
#include "server/admin/query_keys.h"

namespace mooring::server::admin {
namespace {

using Sort = ConnectionQuery::Sort;

constexpr std::pair<std::string_view, Sort> kSorts[] = {
    {"id", Sort::kId},
    {"peer", Sort::kPeer},
    {"created", Sort::kCreated},
    {"last_active", Sort::kLastActive},
    {"bytes_in", Sort::kBytesIn},
    {"bytes_out", Sort::kBytesOut},
    {"queued", Sort::kQueued},
};

absl::Status NotOneOf(std::string_view key, const std::string& value, const std::set<std::string>& known) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(key), "=", value, ": there are ",
                                                 known.empty() ? "none" : absl::StrJoin(known, ", ")));
}

absl::Status NeedsTracking(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      std::string(what), " needs runtime.track_peers = true (--track-peers): without it nobody remembers that"));
}

absl::Status ReadSort(const std::string& text, ConnectionQuery* query, bool track_peers) {
  std::string_view field = text;
  query->descending = !field.empty() && field.front() == '-';
  if (query->descending) field.remove_prefix(1);
  const auto found =
      std::find_if(std::begin(kSorts), std::end(kSorts), [&](const auto& each) { return each.first == field; });
  if (found == std::end(kSorts)) {
    std::set<std::string> known;
    for (const auto& each : kSorts) known.emplace(each.first);
    absl::Status status = NotOneOf("sort", text, known);
    return absl::InvalidArgumentError(
        absl::StrCat(status.message(), ", each with a - before it for the largest first"));
  }
  query->sort = found->second;
  const bool tracked = query->sort == Sort::kPeer || query->sort == Sort::kCreated || query->sort == Sort::kBytesIn ||
                       query->sort == Sort::kBytesOut;
  if (tracked && !track_peers) return NeedsTracking(absl::StrCat("sort=", text));
  return absl::OkStatus();
}

// listener= and service= become numbers of listeners.
absl::Status ReadListeners(const QueryKeys& keys, const ConnectionQuery::Names& names, ConnectionQuery* query) {
  const std::optional<std::string> listener = keys.Text("listener");
  const std::optional<std::string> service = keys.Text("service");
  if (!listener.has_value() && !service.has_value()) return absl::OkStatus();
  std::set<std::string> listeners_known, services_known = {ConnectionQuery::kOutbound};
  std::vector<net::ListenerId> ids;
  for (const ConnectionQuery::Names::Of& each : names.listeners) {
    listeners_known.insert(each.listener);
    services_known.insert(each.service);
    if (listener.value_or(each.listener) == each.listener && service.value_or(each.service) == each.service) {
      ids.push_back(each.id);
    }
  }
  if (listener.has_value() && !listeners_known.contains(*listener))
    return NotOneOf("listener", *listener, listeners_known);
  if (service.has_value() && !services_known.contains(*service)) return NotOneOf("service", *service, services_known);
  query->outbound = !listener.has_value() && service == ConnectionQuery::kOutbound;
  query->listeners = std::move(ids);
  return absl::OkStatus();
}

absl::Status ReadState(const std::string& text, ConnectionQuery* query) {
  std::set<std::string> known;
  for (const std::string_view state : States()) {
    known.emplace(state);
    if (text == state) query->state = state;
  }
  return query->state.has_value() ? absl::OkStatus() : NotOneOf("state", text, known);
}

}  // namespace

absl::StatusOr<ConnectionQuery> ConnectionQuery::Parse(std::string_view text, const Names& names) {
  const absl::StatusOr<QueryKeys> keys = QueryKeys::Parse(
      text, {"listener", "service", "shard", "state", "peer", "min_queued", "idle_over", "sort", "limit"});
  if (!keys.ok()) return keys.status();
  ConnectionQuery query;
  if (absl::Status status = ReadListeners(*keys, names, &query); !status.ok()) return status;
  if (const auto state = keys->Text("state"); state.has_value()) {
    if (absl::Status status = ReadState(*state, &query); !status.ok()) return status;
  }
  if (const auto peer = keys->Text("peer"); peer.has_value()) {
    const absl::StatusOr<PeerPrefix> prefix = PeerPrefix::Parse(*peer);
    if (!prefix.ok()) return prefix.status();
    if (!names.track_peers) return NeedsTracking("peer=");
    query.peer = *prefix;
  }
  if (const auto sort = keys->Text("sort"); sort.has_value()) {
    if (absl::Status status = ReadSort(*sort, &query, names.track_peers); !status.ok()) return status;
  }
  const auto shard = keys->Number("shard", 0, names.shards - 1);
  if (!shard.ok()) return shard.status();
  if (shard->has_value()) query.shard = static_cast<uint32_t>(**shard);
  const auto queued = keys->Number("min_queued", 0, UINT64_MAX);
  if (!queued.ok()) return queued.status();
  query.queued_min = queued->value_or(0);
  const auto idle = keys->Number("idle_over", 0, UINT32_MAX);
  if (!idle.ok()) return idle.status();
  if (idle->has_value()) query.idle_over_s = static_cast<int64_t>(**idle);
  const auto limit = keys->Number("limit", 1, kLimitMax);
  if (!limit.ok()) return limit.status();
  query.limit = limit->value_or(kLimitDefault);
  return query;
}

bool ConnectionQuery::Has(const net::ConnectionFigures& row) const {
  if (listeners.has_value()) {
    const bool listed =
        !row.outbound && std::find(listeners->begin(), listeners->end(), row.listener) != listeners->end();
    if (!listed && !(row.outbound && outbound)) return false;
  }
  if (shard.has_value() && row.id.shard() != *shard) return false;
  if (state.has_value() && StateOf(row) != *state) return false;
  if (peer.has_value() && !peer->Has(row.peer)) return false;
  if (idle_over_s.has_value() && int64_t{row.idle_s} <= *idle_over_s) return false;
  return row.queued_bytes >= queued_min;
}

absl::uint128 ConnectionQuery::KeyOf(const net::ConnectionFigures& row) const {
  switch (sort) {
    case Sort::kId: return row.id.value;
    case Sort::kPeer: return BitsOf(row.peer);
    case Sort::kCreated: return UINT32_MAX - row.age_s;  // the oldest first
    case Sort::kLastActive: return UINT32_MAX - row.idle_s;
    case Sort::kBytesIn: return row.bytes_in;
    case Sort::kBytesOut: return row.bytes_out;
    case Sort::kQueued: return row.queued_bytes;
  }
  return 0;
}

bool ConnectionQuery::Before(const net::ConnectionFigures& a, const net::ConnectionFigures& b) const {
  const absl::uint128 key_a = KeyOf(a), key_b = KeyOf(b);
  if (key_a != key_b) return descending ? key_a > key_b : key_a < key_b;
  return a.id.value < b.id.value;
}

}  // namespace mooring::server::admin
