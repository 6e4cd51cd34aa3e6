// SPDX-License-Identifier: Apache-2.0
#include "server/watch/thread_cpu.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace mooring::server::watch {
namespace {

// Empty where it cannot be read.
std::string Start(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::array<char, 512> bytes;
  const ssize_t n = read(fd, bytes.data(), bytes.size());
  close(fd);
  return n > 0 ? std::string(bytes.data(), static_cast<size_t>(n)) : std::string();
}

}  // namespace

std::optional<ThreadCpu> ReadThreadCpu(int tid) {
  if (tid <= 0) return std::nullopt;
  const std::string folder = absl::StrCat("/proc/self/task/", tid, "/");
  // "TID (NAME) STATE ...": the name may have anything in it, parentheses too.
  const std::string stat = Start(folder + "stat");
  const size_t name_end = stat.rfind(") ");
  // "NANOSECONDS-ON-A-CPU NANOSECONDS-WAITING TIMES"
  const std::string schedstat = Start(folder + "schedstat");
  ThreadCpu cpu;
  if (name_end == std::string::npos || name_end + 2 >= stat.size() ||
      !absl::SimpleAtoi(absl::string_view(schedstat).substr(0, schedstat.find(' ')), &cpu.used)) {
    return std::nullopt;
  }
  cpu.runnable = stat[name_end + 2] == 'R';
  return cpu;
}

}  // namespace mooring::server::watch
