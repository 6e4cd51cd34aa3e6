// SPDX-License-Identifier: Apache-2.0
// ProcessUsage: what another process holds in memory and has used of the CPU, read from /proc.
//
// Threads:  any.
#ifndef MOORING_TOOLS_LOAD_PROCESS_USAGE_H_
#define MOORING_TOOLS_LOAD_PROCESS_USAGE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace mooring::tools::load {

struct ProcessUsage {
  uint64_t resident_bytes = 0;  // VmRSS of /proc/PID/status
  double cpu_seconds = 0;       // utime + stime of /proc/PID/stat, in steps of a clock tick (10 ms)
};

// NotFound when there is no such process.
absl::StatusOr<ProcessUsage> ReadProcessUsage(int pid);

// The parts, for tests. `stat` is a line whose second field, the program's name, may itself hold spaces and brackets.
absl::StatusOr<double> CpuSecondsOf(const std::string& stat, long ticks_per_second);
absl::StatusOr<uint64_t> ResidentBytesOf(const std::string& status);

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_PROCESS_USAGE_H_
