// SPDX-License-Identifier: Apache-2.0
#include "server/metrics/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include "net/connection_state.h"
#include "net/listener_counters.h"
#include "server/metrics/accept_queues.h"
#include "server/metrics/catalogue.h"
#include "server/metrics/families.h"
#include "server/metrics/process_figures.h"
#include "server/metrics/shard_figures.h"

namespace mooring::server::metrics {
namespace {

using std::chrono::steady_clock;

double Double(uint64_t n) { return static_cast<double>(n); }

void AddServer(const Control& control, Families* families) {
  const std::vector<ShardView>& shards = control.shards();
  const std::string transport = shards.empty() ? "" : shards.front().transport->Describe();
  families->Add(Metric::kBuildInfo, 1,
                {control.program().name, control.program().version, std::string_view(transport).substr(0, transport.find(':'))});
  families->Add(Metric::kUptime, std::max<double>(0, static_cast<double>(time(nullptr) - control.started_wall_s())));
  for (const ServerState state : {ServerState::kServing, ServerState::kDelaying, ServerState::kDraining}) {
    families->Add(Metric::kState, control.state() == state, {Name(state)});
  }
  families->Add(Metric::kShards, Double(shards.size()));
  families->Add(Metric::kConnectionsLimit, Double(control.connections_max()));
  const uint64_t ceiling = control.memory_ceiling_bytes();
  if (ceiling != UINT64_MAX) families->Add(Metric::kMemoryCeiling, Double(ceiling));
  families->Add(Metric::kMemoryStep, control.memory_step());
}

void AddListenerCounters(const std::vector<ShardView>& shards, const ServedListener& listener, Families* families) {
  constexpr auto kStates = static_cast<size_t>(net::ConnectionState::kCount);
  uint64_t live = 0, opened = 0, in_state[kStates] = {};
  for (const ShardView& view : shards) {
    const net::ListenerCounters* counters = view.engine->CountersOf(listener.id);
    if (counters == nullptr) continue;
    live += counters->live();
    opened += counters->opened();
    for (size_t i = 0; i < kStates; ++i) in_state[i] += counters->in(static_cast<net::ConnectionState>(i));
  }
  families->Sum(Metric::kListenerConnectionsActive, Double(live), {listener.name});
  families->Sum(Metric::kListenerAccepts, Double(opened), {listener.name});
  for (size_t i = 0; i < kStates; ++i) {
    const char* state = net::Name(static_cast<net::ConnectionState>(i));
    families->Sum(Metric::kListenerConnectionsInState, Double(in_state[i]), {listener.name, state});
  }
}

// False when the kernel did not tell about accept queues.
bool AddListeners(const Control& control, Families* families) {
  const std::vector<ServedListener> listeners = control.listeners();
  std::vector<net::Endpoint> open;
  for (const ServedListener& listener : listeners) {
    // Two may have one name: one that was retired, and its successor.
    families->Sum(Metric::kListenerOpen, listener.open, {listener.name, listener.service});
    AddListenerCounters(control.shards(), listener, families);
    if (listener.open) open.push_back(listener.endpoint);
  }
  const AcceptQueues queues = ReadAcceptQueues(open);
  size_t next = 0;
  for (const ServedListener& listener : listeners) {
    if (!listener.open) continue;
    const std::optional<AcceptQueue>& queue = queues.of[next++];
    if (!queue.has_value()) continue;
    families->Sum(Metric::kAcceptQueueDepth, Double(queue->depth), {listener.name});
    if (queue->limit.has_value()) families->Sum(Metric::kAcceptQueueLimit, Double(*queue->limit), {listener.name});
    if (queue->overflows.has_value()) {
      families->Sum(Metric::kAcceptQueueOverflows, Double(*queue->overflows), {listener.name});
    }
  }
  return !queues.refused;
}

void AddTcp(const TcpFigures& tcp, Families* families) {
  const auto add = [families](std::optional<uint64_t> value, std::string_view state) {
    if (value.has_value()) families->Add(Metric::kHostTcpSockets, Double(*value), {state});
  };
  add(tcp.in_use, "in_use");
  add(tcp.orphan, "orphan");
  add(tcp.time_wait, "time_wait");
  if (tcp.listen_overflows.has_value()) families->Add(Metric::kHostListenOverflows, Double(*tcp.listen_overflows));
  if (tcp.ephemeral_ports.has_value()) families->Add(Metric::kEphemeralPorts, Double(*tcp.ephemeral_ports));
}

void AddProcess(const ProcessFigures& process, Families* families) {
  families->Add(Metric::kProcessCpu, process.cpu_s);
  if (process.open_fds.has_value()) families->Add(Metric::kProcessOpenFds, Double(*process.open_fds));
  families->Add(Metric::kProcessMaxFds, Double(process.max_fds));
  families->Add(Metric::kProcessResidentMemory, Double(process.resident_bytes));
  families->Add(Metric::kProcessVirtualMemory, Double(process.virtual_bytes));
  families->Add(Metric::kProcessStartTime, process.started_wall_s);
}

}  // namespace

Metrics::Metrics(Control* control) : control_(control), resident_at_start_(ReadResidentBytes()) {}

uint64_t Metrics::connections_active() const {
  uint64_t live = 0;
  for (const ShardView& view : control_->shards()) live += view.engine->live_counter().Read();
  return live;
}

void Metrics::Tick() { peak_ = std::max(peak_, connections_active()); }

std::vector<prometheus::MetricFamily> Metrics::Collect() {
  const auto begin = steady_clock::now();
  Tick();
  Families families;
  const uint64_t live = connections_active();
  const ProcessFigures process = ReadProcess();
  AddServer(*control_, &families);
  families.Add(Metric::kConnectionsActive, Double(live));
  families.Add(Metric::kConnectionsPeak, Double(peak_));
  if (!AddListeners(*control_, &families)) ++accept_queues_unread_;
  families.Add(Metric::kAcceptQueuesUnread, Double(accept_queues_unread_));
  AddShardFigures(control_->shards(), &families);
  if (live > 0) {
    const uint64_t grown = process.resident_bytes - std::min(process.resident_bytes, resident_at_start_);
    families.Add(Metric::kUserBytesPerConnection, Double(ConnectionBytes(control_->shards())) / Double(live), {"accounting"});
    families.Add(Metric::kUserBytesPerConnection, Double(grown) / Double(live), {"resident"});
  }
  families.Add(Metric::kLogLines, Double(control_->log().written()));
  families.Add(Metric::kLogLinesDropped, Double(control_->log().dropped()));
  AddTcp(ReadTcp(), &families);
  AddProcess(process, &families);
  families.Add(Metric::kCollectSeconds, collect_s_);
  std::vector<prometheus::MetricFamily> taken = std::move(families).Take();
  collect_s_ = std::chrono::duration<double>(steady_clock::now() - begin).count();
  return taken;
}

std::string Metrics::Text() {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, Collect());
  return std::move(text).str();
}

}  // namespace mooring::server::metrics
