// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/topology.h"
#include "server/doctor/amount.h"
#include "server/doctor/rules.h"

namespace mooring::server::doctor {
namespace {

constexpr char kArea[] = "ports";

// net.ipv4.ip_local_reserved_ports is written as lists of CPUs are.
std::set<int> Reserved(const HostFacts& host) {
  const auto ports = core::ParseCpuList(host.reserved_ports);
  return ports.ok() ? std::set<int>(ports->begin(), ports->end()) : std::set<int>();
}

void JudgeOutbound(const Demand& demand, uint64_t low, uint64_t high, const std::set<int>& reserved,
                   Findings* findings) {
  uint64_t taken = 0;
  for (const int port : reserved) taken += static_cast<uint64_t>(port) >= low && static_cast<uint64_t>(port) <= high;
  // connect() leaves the last port of an odd number out (inet_hashtables.c, __inet_hash_connect).
  const uint64_t all = high - low + 1;
  const uint64_t ports = all / 2 * 2 - std::min(taken, all / 2 * 2);
  if (ports == 0) {
    findings->push_back(
        {kArea, "outbound", Verdict::kWarning,
         absl::StrCat("net.ipv4.ip_local_port_range ", low, " ", high, " leaves outbound connections no port"),
         "sysctl -w net.ipv4.ip_local_port_range='16384 65535'"});
    return;
  }
  findings->push_back(
      {kArea, "outbound", Verdict::kOk,
       absl::StrCat(Count(ports),
                    " outbound connections from one address to one destination (its address and port); for ",
                    Count(demand.connections), " it takes ", Count((demand.connections - 1) / ports + 1),
                    " times as many addresses. The ", low % 2 == 0 ? "even" : "odd",
                    " ports, half of them, are found at once; beyond it every connect() searches")});
}

void JudgeListeners(const HostFacts& host, const Demand& demand, uint64_t low, uint64_t high,
                    const std::set<int>& reserved, Findings* findings) {
  const uint64_t privileged =
      host.may_bind_low_ports ? 0 : host.Sysctl("net.ipv4.ip_unprivileged_port_start").value_or(1024);
  std::set<int> inside = reserved;
  std::vector<std::string> names;
  for (const DemandedListener& listener : demand.listeners) {
    if (listener.port == 0) continue;
    if (listener.port < privileged) {
      findings->push_back({kArea, absl::StrCat("privileged:", listener.name), Verdict::kProblem,
                           absl::StrCat("this user may not listen on port ", listener.port, " (", listener.name, ")"),
                           absl::StrCat("AmbientCapabilities=CAP_NET_BIND_SERVICE (systemd), or as root: sysctl -w "
                                        "net.ipv4.ip_unprivileged_port_start=",
                                        listener.port)});
    }
    if (listener.port < low || listener.port > high || !inside.insert(listener.port).second) continue;
    names.push_back(absl::StrCat(listener.port, " (", listener.name, ")"));
  }
  if (names.empty()) {
    findings->push_back(
        {kArea, "listeners", Verdict::kOk, "no listener's port can be taken by an outbound connection"});
    return;
  }
  findings->push_back({kArea, "listeners", Verdict::kWarning,
                       absl::StrCat("an outbound connection may take port ", absl::StrJoin(names, ", "),
                                    " before the listener starts: it lies in net.ipv4.ip_local_port_range"),
                       absl::StrCat("sysctl -w net.ipv4.ip_local_reserved_ports=",
                                    core::FormatCpuList({inside.begin(), inside.end()}))});
}

}  // namespace

void JudgePorts(const HostFacts& host, const Demand& demand, Findings* findings) {
  const std::string key = "net.ipv4.ip_local_port_range";
  const std::optional<uint64_t> low = host.Sysctl(key, 0);
  const std::optional<uint64_t> high = host.Sysctl(key, 1);
  if (!low.has_value() || !high.has_value() || *high < *low) {
    findings->push_back({kArea, "outbound", Verdict::kNote, absl::StrCat(key, " cannot be read")});
    return;
  }
  const std::set<int> reserved = Reserved(host);
  JudgeOutbound(demand, *low, *high, reserved, findings);
  JudgeListeners(host, demand, *low, *high, reserved, findings);
}

}  // namespace mooring::server::doctor
