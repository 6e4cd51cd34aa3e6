// SPDX-License-Identifier: Apache-2.0
// Rules: from facts to findings, an area each.
//
// Threads:  any; pure functions.
#ifndef MOORING_SERVER_DOCTOR_RULES_H_
#define MOORING_SERVER_DOCTOR_RULES_H_

#include <vector>

#include "server/doctor/demand.h"
#include "server/doctor/finding.h"
#include "server/doctor/host_facts.h"
#include "server/doctor/recommendations.h"
#include "server/doctor/transport_facts.h"

namespace mooring::server::doctor {

// "kernel": its version, whether there is io_uring and why not, what serves, and what a version is known for.
void JudgeKernel(const HostFacts& host, const TransportFacts& transport, Findings* findings);

// "limits": of the process, and of the machine's open files.
void JudgeLimits(const HostFacts& host, const TransportFacts& transport, const std::vector<Recommendation>& table,
                 const Demand& demand, Findings* findings);

// "sysctls": each of the table.
void JudgeSysctls(const HostFacts& host, const std::vector<Recommendation>& table, const Demand& demand,
                  Findings* findings);

// "ports": what outbound connections and listeners get.
void JudgePorts(const HostFacts& host, const Demand& demand, Findings* findings);

// "cpu": CPUs, quota, NUMA nodes.
void JudgeCpus(const HostFacts& host, const Demand& demand, Findings* findings);

// "network": where the interrupts of the network devices go.
void JudgeNics(const HostFacts& host, const Demand& demand, Findings* findings);

}  // namespace mooring::server::doctor

#endif  // MOORING_SERVER_DOCTOR_RULES_H_
