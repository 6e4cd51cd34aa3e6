// SPDX-License-Identifier: Apache-2.0
#include "server/metrics/shard_figures.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "alloc/accounting.h"
#include "core/histogram.h"
#include "core/shard.h"
#include "net/accept_failure.h"
#include "net/close_cause.h"
#include "net/refuse_cause.h"
#include "net/stop_cause.h"
#include "net/transport.h"

namespace mooring::server::metrics {
namespace {

using net::EngineCount;
using core::ShardCount;

constexpr struct {
  EngineCount count;
  Shown shown;
} kEngineCounts[] = {
    {EngineCount::kAccepted, {Metric::kAccepts}},
    {EngineCount::kConnects, {Metric::kOutboundConnects}},
    {EngineCount::kConnected, {Metric::kOutboundConnected}},
    {EngineCount::kReleased, {Metric::kEngineEvents, "released"}},
    {EngineCount::kBytesReceived, {Metric::kBytesReceived}},
    {EngineCount::kBytesSent, {Metric::kBytesSent}},
    {EngineCount::kMessages, {Metric::kMessages}},
    {EngineCount::kSends, {Metric::kSends}},
    {EngineCount::kSendsBlocked, {Metric::kEngineEvents, "sends_blocked"}},
    {EngineCount::kPauses, {Metric::kEngineEvents, "pauses"}},
    {EngineCount::kAcceptErrors, {Metric::kEngineEvents, "accept_errors"}},
    {EngineCount::kBlocksOverBound, {Metric::kEngineEvents, "blocks_over_bound"}},
    {EngineCount::kWritesAfterClose, {Metric::kEngineEvents, "writes_after_close"}},
    {EngineCount::kWritesDropped, {Metric::kEngineEvents, "writes_dropped"}},
    {EngineCount::kWritesSkipped, {Metric::kEngineEvents, "writes_skipped"}},
    {EngineCount::kLingerExpired, {Metric::kEngineEvents, "linger_expired"}},
    {EngineCount::kLeasesCompacted, {Metric::kEngineEvents, "leases_compacted"}},
    {EngineCount::kPressure, {Metric::kEngineEvents, "pressure_turns"}},
    {EngineCount::kPostsStale, {Metric::kEngineEvents, "posts_stale"}},
};

constexpr std::pair<ShardCount, std::string_view> kShardCounts[] = {
    {ShardCount::kMailDelivered, "mail_delivered"},
    {ShardCount::kMailFull, "mail_full"},
    {ShardCount::kMailWaited, "mail_waited"},
    {ShardCount::kTimersExpired, "timers_expired"},
    {ShardCount::kResumed, "resumed"},
};

// Counts of a transport that have a metric of their own. io_uring and epoll call alike things by their own names.
constexpr std::pair<std::string_view, Metric> kTransportCounts[] = {
    {"ring_enters", Metric::kKernelEnters},
    {"epoll_waits", Metric::kKernelEnters},
    {"ring_completions", Metric::kKernelCompletions},
    {"epoll_events", Metric::kKernelCompletions},
    {"ring_cq_overflow", Metric::kCqOverflows},
    {"receive_starved", Metric::kReceiveStarved},
    {"group_pool_empty", Metric::kReceivePoolEmpty},
};

constexpr alloc::Purpose kOfConnections[] = {alloc::Purpose::kConnections, alloc::Purpose::kFrames,
                                             alloc::Purpose::kReceiveBlocks, alloc::Purpose::kBlocks,
                                             alloc::Purpose::kSegments};

void AddEngines(const std::vector<ShardView>& shards, Families* families) {
  double accepted = 0, connects = 0;
  for (const auto& [count, shown] : kEngineCounts) {
    double sum = 0;
    for (const ShardView& view : shards) sum += static_cast<double>(view.engine->counters().Read(count));
    if (count == EngineCount::kAccepted) accepted = sum;
    if (count == EngineCount::kConnects) connects = sum;
    if (shown.label.empty()) {
      families->Add(shown.metric, sum);
    } else {
      families->Add(shown.metric, sum, {shown.label});
    }
  }
  families->Add(Metric::kConnections, accepted + connects);
}

// A counter set of the engine, a sample for each enumerator from `first` on.
template <class Enum>
void AddCauses(const std::vector<ShardView>& shards, const core::CounterSet<Enum>& (net::Engine::*set)() const, Metric metric,
               Families* families, Enum first = static_cast<Enum>(0), double unit = 1) {
  for (size_t i = static_cast<size_t>(first); i < static_cast<size_t>(Enum::kCount); ++i) {
    const auto cause = static_cast<Enum>(i);
    double sum = 0;
    for (const ShardView& view : shards) sum += static_cast<double>((view.engine->*set)().Read(cause));
    families->Add(metric, sum * unit, {Name(cause)});
  }
}

void AddGauges(const std::vector<ShardView>& shards, Families* families) {
  const auto add = [&](auto net::EngineGauges::*gauge, Metric metric) {
    uint64_t sum = 0;
    for (const ShardView& view : shards) sum += view.engine->gauges().*gauge;
    families->Add(metric, static_cast<double>(sum));
  };
  add(&net::EngineGauges::outbound, Metric::kOutboundActive);
  add(&net::EngineGauges::outbound, Metric::kEphemeralPortsInUse);
  add(&net::EngineGauges::retained_blocks, Metric::kRetainedBlocks);
  add(&net::EngineGauges::parked_leases, Metric::kParkedLeases);
  add(&net::EngineGauges::queued_bytes, Metric::kQueuedBytes);
  uint64_t block_bytes = 0;
  for (const ShardView& view : shards) block_bytes += view.engine->block_bytes();
  families->Add(Metric::kBlockBytes, static_cast<double>(block_bytes));
}

void AddEachShard(const std::vector<ShardView>& shards, Families* families) {
  std::vector<double> live, accepted;
  for (const ShardView& view : shards) {
    const std::string id = std::to_string(view.shard->id());
    live.push_back(static_cast<double>(view.engine->live_counter().Read()));
    accepted.push_back(static_cast<double>(view.engine->counters().Read(EngineCount::kAccepted)));
    families->Add(Metric::kShardConnectionsActive, live.back(), {id});
    families->Add(Metric::kShardConnectionsPeak, static_cast<double>(view.engine->gauges().live_peak.Read()), {id});
    families->Add(Metric::kShardAccepts, accepted.back(), {id});
    families->Add(Metric::kShardTurns, static_cast<double>(view.shard->counters().Read(ShardCount::kTurns)), {id});
  }
  families->Add(Metric::kShardSkew, Skew(live), {"connections"});
  families->Add(Metric::kShardSkew, Skew(accepted), {"accepts"});
  for (const auto& [count, name] : kShardCounts) {
    double sum = 0;
    for (const ShardView& view : shards) sum += static_cast<double>(view.shard->counters().Read(count));
    families->Add(Metric::kShardEvents, sum, {name});
  }
}

// Of mooring_turn_seconds. A count is exact to 1/64 of its bound (core/histogram.h).
constexpr double kTurnBounds[] = {10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3,
                                  10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 5};

void AddTurns(const std::vector<ShardView>& shards, Families* families) {
  prometheus::ClientMetric::Histogram histogram;
  for (const double bound : kTurnBounds) histogram.bucket.push_back({0, bound});
  double longest_ns = 0, stalls = 0;
  for (const ShardView& view : shards) {
    const core::Histogram& turns = std::as_const(*view.shard).turns().durations();
    size_t i = 0;
    turns.ForEachBucket([&](uint64_t highest, uint64_t count) {
      histogram.sample_count += count;
      while (i < std::size(kTurnBounds) && static_cast<double>(highest) > kTurnBounds[i] * 1e9) ++i;
      if (i < std::size(kTurnBounds)) histogram.bucket[i].cumulative_count += count;
    });
    histogram.sample_sum += turns.Sum() * 1e-9;
    longest_ns = std::max(longest_ns, static_cast<double>(turns.Max()));
    stalls += static_cast<double>(std::as_const(*view.shard).turns().stalls());
  }
  for (size_t i = 1; i < histogram.bucket.size(); ++i) {
    histogram.bucket[i].cumulative_count += histogram.bucket[i - 1].cumulative_count;
  }
  families->Set(Metric::kTurnSeconds, std::move(histogram));
  families->Add(Metric::kTurnSecondsMax, longest_ns * 1e-9);
  families->Add(Metric::kStalledTurns, stalls);
}

void AddTransports(const std::vector<ShardView>& shards, Families* families) {
  std::map<std::string, double, std::less<>> sums;
  for (const ShardView& view : shards) {
    view.transport->Count([&](std::string_view name, uint64_t value) {
      auto sum = sums.find(name);
      if (sum == sums.end()) sum = sums.emplace(std::string(name), 0).first;
      sum->second += static_cast<double>(value);
    });
  }
  for (const auto& [name, sum] : sums) {
    const auto own = std::find_if(std::begin(kTransportCounts), std::end(kTransportCounts),
                                  [&name = name](const auto& each) { return each.first == name; });
    if (own != std::end(kTransportCounts)) {
      families->Add(own->second, sum);
    } else {
      families->Add(Metric::kTransportEvents, sum, {name});
    }
  }
}

using Labels = std::pair<std::string, std::string>;

// Prefixes of what handlers count, the longest first; what is behind it is the event.
constexpr struct {
  std::string_view prefix;
  Metric metric;
} kHandlerPrefixes[] = {
    {"http_refused_", Metric::kHttpRefusals},
    {"http_", Metric::kHttpEvents},
};

// Families of what objects count, by their name in the table.
constexpr struct {
  std::string_view family;
  Metric metric;
  bool named;  // by target
} kCountFamilies[] = {
    {"pool", Metric::kPoolEvents, true},
    {"http_client", Metric::kHttpClientEvents, true},
    {"file_cache", Metric::kFileCacheEvents, false},
    {"files", Metric::kFileEvents, false},
};

void AddHandlerCount(const std::string& listener, const std::string& name, double value, Families* families) {
  if (name == "http_requests") return families->Add(Metric::kHttpRequests, value, {listener});
  if (name == "http_responses") return families->Add(Metric::kHttpResponses, value, {listener});
  if (name == "access_log_lines") return families->Add(Metric::kAccessLogLines, value, {listener});
  if (name == "access_log_dropped") return families->Add(Metric::kAccessLogLinesDropped, value, {listener});
  for (const auto& [prefix, metric] : kHandlerPrefixes) {
    if (name.starts_with(prefix)) return families->Add(metric, value, {listener, name.substr(prefix.size())});
  }
  families->Add(Metric::kServiceEvents, value, {listener, name});
}

void AddMemory(const std::vector<ShardView>& shards, Families* families) {
  for (int i = 0; i < alloc::kPurposes; ++i) {
    const auto purpose = static_cast<alloc::Purpose>(i);
    double sum = 0;
    for (const ShardView& view : shards) sum += static_cast<double>(view.shard->accounting().Bytes(purpose));
    families->Add(Metric::kMemory, sum, {alloc::Name(purpose)});
  }
}

}  // namespace

void AddHandlerFigures(const std::vector<ShardView>& shards, Families* families) {
  std::map<Labels, double> sums;  // by listener and name
  for (const ShardView& view : shards) {
    for (const ShardView::Served& served : view.handlers) {
      served.handler->Count([&](std::string_view name, uint64_t value) {
        double& sum = sums[{served.listener, std::string(name)}];
        // The shards' services write to one access log and all say what it counts.
        const bool shared = name.starts_with("access_log_");
        sum = shared ? std::max(sum, static_cast<double>(value)) : sum + static_cast<double>(value);
      });
    }
  }
  for (const auto& [of, sum] : sums) AddHandlerCount(of.first, of.second, sum, families);
}

void AddCountTables(const std::vector<ShardView>& shards, Families* families) {
  std::map<Labels, double> sums[std::size(kCountFamilies)];  // by what it is of, and name
  for (const ShardView& view : shards) {
    view.shard->counts().ForEach([&](const core::CountTable::Entry& entry) {
      for (size_t family = 0; family < std::size(kCountFamilies); ++family) {
        if (kCountFamilies[family].family != entry.family()) continue;
        for (size_t i = 0; i < entry.names().size(); ++i) {
          sums[family][{entry.of(), std::string(entry.names()[i])}] += static_cast<double>(entry.Read(i));
        }
      }
    });
  }
  double cached = 0;
  bool caches = false;
  for (size_t family = 0; family < std::size(kCountFamilies); ++family) {
    for (const auto& [of, sum] : sums[family]) {
      const auto& [metric, named] = std::pair(kCountFamilies[family].metric, kCountFamilies[family].named);
      if (named) {
        families->Add(metric, sum, {of.first, of.second});
      } else if (of.second == "bytes_added" || of.second == "bytes_removed") {
        caches = true;
        cached += of.second == "bytes_added" ? sum : -sum;
      } else {
        families->Add(metric, sum, {of.second});
      }
    }
  }
  if (caches) families->Add(Metric::kFileCacheBytes, std::max(0.0, cached));  // the two may be of different moments
}

double Skew(const std::vector<double>& parts) {
  double sum = 0, most = 0;
  for (const double part : parts) {
    sum += part;
    most = std::max(most, part);
  }
  return sum > 0 ? most * static_cast<double>(parts.size()) / sum : 1;
}

std::optional<Shown> ShownAs(EngineCount count) {
  for (const auto& each : kEngineCounts) {
    if (each.count == count) return each.shown;
  }
  return std::nullopt;
}

uint64_t ConnectionBytes(const std::vector<ShardView>& shards) {
  uint64_t bytes = 0;
  for (const ShardView& view : shards) {
    for (const alloc::Purpose purpose : kOfConnections) bytes += view.shard->accounting().Bytes(purpose);
  }
  return bytes;
}

void AddShardFigures(const std::vector<ShardView>& shards, Families* families) {
  AddEngines(shards, families);
  AddCauses(shards, &net::Engine::refusals, Metric::kAcceptsRefused, families);
  AddCauses(shards, &net::Engine::accept_failures, Metric::kAcceptErrors, families);
  AddCauses(shards, &net::Engine::stops, Metric::kAcceptStops, families);
  AddCauses(shards, &net::Engine::stopped_ms, Metric::kAcceptStoppedSeconds, families, net::StopCause(0), 1e-3);
  AddCauses(shards, &net::Engine::causes, Metric::kCloses, families, net::CloseCause(1));
  AddGauges(shards, families);
  AddEachShard(shards, families);
  AddTurns(shards, families);
  AddTransports(shards, families);
  AddMemory(shards, families);
  AddHandlerFigures(shards, families);
  AddCountTables(shards, families);
}

}  // namespace mooring::server::metrics
