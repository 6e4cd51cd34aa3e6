// SPDX-License-Identifier: Apache-2.0
#include "core/topology.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mooring::core {
namespace {

struct FreeCpuSet {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};
using CpuSet = std::unique_ptr<cpu_set_t, FreeCpuSet>;

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::optional<int> ParseCpu(std::string_view text) {
  text = Trim(text);
  int cpu = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cpu);
  if (error != std::errc() || end != text.data() + text.size() || cpu < 0 || cpu > kCpuMax) return std::nullopt;
  return cpu;
}

absl::Status BadPart(std::string_view part, std::string_view list, std::string_view why) {
  const auto view = [](std::string_view text) { return absl::string_view(text.data(), text.size()); };
  return absl::InvalidArgumentError(
      absl::StrCat("CPU list \"", view(list), "\": \"", view(part), "\" ", view(why), "; write for example 0-3,8"));
}

}  // namespace

absl::StatusOr<std::vector<int>> ParseCpuList(std::string_view text) {
  const std::string_view list = Trim(text);
  std::vector<int> cpus;
  size_t begin = 0;
  while (begin <= list.size()) {
    const size_t comma = std::min(list.find(',', begin), list.size());
    const std::string_view part = Trim(list.substr(begin, comma - begin));
    begin = comma + 1;
    const size_t dash = part.find('-');
    const std::optional<int> first = ParseCpu(part.substr(0, dash));
    const std::optional<int> last = dash == part.npos ? first : ParseCpu(part.substr(dash + 1));
    if (!first || !last) {
      return BadPart(part, list, absl::StrCat("is not a CPU number or range (0 to ", kCpuMax, ")"));
    }
    if (*last < *first) return BadPart(part, list, "runs backwards");
    for (int cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
    // "0-65535" repeated must not add up: no list needs more than every CPU twice.
    if (cpus.size() > 2 * size_t{kCpuMax}) return BadPart(part, list, "names CPUs that were named before");
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

std::string FormatCpuList(const std::vector<int>& cpus) {
  std::string text;
  for (size_t i = 0; i < cpus.size();) {
    size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    absl::StrAppend(&text, text.empty() ? "" : ",", cpus[i]);
    if (last > i) absl::StrAppend(&text, "-", cpus[last]);
    i = last + 1;
  }
  return text;
}

absl::StatusOr<std::vector<int>> AllowedCpus() {
  // EINVAL means a set smaller than the kernel's own (sched_getaffinity(2), "Handling systems with large CPU
  // affinity masks").
  for (int cpus = CPU_SETSIZE; cpus <= kCpuMax + 1; cpus *= 2) {
    const CpuSet set(CPU_ALLOC(cpus));
    if (set == nullptr) return absl::ResourceExhaustedError("no memory for a CPU set");
    const size_t bytes = CPU_ALLOC_SIZE(cpus);
    if (sched_getaffinity(0, bytes, set.get()) == 0) {
      std::vector<int> allowed;
      for (int cpu = 0; cpu < cpus; ++cpu) {
        if (CPU_ISSET_S(cpu, bytes, set.get())) allowed.push_back(cpu);
      }
      return allowed;
    }
    if (errno != EINVAL) return absl::ErrnoToStatus(errno, "sched_getaffinity");
  }
  return absl::InternalError(absl::StrCat("sched_getaffinity: the kernel has more than ", kCpuMax + 1, " CPUs"));
}

absl::Status PinThisThread(int cpu) { return RunThisThreadOn({cpu}); }

absl::Status RunThisThreadOn(const std::vector<int>& cpus) {
  int highest = 0;
  for (const int cpu : cpus) {
    if (cpu < 0 || cpu > kCpuMax) return absl::InvalidArgumentError(absl::StrCat("there is no CPU ", cpu));
    highest = std::max(highest, cpu);
  }
  const CpuSet set(CPU_ALLOC(highest + 1));
  if (set == nullptr) return absl::ResourceExhaustedError("no memory for a CPU set");
  const size_t bytes = CPU_ALLOC_SIZE(highest + 1);
  CPU_ZERO_S(bytes, set.get());
  for (const int cpu : cpus) CPU_SET_S(cpu, bytes, set.get());
  if (sched_setaffinity(0, bytes, set.get()) == 0) return absl::OkStatus();
  const std::string list = FormatCpuList(cpus);
  if (errno != EINVAL) return absl::ErrnoToStatus(errno, absl::StrCat("cannot pin a thread to CPU ", list));
  return absl::FailedPreconditionError(
      absl::StrCat("cannot pin a thread to CPU ", list, ": it is offline or not in this process's cpuset"));
}

}  // namespace mooring::core
