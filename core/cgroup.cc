// SPDX-License-Identifier: Apache-2.0
#include "core/cgroup.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_split.h"

namespace mooring::core {
namespace {

// What no limit looks like in version 1: LONG_MAX rounded down to a page, of whatever size.
constexpr uint64_t kNoLimitV1 = uint64_t{1} << 62;

struct Mount {
  bool v2;
  std::string shown;  // the part of the hierarchy that is mounted
  std::string at;
};

// proc_pid_mountinfo(5): blanks in paths are written as \040.
std::string Unescape(std::string_view text) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) && octal(text[i + 3])) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool Lists(const std::string& names, std::string_view name) {
  for (absl::string_view each : absl::StrSplit(names, ',')) {
    if (std::string_view(each.data(), each.size()) == name) return true;
  }
  return false;
}

std::vector<Mount> Mounts(const HostTree& host, std::string_view controller) {
  std::vector<Mount> mounts;
  const std::string all = host.Read("/proc/self/mountinfo").value_or("");
  for (absl::string_view line : absl::StrSplit(all, '\n')) {
    const std::vector<std::string> words = Words({line.data(), line.size()});
    // id parent major:minor root mountpoint options [tag ...] - type source options
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (dash - words.begin() < 6 || words.end() - dash < 4) continue;
    const bool v2 = dash[1] == "cgroup2";
    if (v2 || (dash[1] == "cgroup" && Lists(dash[3], controller))) {
      mounts.push_back({v2, Unescape(words[3]), Unescape(words[4])});
    }
  }
  return mounts;
}

// This process's group in the hierarchy, as /proc/self/cgroup has it: "4:memory:/a/b", and "0::/a/b" of version 2.
std::string Group(const HostTree& host, bool v2, std::string_view controller) {
  const std::string all = host.Read("/proc/self/cgroup").value_or("");
  for (absl::string_view line : absl::StrSplit(all, '\n')) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() == 3 && (v2 ? parts[0] == "0" && parts[1].empty() : Lists(parts[1], controller))) return parts[2];
  }
  return "/";
}

// The group's path below the mount, "/a/b" or "". A group outside of what is mounted ("/.." in a namespace, or the
// whole path beside a mount of the container's part) is seen as the mount's own.
std::string Below(const Mount& mount, std::string group) {
  if (mount.shown != "/") {
    const bool inside = group.compare(0, mount.shown.size(), mount.shown) == 0 &&
                        (group.size() == mount.shown.size() || group[mount.shown.size()] == '/');
    group = inside ? group.substr(mount.shown.size()) : "";
  }
  return group.compare(0, 3, "/..") == 0 ? "" : group;
}

// Calls read(folder, v2) for the process's group and each above it.
void ForEachFolder(const HostTree& host, std::string_view controller,
                   absl::FunctionRef<void(const std::string& folder, bool v2)> read) {
  for (const Mount& mount : Mounts(host, controller)) {
    std::string below = Below(mount, Group(host, mount.v2, controller));
    for (;;) {
      read(mount.at + below, mount.v2);
      if (below.empty()) break;
      below.resize(below.rfind('/'));
    }
  }
}

template <class T>
void TakeLesser(std::optional<T>* least, T value) {
  if (!least->has_value() || value < **least) *least = value;
}

}  // namespace

std::optional<double> CgroupCpuQuota(const HostTree& host) {
  std::optional<double> least;
  ForEachFolder(host, "cpu", [&](const std::string& folder, bool v2) {
    std::optional<uint64_t> quota, period;  // microseconds
    if (v2) {
      const std::vector<std::string> words = Words(host.Read(folder + "/cpu.max").value_or(""));
      if (words.size() != 2) return;
      quota = ParseNumber(words[0]);
      period = ParseNumber(words[1]);
    } else {
      quota = host.ReadNumber(folder + "/cpu.cfs_quota_us");  // -1 is none
      period = host.ReadNumber(folder + "/cpu.cfs_period_us");
    }
    if (!quota.has_value() || period.value_or(0) == 0) return;
    TakeLesser(&least, static_cast<double>(*quota) / static_cast<double>(*period));
  });
  return least;
}

std::optional<uint64_t> CgroupMemoryLimit(const HostTree& host) {
  std::optional<uint64_t> least;
  const auto take = [&](const std::string& file) {
    const std::optional<uint64_t> bytes = host.ReadNumber(file);
    if (bytes.has_value() && *bytes < kNoLimitV1) TakeLesser(&least, *bytes);
  };
  ForEachFolder(host, "memory", [&](const std::string& folder, bool v2) {
    if (v2) {
      take(folder + "/memory.max");
      take(folder + "/memory.high");
    } else {
      take(folder + "/memory.limit_in_bytes");
    }
  });
  return least;
}

uint64_t MachineMemory(const HostTree& host) {
  const std::vector<std::string> words = Words(host.Read("/proc/meminfo").value_or(""));
  const auto total = std::find(words.begin(), words.end(), "MemTotal:");
  if (words.end() - total < 2) return 0;
  return ParseNumber(total[1]).value_or(0) * 1024;
}

uint64_t MemoryLimit(const HostTree& host) {
  const uint64_t machine = MachineMemory(host);
  const uint64_t group = CgroupMemoryLimit(host).value_or(machine);
  return machine == 0 ? group : std::min(machine, group);
}

}  // namespace mooring::core
