// SPDX-License-Identifier: Apache-2.0
#include "server/metrics/process_figures.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace mooring::server::metrics {
namespace {

// Empty where it cannot be read.
std::string ReadSmall(const char* path) {
  std::string text(16384, '\0');
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  size_t used = 0;
  while (used < text.size()) {
    const ssize_t n = read(fd, text.data() + used, text.size() - used);
    if (n <= 0) break;
    used += static_cast<size_t>(n);
  }
  close(fd);
  text.resize(used);
  return text;
}

std::vector<absl::string_view> Words(std::string_view text) {
  return absl::StrSplit(absl::string_view(text.data(), text.size()), absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
}

std::optional<uint64_t> Number(absl::string_view text) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(text, &number)) return std::nullopt;
  return number;
}

std::optional<uint64_t> CountFds() {
  struct stat folder = {};
  if (stat("/proc/self/fd", &folder) != 0) return std::nullopt;
  if (folder.st_size > 0) return static_cast<uint64_t>(folder.st_size);  // Linux 6.2: fs/proc/fd.c, proc_readfd_count
  constexpr uint64_t kCountedMax = 10'000;
  DIR* fds = opendir("/proc/self/fd");
  if (fds == nullptr) return std::nullopt;
  uint64_t count = 0;
  for (const dirent* entry = readdir(fds); entry != nullptr && count <= kCountedMax; entry = readdir(fds)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(fds);
  if (count > kCountedMax) return std::nullopt;
  return count - 1;  // the folder's own
}

double Seconds(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Once, so that it does not move when the wall's clock is set. /proc/stat, which has btime, is long on a large machine.
double StartedWall(double ticks_after_boot) {
  static const double started = Seconds(CLOCK_REALTIME) - Seconds(CLOCK_BOOTTIME) +
                                ticks_after_boot / static_cast<double>(sysconf(_SC_CLK_TCK));
  return started;
}

// The value behind `key` in the line that begins with `line`: "TCP: inuse 4 orphan 0".
std::optional<uint64_t> After(std::string_view text, absl::string_view line, absl::string_view key) {
  for (absl::string_view each : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    const std::vector<absl::string_view> words = Words({each.data(), each.size()});
    if (words.empty() || words[0] != line) continue;
    for (size_t i = 1; i + 1 < words.size(); ++i) {
      if (words[i] == key) return Number(words[i + 1]);
    }
  }
  return std::nullopt;
}

// Of a file in which a line of names is followed by one of values.
std::optional<uint64_t> Below(std::string_view text, absl::string_view line, absl::string_view key) {
  std::vector<absl::string_view> names;
  for (absl::string_view each : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    std::vector<absl::string_view> words = Words({each.data(), each.size()});
    if (words.empty() || words[0] != line) continue;
    if (names.empty()) {
      names = std::move(words);
      continue;
    }
    for (size_t i = 1; i < names.size() && i < words.size(); ++i) {
      if (names[i] == key) return Number(words[i]);
    }
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

uint64_t ReadResidentBytes() {
  const std::string statm = ReadSmall("/proc/self/statm");
  const std::vector<absl::string_view> words = Words(statm);
  if (words.size() < 2) return 0;
  return Number(words[1]).value_or(0) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

ProcessFigures ReadProcess() {
  ProcessFigures figures;
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    figures.cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  // proc(5): 22 is the start, in ticks since boot; 23 and 24 virtual bytes and resident pages. The name, 2, may have spaces.
  const std::string stat = ReadSmall("/proc/self/stat");
  if (const size_t name_end = stat.rfind(')'); name_end != std::string::npos) {
    const std::vector<absl::string_view> words = Words(std::string_view(stat).substr(name_end + 1));
    if (words.size() > 21) {
      figures.virtual_bytes = Number(words[20]).value_or(0);
      figures.started_wall_s = StartedWall(static_cast<double>(Number(words[19]).value_or(0)));
    }
  }
  figures.resident_bytes = ReadResidentBytes();
  figures.open_fds = CountFds();
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.max_fds = limit.rlim_cur;
  return figures;
}

TcpFigures ParseTcp(std::string_view sockstat, std::string_view netstat, std::string_view port_range) {
  TcpFigures figures;
  figures.in_use = After(sockstat, "TCP:", "inuse");
  figures.orphan = After(sockstat, "TCP:", "orphan");
  figures.time_wait = After(sockstat, "TCP:", "tw");
  figures.listen_overflows = Below(netstat, "TcpExt:", "ListenOverflows");
  const std::vector<absl::string_view> range = Words(port_range);
  if (range.size() == 2) {
    const std::optional<uint64_t> first = Number(range[0]), last = Number(range[1]);
    if (first.has_value() && last.has_value() && *first <= *last) figures.ephemeral_ports = *last - *first + 1;
  }
  return figures;
}

TcpFigures ReadTcp() {
  return ParseTcp(ReadSmall("/proc/net/sockstat"), ReadSmall("/proc/net/netstat"),
                  ReadSmall("/proc/sys/net/ipv4/ip_local_port_range"));
}

}  // namespace mooring::server::metrics
