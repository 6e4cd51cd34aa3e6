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
  add("p9999_us", &Percentiles::p9999_us);
  add("max_us", &Percentiles::max_us);
}

void AddErrors(const Report& report, nlohmann::ordered_json* json) {
  (*json)["errors"] = nlohmann::json::object();
  for (const auto& [cause, count] : report.errors) (*json)["errors"][cause] = count;
}

void AddAll(const Report& report, nlohmann::ordered_json* out) {
  const auto per_second = [&](uint64_t n) {
    return report.seconds > 0 ? static_cast<double>(n) / report.seconds : 0.0;
  };
  const std::optional<ServerUsage>& server = report.server;
  nlohmann::ordered_json& json = *out;
  json["rate"] = per_second(report.messages);
  json["messages"] = report.messages;
  json["seconds"] = report.seconds;
  json["held_seconds"] = report.mode == Mode::kHold ? nlohmann::json(report.held_seconds) : nlohmann::json();
  json["bytes_per_second"] = per_second(report.bytes);
  json["connections"] = report.connections;
  json["connects_per_second"] = ConnectsPerSecond(report);
  AddPercentiles("", report.latency, &json);
  AddPercentiles("connect_", report.connect_latency, &json);
  json["late"] = report.pace.has_value() ? nlohmann::json(report.pace->late) : nlohmann::json();
  json["unsent"] = report.pace.has_value() ? nlohmann::json(report.pace->unsent) : nlohmann::json();
  json["server_cpu_us_per_message"] = OrNull(ServerCpuUsPerMessage(report));
  const bool watched = server.has_value() && server->measured_seconds > 0;
  json["server_cpu_percent"] =
      watched ? nlohmann::json(100 * server->cpu_seconds / server->measured_seconds) : nlohmann::json();
  json["server_rss_start"] = server.has_value() ? nlohmann::json(server->rss_start) : nlohmann::json();
  json["server_rss_held"] = server.has_value() ? OrNull(server->rss_held) : nlohmann::json();
  json["server_bytes_per_connection"] = OrNull(ServerBytesPerConnection(report));
  AddErrors(report, &json);
}

void AddWake(const Report& report, nlohmann::ordered_json* out) {
  nlohmann::ordered_json& json = *out;
  const auto us = [&](const std::optional<double>& value) {
    return report.latency.has_value() ? OrNull(value) : nlohmann::json();
  };
  json["messages"] = report.messages;
  json["connections"] = report.connections;
  json["first_us"] = us(report.wake->first_us);
  json["median_us"] = us(report.latency.has_value() ? report.latency->p50_us : 0);
  json["p99_us"] = us(report.latency.has_value() ? report.latency->p99_us : 0);
  json["last_us"] = us(report.wake->last_us);
  json["sent_us"] = us(report.wake->sent_us);
  json["cpu_seconds"] = report.cpu_seconds;
  AddErrors(report, &json);
}

}  // namespace

std::string ToJson(const Report& report) {
  nlohmann::ordered_json json;
  AddAll(report, &json);
  return json.dump();
}

std::string ReadyToJson(const Report& report) {
  nlohmann::ordered_json json;
  json["ready"] = true;
  json["connections"] = report.connections;
  json["seconds"] = report.seconds;
  AddErrors(report, &json);
  return json.dump();
}

std::string CommandToJson(const std::string& command, const Report& report) {
  nlohmann::ordered_json json;
  json["command"] = command;
  if (report.wake.has_value()) {
    AddWake(report, &json);
  } else {
    AddAll(report, &json);
    json["answered"] = report.answered;
    json["cpu_seconds"] = report.cpu_seconds;
  }
  return json.dump();
}

std::string ErrorToJson(absl::string_view message) {
  return nlohmann::ordered_json{{"error", std::string(message)}}.dump(-1, ' ', false,
                                                                      nlohmann::json::error_handler_t::replace);
}

}  // namespace mooring::tools::load
