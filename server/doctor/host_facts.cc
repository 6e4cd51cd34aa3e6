// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/host_facts.h"

#include <linux/capability.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "core/cgroup.h"
#include "core/topology.h"

namespace mooring::server::doctor {
namespace {

// What is judged beside the table.
constexpr const char* kMoreSysctls[] = {"net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
                                        "net.netfilter.nf_conntrack_count"};

// The rest of the line that begins with `key`.
std::string LineOf(const std::string& text, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::ConsumePrefix(&line, key)) return std::string(line);
  }
  return "";
}

std::optional<ProcessLimit> LimitOf(const std::string& limits, absl::string_view name) {
  const std::vector<std::string> words = core::Words(LineOf(limits, name));
  if (words.size() < 2) return std::nullopt;
  const auto number = [](const std::string& word) {
    return word == "unlimited" ? kUnlimited : core::ParseNumber(word).value_or(0);
  };
  return ProcessLimit{.soft = number(words[0]), .hard = number(words[1])};
}

void ReadSysctl(const core::HostTree& host, const std::string& key, HostFacts* facts) {
  const std::optional<std::string> text = host.Read("/proc/sys/" + absl::StrReplaceAll(key, {{".", "/"}}));
  if (!text.has_value()) return;
  std::vector<uint64_t> numbers;
  for (const std::string& word : core::Words(*text)) {
    const std::optional<uint64_t> number = core::ParseNumber(word);
    if (!number.has_value()) return;
    numbers.push_back(*number);
  }
  if (!numbers.empty()) facts->sysctls[key] = std::move(numbers);
}

std::vector<int> CpusIn(const core::HostTree& host, const std::string& path) {
  absl::StatusOr<std::vector<int>> cpus = core::ParseCpuList(host.Read(path).value_or(""));
  return cpus.ok() ? *std::move(cpus) : std::vector<int>();
}

std::vector<Node> Nodes(const core::HostTree& host) {
  std::vector<Node> nodes;
  const std::string folder = "/sys/devices/system/node";
  for (const std::string& name : host.List(folder)) {
    absl::string_view digits = name;
    if (!absl::ConsumePrefix(&digits, "node")) continue;
    const std::optional<uint64_t> number = core::ParseNumber({digits.data(), digits.size()});
    if (!number.has_value()) continue;
    Node node = {.number = static_cast<int>(*number),
                 .cpus = CpusIn(host, absl::StrCat(folder, "/", name, "/cpulist"))};
    const std::vector<std::string> words =
        core::Words(host.Read(absl::StrCat(folder, "/", name, "/meminfo")).value_or(""));
    const auto total = std::find(words.begin(), words.end(), "MemTotal:");
    if (words.end() - total > 1) node.memory_bytes = core::ParseNumber(total[1]).value_or(0) * 1024;
    nodes.push_back(std::move(node));
  }
  std::sort(nodes.begin(), nodes.end(), [](const Node& a, const Node& b) { return a.number < b.number; });
  return nodes;
}

std::vector<int> InterruptCpus(const core::HostTree& host, const std::string& device) {
  std::set<int> cpus;
  // A virtio device is a child of the PCI device that has the interrupts.
  for (const char* folder : {"/msi_irqs", "/../msi_irqs"}) {
    for (const std::string& irq : host.List(device + folder)) {
      const std::vector<int> some = CpusIn(host, absl::StrCat("/proc/irq/", irq, "/smp_affinity_list"));
      cpus.insert(some.begin(), some.end());
    }
    if (!cpus.empty()) break;
  }
  return {cpus.begin(), cpus.end()};
}

std::vector<Nic> Nics(const core::HostTree& host) {
  std::vector<Nic> nics;
  for (const std::string& name : host.List("/sys/class/net")) {
    const std::string folder = "/sys/class/net/" + name;
    if (host.List(folder + "/device").empty()) continue;
    Nic nic = {.name = name, .interrupt_cpus = InterruptCpus(host, folder + "/device")};
    const std::optional<uint64_t> node = host.ReadNumber(folder + "/device/numa_node");  // -1 is no number
    if (node.has_value()) nic.node = static_cast<int>(*node);
    for (const std::string& queue : host.List(folder + "/queues")) {
      nic.receive_queues += absl::StartsWith(queue, "rx-");
      nic.send_queues += absl::StartsWith(queue, "tx-");
      const std::string mask = host.Read(absl::StrCat(folder, "/queues/", queue, "/rps_cpus")).value_or("");
      nic.steered |= mask.find_first_not_of("0,") != mask.npos;
    }
    nics.push_back(std::move(nic));
  }
  return nics;
}

}  // namespace

KernelVersion ParseKernelVersion(std::string_view release) {
  KernelVersion version;
  const char* const end = release.data() + release.size();
  const auto major = std::from_chars(release.data(), end, version.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return {};
  if (std::from_chars(major.ptr + 1, end, version.minor).ec != std::errc()) return {};
  return version;
}

std::optional<uint64_t> HostFacts::Sysctl(const std::string& key, size_t field) const {
  const auto found = sysctls.find(key);
  if (found == sysctls.end() || found->second.size() <= field) return std::nullopt;
  return found->second[field];
}

uint64_t HostFacts::memory_bytes() const {
  if (!cgroup_memory_bytes.has_value()) return machine_memory_bytes;
  return machine_memory_bytes == 0 ? *cgroup_memory_bytes : std::min(machine_memory_bytes, *cgroup_memory_bytes);
}

HostFacts GatherHost(const core::HostTree& host, const std::vector<Recommendation>& table) {
  HostFacts facts;
  facts.release = host.Read("/proc/sys/kernel/osrelease").value_or("");
  const std::string limits = host.Read("/proc/self/limits").value_or("");
  facts.nofile = LimitOf(limits, "Max open files");
  facts.memlock = LimitOf(limits, "Max locked memory");
  for (const Recommendation& row : table) ReadSysctl(host, row.key, &facts);
  for (const char* key : kMoreSysctls) ReadSysctl(host, key, &facts);
  facts.reserved_ports = host.Read("/proc/sys/net/ipv4/ip_local_reserved_ports").value_or("");
  const std::vector<std::string> files = core::Words(host.Read("/proc/sys/fs/file-nr").value_or(""));
  if (!files.empty()) facts.files_open = core::ParseNumber(files[0]).value_or(0);
  facts.machine_memory_bytes = core::MachineMemory(host);
  facts.cgroup_memory_bytes = core::CgroupMemoryLimit(host);
  facts.cpu_quota = core::CgroupCpuQuota(host);

  const std::string status = host.Read("/proc/self/status").value_or("");
  absl::StatusOr<std::vector<int>> allowed = core::ParseCpuList(LineOf(status, "Cpus_allowed_list:"));
  if (allowed.ok()) facts.allowed_cpus = *std::move(allowed);
  const uint64_t capabilities = std::strtoull(LineOf(status, "CapEff:").c_str(), nullptr, 16);
  facts.may_bind_low_ports = (capabilities >> CAP_NET_BIND_SERVICE & 1) != 0;
  facts.may_lock_memory = (capabilities >> CAP_IPC_LOCK & 1) != 0;
  facts.may_exceed_file_max = (capabilities >> CAP_SYS_ADMIN & 1) != 0;
  facts.nodes = Nodes(host);
  facts.nics = Nics(host);
  return facts;
}

}  // namespace mooring::server::doctor
