// SPDX-License-Identifier: Apache-2.0
#include "tools/load/process_usage.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mooring::tools::load {
namespace {

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file || text.str().empty()) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  return text.str();
}

}  // namespace

absl::StatusOr<double> CpuSecondsOf(const std::string& stat, long ticks_per_second) {
  // proc(5): the name ends at the last bracket; utime and stime are fields 14 and 15, the state after the name is 3.
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return absl::InternalError("/proc/PID/stat: no program name");
  const absl::string_view rest = absl::string_view(stat).substr(name_end + 1);
  const std::vector<absl::string_view> fields = absl::StrSplit(rest, ' ', absl::SkipEmpty());
  uint64_t user = 0;
  uint64_t system = 0;
  if (fields.size() < 13 || !absl::SimpleAtoi(fields[11], &user) || !absl::SimpleAtoi(fields[12], &system)) {
    return absl::InternalError("/proc/PID/stat: no utime and stime");
  }
  return static_cast<double>(user + system) / static_cast<double>(ticks_per_second);
}

absl::StatusOr<uint64_t> ResidentBytesOf(const std::string& status) {
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    uint64_t kilobytes = 0;
    if (words.size() == 3 && words[0] == "VmRSS:" && absl::SimpleAtoi(words[1], &kilobytes)) return kilobytes * 1024;
  }
  return absl::NotFoundError("/proc/PID/status: no VmRSS; a kernel thread, or the process has ended");
}

absl::StatusOr<ProcessUsage> ReadProcessUsage(int pid) {
  absl::StatusOr<std::string> status = ReadAll(absl::StrCat("/proc/", pid, "/status"));
  if (!status.ok()) return absl::NotFoundError(absl::StrCat("--pid=", pid, ": no such process"));
  absl::StatusOr<std::string> stat = ReadAll(absl::StrCat("/proc/", pid, "/stat"));
  if (!stat.ok()) return stat.status();
  absl::StatusOr<uint64_t> resident = ResidentBytesOf(*status);
  if (!resident.ok()) return resident.status();
  absl::StatusOr<double> cpu = CpuSecondsOf(*stat, sysconf(_SC_CLK_TCK));
  if (!cpu.ok()) return cpu.status();
  return ProcessUsage{.resident_bytes = *resident, .cpu_seconds = *cpu};
}

}  // namespace mooring::tools::load
