// SPDX-License-Identifier: Apache-2.0
// Metrics: /stats: the same figures as one JSON object.
//
//   {"program": "mooringd", "version": "0.1.0", "state": "serving", "uptime_s": 12, "transport": "io_uring: ...",
//    "listeners": [{"name": "echo", "service": "echo", "address": "127.0.0.1:7000", "open": true}],
//    "shards": [{"id": 0, "cpu": 3}],
//    "figures": {"connections_active": 5, "closes_total": {"idle": 1, ...}, ...}}
//
// A figure is a metric of the catalogue without mooring_ in front: a number where it has no labels, else an object by
// its first label's values, and in that by the second's.
#include <ctime>
#include <nlohmann/json.hpp>
#include <string>

#include "server/metrics/metrics.h"

namespace mooring::server::metrics {
namespace {

using Json = nlohmann::ordered_json;

// What is no finite number is null in JSON; whole numbers are written as such.
Json Number(double value) {
  constexpr double kExact = 9007199254740992;  // 2^53
  if (value >= -kExact && value <= kExact && value == static_cast<double>(static_cast<int64_t>(value))) {
    return static_cast<int64_t>(value);
  }
  return value;
}

Json Value(prometheus::MetricType type, const prometheus::ClientMetric& sample) {
  if (type == prometheus::MetricType::Counter) return Number(sample.counter.value);
  if (type == prometheus::MetricType::Gauge) return Number(sample.gauge.value);
  Json buckets = Json::array();
  for (const auto& bucket : sample.histogram.bucket) {
    buckets.push_back({{"le", bucket.upper_bound}, {"count", bucket.cumulative_count}});
  }
  return {{"count", sample.histogram.sample_count}, {"sum", sample.histogram.sample_sum}, {"buckets", std::move(buckets)}};
}

Json Figure(const prometheus::MetricFamily& family) {
  Json figure;
  for (const prometheus::ClientMetric& sample : family.metric) {
    Json* at = &figure;
    for (const auto& label : sample.label) at = &(*at)[label.value];
    *at = Value(family.type, sample);
  }
  return figure;
}

}  // namespace

std::string Metrics::StatsJson() {
  Json stats;
  const std::vector<ShardView>& shards = control_->shards();
  stats["program"] = control_->program().name;
  stats["version"] = control_->program().version;
  stats["state"] = Name(control_->state());
  stats["uptime_s"] = time(nullptr) - control_->started_wall_s();
  stats["transport"] = shards.empty() ? "" : shards.front().transport->Describe();
  Json& listeners = stats["listeners"] = Json::array();
  for (const ServedListener& listener : control_->listeners()) {
    listeners.push_back({{"name", listener.name},
                         {"service", listener.service},
                         {"address", listener.endpoint.ToString()},
                         {"open", listener.open}});
  }
  Json& each = stats["shards"] = Json::array();
  for (const ShardView& view : shards) {
    each.push_back({{"id", view.shard->id()}, {"cpu", view.cpu < 0 ? Json() : Json(view.cpu)}});
  }
  Json& figures = stats["figures"] = Json::object();
  for (const prometheus::MetricFamily& family : Collect()) {
    constexpr std::string_view kOurs = "mooring_";
    const std::string_view name = family.name;
    figures[std::string(name.substr(0, kOurs.size()) == kOurs ? name.substr(kOurs.size()) : name)] = Figure(family);
  }
  // Names come from people (a listener's) and may be no UTF-8.
  return stats.dump(1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace mooring::server::metrics
