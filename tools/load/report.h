// SPDX-License-Identifier: Apache-2.0
// Report: what a run measured, and how it is said: as text for people, as one JSON object for scripts.
//
// Threads:  a value.
#ifndef MOORING_TOOLS_LOAD_REPORT_H_
#define MOORING_TOOLS_LOAD_REPORT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "core/histogram.h"
#include "tools/load/options.h"

namespace mooring::tools::load {

struct Percentiles {
  double p50_us = 0;
  double p90_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  double p9999_us = 0;
  double max_us = 0;
};

struct ServerUsage {
  uint64_t rss_start = 0;                 // bytes, before connecting
  std::optional<uint64_t> rss_held = {};  // with all connections held; nothing after a churn
  double cpu_seconds = 0;                 // over the measured time
  double measured_seconds = 0;
};

// All connections at one instant, from which all times count.
struct Wake {
  double first_us = 0;  // answer
  double last_us = 0;
  double sent_us = 0;   // until the load itself had given all messages to the kernel
};

// What became of the times of an open loop.
struct Pace {
  uint64_t late = 0;    // messages sent more than 1 ms after their time because the load itself was behind
  uint64_t unsent = 0;  // their time had come, and until the end their connection had its depth in flight
};

struct Report {
  Mode mode = Mode::kClosedLoop;
  uint64_t connections = 0;  // opened
  double seconds = 0;        // measured; with --hold: of the second exchange
  double held_seconds = 0;
  uint64_t messages = 0;     // answered in that time
  uint64_t bytes = 0;        // received with them
  uint64_t connects = 0;     // in that time, with --churn
  uint64_t answered = 0;     // of a command: messages, outside of that time too
  double cpu_seconds = 0;    // of a command: of the load itself
  double connecting_seconds = 0;             // until all connections were open
  std::optional<Percentiles> latency = {};        // nothing when there was no message
  std::optional<Percentiles> connect_latency = {};
  std::optional<Pace> pace = {};
  std::optional<Wake> wake = {};
  std::optional<ServerUsage> server = {};
  std::map<std::string, uint64_t> errors = {};    // by cause; empty: all went well
  std::map<std::string, std::string> explained = {};  // what is to be said about some of them
};

std::optional<Percentiles> PercentilesOf(const core::Histogram& nanoseconds);
double ConnectsPerSecond(const Report& report);
std::optional<double> ServerBytesPerConnection(const Report& report);
std::optional<double> ServerCpuUsPerMessage(const Report& report);

std::string ToText(const Report& report);
std::string ErrorsToText(const Report& report);  // a line each; empty when there are none

// One object on one line.
std::string ToJson(const Report& report);
std::string ReadyToJson(const Report& report);
std::string CommandToJson(const std::string& command, const Report& report);
std::string ErrorToJson(absl::string_view message);

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_REPORT_H_
