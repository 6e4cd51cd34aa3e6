// SPDX-License-Identifier: Apache-2.0
#include "server/watch/thread_cpu.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace mooring::server::watch {

std::optional<ThreadCpu> ReadThreadCpu(int tid, const core::HostTree& host) {
  if (tid <= 0) return std::nullopt;
  const std::string folder = absl::StrCat("/proc/self/task/", tid, "/");
  const std::optional<std::string> stat = host.Read(folder + "stat");
  const std::optional<std::string> schedstat = host.Read(folder + "schedstat");
  if (!stat || !schedstat) return std::nullopt;
  // "TID (NAME) STATE ...": the name may have anything in it, parentheses too.
  const size_t name_end = stat->rfind(") ");
  // "NANOSECONDS-ON-A-CPU NANOSECONDS-WAITING TIMES"
  const std::vector<std::string> times = core::Words(*schedstat);
  const std::optional<uint64_t> used = times.empty() ? std::nullopt : core::ParseNumber(times[0]);
  if (name_end == std::string::npos || name_end + 2 >= stat->size() || !used) return std::nullopt;
  return ThreadCpu{.runnable = (*stat)[name_end + 2] == 'R', .used = static_cast<core::Nanos>(*used)};
}

}  // namespace mooring::server::watch
