// SPDX-License-Identifier: Apache-2.0
#include "absl/strings/str_cat.h"
#include "core/topology.h"
#include "server/doctor/rules.h"

namespace mooring::server::doctor {

void JudgeNics(const HostFacts& host, const Demand& demand, Findings* findings) {
  constexpr char kArea[] = "network";
  if (host.nics.empty()) {
    findings->push_back({kArea, "devices", Verdict::kOk,
                         "no network hardware is seen from here (a container's is the host's affair)"});
    return;
  }
  for (const Nic& nic : host.nics) {
    std::string text = absl::StrCat(nic.name, ": ", nic.receive_queues, nic.receive_queues == 1 ? " queue" : " queues",
                                    " to receive, ", nic.send_queues, " to send");
    if (!nic.interrupt_cpus.empty()) {
      absl::StrAppend(&text, ", interrupts to CPU ", core::FormatCpuList(nic.interrupt_cpus));
    }
    const bool few = nic.receive_queues < static_cast<unsigned>(demand.shards);
    if (!few || nic.steered) {
      findings->push_back({kArea, nic.name, Verdict::kOk, absl::StrCat(text, nic.steered ? ", RPS on" : "")});
      continue;
    }
    findings->push_back(
        {kArea, nic.name, Verdict::kNote,
         absl::StrCat(text, ", no RPS: fewer CPUs take packets in than there are shards (", demand.shards, ")"),
         "affinity"});
  }
}

}  // namespace mooring::server::doctor
