// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "tools/load/report.h"

namespace mooring::tools::load {
namespace {

template <class T>
nlohmann::json OrNull(const std::optional<T>& value) {
  return value.has_value() ? nlohmann::json(*value) : nlohmann::json();
}

void AddPercentiles(const char* prefix, const std::optional<Percentiles>& latency, nlohmann::ordered_json* json) {
  const auto add = [&](const char* name, double Percentiles::*member) {
    (*json)[std::string(prefix) + name] = latency.has_value() ? nlohmann::json((*latency).*member) : nlohmann::json();
  };
  add("p50_us", &Percentiles::p50_us);
  add("p90_us", &Percentiles::p90_us);
  add("p99_us", &Percentiles::p99_us);
  add("p999_us", &Percentiles::p999_us);
  add("max_us", &Percentiles::max_us);
}

}  // namespace

std::string ToJson(const Report& report) {
  const auto per_second = [&](uint64_t n) {
    return report.seconds > 0 ? static_cast<double>(n) / report.seconds : 0.0;
  };
  const std::optional<ServerUsage>& server = report.server;
  nlohmann::ordered_json json;
  json["rate"] = per_second(report.messages);
  json["messages"] = report.messages;
  json["seconds"] = report.seconds;
  json["held_seconds"] = report.mode == Mode::kHold ? nlohmann::json(report.held_seconds) : nlohmann::json();
  json["bytes_per_second"] = per_second(report.bytes);
  json["connections"] = report.connections;
  json["connects_per_second"] = ConnectsPerSecond(report);
  AddPercentiles("", report.latency, &json);
  AddPercentiles("connect_", report.connect_latency, &json);
  json["server_cpu_us_per_message"] = OrNull(ServerCpuUsPerMessage(report));
  const bool watched = server.has_value() && server->measured_seconds > 0;
  json["server_cpu_percent"] =
      watched ? nlohmann::json(100 * server->cpu_seconds / server->measured_seconds) : nlohmann::json();
  json["server_rss_start"] = server.has_value() ? nlohmann::json(server->rss_start) : nlohmann::json();
  json["server_rss_held"] = server.has_value() ? OrNull(server->rss_held) : nlohmann::json();
  json["server_bytes_per_connection"] = OrNull(ServerBytesPerConnection(report));
  json["errors"] = nlohmann::json::object();
  for (const auto& [cause, count] : report.errors) json["errors"][cause] = count;
  return json.dump();
}

}  // namespace mooring::tools::load
