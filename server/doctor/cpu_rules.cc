// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/topology.h"
#include "server/doctor/amount.h"
#include "server/doctor/rules.h"

namespace mooring::server::doctor {
namespace {

constexpr char kArea[] = "cpu";

std::string Shards(int shards) { return absl::StrCat(shards, shards == 1 ? " shard" : " shards"); }

void JudgeQuota(const HostFacts& host, const Demand& demand, Findings* findings) {
  if (!host.cpu_quota.has_value()) {
    findings->push_back({kArea, "quota", Verdict::kOk, "no CPU quota"});
    return;
  }
  const double quota = *host.cpu_quota;
  const std::string text = absl::StrFormat("the cgroup has a quota of %.4g CPUs", quota);
  if (demand.shards <= quota) {
    findings->push_back({kArea, "quota", Verdict::kOk, text});
    return;
  }
  const int enough = std::max(1, static_cast<int>(std::floor(quota)));
  Finding finding = {
      kArea, "quota", Verdict::kWarning,
      absl::StrCat(text, " for ", Shards(demand.shards),
                   ": under load all stand still for a part of every period, and latency has its length")};
  finding.mend =
      enough < demand.shards
          ? absl::StrCat("--shards=", enough, ", or a larger quota (CPUQuota= in systemd, cpu limits of the pod)")
          : "a larger quota (CPUQuota= in systemd, cpu limits of the pod)";
  findings->push_back(std::move(finding));
}

// The nodes that have CPUs which the process may use.
std::vector<int> UsedNodes(const HostFacts& host) {
  std::vector<int> used;
  for (const Node& node : host.nodes) {
    const bool any = std::any_of(node.cpus.begin(), node.cpus.end(), [&](int cpu) {
      return std::binary_search(host.allowed_cpus.begin(), host.allowed_cpus.end(), cpu);
    });
    if (any) used.push_back(node.number);
  }
  return used;
}

void JudgeNodes(const HostFacts& host, Findings* findings) {
  if (host.nodes.size() < 2) {
    findings->push_back({kArea, "numa", Verdict::kOk, "one NUMA node"});
    return;
  }
  std::string text = absl::StrCat(host.nodes.size(), " NUMA nodes:");
  for (const Node& node : host.nodes) {
    absl::StrAppend(&text, node.number == host.nodes.front().number ? " " : "; ", "node ", node.number, " has ",
                    node.cpus.empty() ? "no CPU" : absl::StrCat("CPU ", core::FormatCpuList(node.cpus)), " and ",
                    Bytes(node.memory_bytes));
  }
  findings->push_back({kArea, "numa", Verdict::kOk,
                       absl::StrCat(text, ". Each shard is pinned and allocates on its own node")});
  const std::vector<int> used = UsedNodes(host);
  for (const Nic& nic : host.nics) {
    if (nic.node < 0 || std::find(used.begin(), used.end(), nic.node) != used.end()) continue;
    findings->push_back({kArea, absl::StrCat("numa:", nic.name), Verdict::kNote,
                         absl::StrCat(nic.name, " is at node ", nic.node,
                                      ", whose CPUs this process may not use: every packet crosses between nodes"),
                         absl::StrCat("--cpus= with CPUs of node ", nic.node)});
  }
}

}  // namespace

void JudgeCpus(const HostFacts& host, const Demand& demand, Findings* findings) {
  const int cpus = static_cast<int>(host.allowed_cpus.size());
  if (cpus == 0) {
    findings->push_back({kArea, "cpus", Verdict::kNote, "which CPUs this process may use cannot be read"});
  } else if (demand.shards > cpus) {
    findings->push_back({kArea, "cpus", Verdict::kWarning,
                         absl::StrCat(Shards(demand.shards), " on CPU ", core::FormatCpuList(host.allowed_cpus),
                                      ": some take turns on one"),
                         absl::StrCat("--shards=", cpus, ", or 0 for one a CPU")});
  } else {
    findings->push_back(
        {kArea, "cpus", Verdict::kOk,
         absl::StrCat(Shards(demand.shards), ", CPU ", core::FormatCpuList(host.allowed_cpus), " allowed")});
  }
  JudgeQuota(host, demand, findings);
  JudgeNodes(host, findings);
}

}  // namespace mooring::server::doctor
