// SPDX-License-Identifier: Apache-2.0
// Catalogue: every figure that a server shows: its name, what it counts, and what to do when it moves.
//
// One table, from which /metrics, /stats and docs/METRICS.md are made, and against which tests hold the dashboard and the
// alert rules. Names follow Prometheus's conventions: base units, _total for what only rises.
//
// Threads:  constant.
#ifndef MOORING_SERVER_METRICS_CATALOGUE_H_
#define MOORING_SERVER_METRICS_CATALOGUE_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace mooring::server::metrics {

enum class Metric : uint8_t {
  // The server.
  kBuildInfo,
  kUptime,
  kState,
  kShards,
  kConnectionsLimit,
  kMemoryCeiling,
  kMemoryStep,
  // Connections.
  kConnectionsActive,
  kConnectionsPeak,
  kConnections,
  kAccepts,
  kAcceptsRefused,
  kAcceptErrors,
  kAcceptStops,
  kAcceptStoppedSeconds,
  kCloses,
  // Listeners.
  kListenerOpen,
  kListenerConnectionsActive,
  kListenerConnectionsInState,
  kListenerAccepts,
  kAcceptQueueDepth,
  kAcceptQueueLimit,
  kAcceptQueueOverflows,
  kAcceptQueuesUnread,
  kHostListenOverflows,
  // Traffic.
  kBytesReceived,
  kBytesSent,
  kMessages,
  kSends,
  kQueuedBytes,
  kBlockBytes,
  kEngineEvents,
  // Outbound.
  kOutboundActive,
  kOutboundConnects,
  kOutboundConnected,
  kEphemeralPorts,
  kEphemeralPortsInUse,
  kHostTcpSockets,
  // Shards.
  kShardConnectionsActive,
  kShardConnectionsPeak,
  kShardAccepts,
  kShardTurns,
  kShardSkew,
  kShardEvents,
  kTurnSeconds,
  kTurnSecondsMax,
  kStalledTurns,
  // Kernel.
  kKernelEnters,
  kKernelCompletions,
  kCqOverflows,
  kReceiveStarved,
  kReceivePoolEmpty,
  kRetainedBlocks,
  kParkedLeases,
  kTransportEvents,
  // Memory.
  kMemory,
  kUserBytesPerConnection,
  // Log.
  kLogLines,
  kLogLinesDropped,
  // HTTP.
  kHttpRequests,
  kHttpResponses,
  kHttpRefusals,
  kHttpEvents,
  kAccessLogLines,
  kAccessLogLinesDropped,
  kFileCacheEvents,
  kFileCacheBytes,
  kFileEvents,
  // Clients and other services.
  kPoolEvents,
  kHttpClientEvents,
  kServiceEvents,
  // What Prometheus's client libraries all have.
  kProcessCpu,
  kProcessOpenFds,
  kProcessMaxFds,
  kProcessResidentMemory,
  kProcessVirtualMemory,
  kProcessStartTime,
  // This itself.
  kCollectSeconds,
  kCount
};

enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };

struct MetricInfo {
  Metric metric;
  std::string_view name;
  MetricKind kind;
  std::string_view labels;      // of each sample, in order, a comma between them: "listener,cause"
  std::string_view help;        // one line, of /metrics
  std::string_view when_moves;  // for the person on call, of docs/METRICS.md
  // Shown only where there is something to show: "io_uring", "a service that counts", ... Empty: always.
  std::string_view only = {};
};

std::span<const MetricInfo> Catalogue();  // in the order of Metric
const MetricInfo& Info(Metric metric);

// The groups of Metric, for docs: the first of each, and its title.
struct MetricGroup {
  Metric first;
  std::string_view title;
};
std::span<const MetricGroup> Groups();

constexpr std::string_view Name(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter: return "counter";
    case MetricKind::kGauge: return "gauge";
    case MetricKind::kHistogram: return "histogram";
  }
  return "?";
}

}  // namespace mooring::server::metrics

#endif  // MOORING_SERVER_METRICS_CATALOGUE_H_
