// SPDX-License-Identifier: Apache-2.0
#include "tools/load/report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mooring::tools::load {
namespace {

double PerSecond(uint64_t n, double seconds) { return seconds > 0 ? static_cast<double>(n) / seconds : 0; }

std::string Line(const char* what, const Percentiles& us) {
  return absl::StrFormat("%-17s p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  p99.99 %.1f  max %.1f us\n", what,
                         us.p50_us, us.p90_us, us.p99_us, us.p999_us, us.p9999_us, us.max_us);
}

std::string ServerText(const Report& report) {
  const ServerUsage& server = *report.server;
  std::string text = absl::StrFormat("server memory     %.1f MB before connecting", server.rss_start / 1e6);
  if (server.rss_held.has_value()) {
    absl::StrAppendFormat(&text, ", %.1f MB with %u connections", *server.rss_held / 1e6, report.connections);
  }
  text += "\n";
  if (const auto each = ServerBytesPerConnection(report)) {
    const bool idle = report.mode == Mode::kHold;
    absl::StrAppendFormat(&text, "user memory per %sconnection %.1f bytes\n", idle ? "idle " : "", *each);
  }
  if (server.measured_seconds > 0) {
    const double percent = 100 * server.cpu_seconds / server.measured_seconds;
    absl::StrAppendFormat(&text, "server CPU        %.1f %% of a core", percent);
    if (const auto each = ServerCpuUsPerMessage(report)) absl::StrAppendFormat(&text, ", %.2f us per message", *each);
    text += "\n";
  }
  return text;
}

}  // namespace

std::optional<Percentiles> PercentilesOf(const core::Histogram& nanoseconds) {
  if (nanoseconds.Count() == 0) return std::nullopt;
  const auto us = [&](double percentile) { return static_cast<double>(nanoseconds.Percentile(percentile)) / 1000; };
  return Percentiles{.p50_us = us(50),
                     .p90_us = us(90),
                     .p99_us = us(99),
                     .p999_us = us(99.9),
                     .p9999_us = us(99.99),
                     .max_us = static_cast<double>(nanoseconds.Max()) / 1000};
}

double ConnectsPerSecond(const Report& report) {
  if (report.mode == Mode::kChurn) return PerSecond(report.connects, report.seconds);
  return PerSecond(report.connections, report.connecting_seconds);
}

std::optional<double> ServerBytesPerConnection(const Report& report) {
  const std::optional<ServerUsage>& server = report.server;
  if (!server.has_value() || !server->rss_held.has_value() || report.connections == 0) return std::nullopt;
  const double grown = static_cast<double>(*server->rss_held) - static_cast<double>(server->rss_start);
  return grown / static_cast<double>(report.connections);
}

// Not in hold mode: there the CPU time is that of holding, not of the messages.
std::optional<double> ServerCpuUsPerMessage(const Report& report) {
  if (!report.server.has_value() || report.messages == 0 || report.mode == Mode::kHold) return std::nullopt;
  return report.server->cpu_seconds * 1e6 / static_cast<double>(report.messages);
}

std::string ToText(const Report& report) {
  std::string text = absl::StrFormat("connections       %u", report.connections);
  if (report.mode == Mode::kHold) absl::StrAppendFormat(&text, ", held for %.1f s", report.held_seconds);
  absl::StrAppendFormat(&text, "\nconnects          %.0f/s\n", ConnectsPerSecond(report));
  if (report.connect_latency.has_value()) text += Line("connect latency", *report.connect_latency);
  absl::StrAppendFormat(&text, "messages          %.0f/s (%u in %.2f s)\n", PerSecond(report.messages, report.seconds),
                        report.messages, report.seconds);
  absl::StrAppendFormat(&text, "bytes received    %.2f MB/s\n", PerSecond(report.bytes, report.seconds) / 1e6);
  if (report.latency.has_value()) text += Line("latency", *report.latency);
  if (report.pace.has_value()) {
    absl::StrAppendFormat(&text, "off their time    %u late by the load itself, %u not sent for want of answers\n",
                          report.pace->late, report.pace->unsent);
  }
  if (report.server.has_value()) text += ServerText(report);
  if (report.errors.empty()) return text + "errors            none\n";
  return text + "errors\n" + ErrorsToText(report);
}

std::string ErrorsToText(const Report& report) {
  std::string text;
  for (const auto& [cause, count] : report.errors) {
    const auto explained = report.explained.find(cause);
    absl::StrAppend(&text, "  ", cause, ": ", count);
    if (explained != report.explained.end()) absl::StrAppend(&text, " (", explained->second, ")");
    text += "\n";
  }
  return text;
}

}  // namespace mooring::tools::load
