// SPDX-License-Identifier: Apache-2.0
// Options: what one run is to do, as the flags say.
#ifndef MOORING_TOOLS_LOAD_OPTIONS_H_
#define MOORING_TOOLS_LOAD_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/address.h"
#include "net/transport.h"

namespace mooring::tools::load {

enum class Mode : uint8_t { kClosedLoop, kHold, kChurn, kControlled };
enum class Protocol : uint8_t { kEcho, kLine };

inline constexpr uint32_t kPerSourceMax = 14000;  // connections of one source address
inline constexpr uint32_t kDepthMax = 1024;
inline constexpr uint32_t kMessageBytesMax = 16u << 20;
inline constexpr size_t kSizesMax = 64;
inline constexpr uint64_t kInFlightBytesMax = 64u << 20;  // of one connection
inline constexpr uint32_t kSlowBytesMax = 256u << 10;  // that a slow connection lets wait for it
inline constexpr double kRateMax = 1e8;
inline constexpr double kRestSeconds = 5;  // between the first exchange and measuring memory

struct Options {
  Mode mode = Mode::kClosedLoop;
  Protocol protocol = Protocol::kEcho;
  net::Address target;
  uint32_t connections = 100;
  std::vector<uint32_t> message_bytes = {64};  // each message draws one of them
  uint32_t depth = 1;
  uint32_t slow = 0;           // of the connections: read slowly, and have no part in the figures
  double rate = 0;             // messages a second over all connections; 0: as many as are answered
  double seconds = 10;
  double warmup_seconds = 1;
  double ramp_seconds = 0;     // to open all connections; 0: as fast as it goes
  double ramp_per_second = 0;  // or so many a second
  uint64_t total = 0;          // connections of a churn; 0: as many as fit into the time
  bool verify = false;
  uint32_t sources = 0;        // 0: as many as needed
  std::string cpus;
  int shards = 0;              // 0: one per CPU
  std::optional<net::TransportKind> transport;  // none: auto, the best that the kernel allows
  bool json = false;
  int pid = 0;                 // of the server; 0: not watched
  double grace_seconds = 30;   // on top of all other times, before a run that has not finished is given up
};

// Of opening all connections; 0 when it goes as fast as it can.
inline double RampSeconds(const Options& options) {
  return options.ramp_per_second > 0 ? options.connections / options.ramp_per_second : options.ramp_seconds;
}

// The whole run: beyond it, it has failed.
inline double LimitSeconds(const Options& options) {
  return RampSeconds(options) + options.warmup_seconds + options.seconds + options.grace_seconds;
}

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_OPTIONS_H_
