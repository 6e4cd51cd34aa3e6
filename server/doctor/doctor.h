// SPDX-License-Identifier: Apache-2.0
// Doctor: looks at the machine and says what a server would meet on it: `mooringd doctor`.
//
// Facts (host_facts, transport_facts) go through rules to findings; capacity is the plan; report shows them. Nothing is
// changed and nothing is listened on.
//
// Threads:  the main one, before others exist.
#ifndef MOORING_SERVER_DOCTOR_DOCTOR_H_
#define MOORING_SERVER_DOCTOR_DOCTOR_H_

#include <cstdio>
#include <string>
#include <vector>

#include "core/host_tree.h"
#include "core/kernel.h"
#include "server/program.h"
#include "server/settings.h"

namespace mooring::server {

// What it looks at.
struct Machine {
  core::HostTree host = core::HostTree();
  core::Kernel* kernel = core::RealKernel();
};

// `arguments` are those after the word doctor. Writes to `out`, about wrong arguments to stderr. The result is the exit
// code: 0 all well, 1 it would serve but something is against it, 2 wrong arguments, 3 it cannot serve, or not as many
// as were asked for.
int Doctor(const Program& program, const Settings& settings, const std::vector<std::string>& arguments, std::FILE* out,
           const Machine& machine = Machine());

}  // namespace mooring::server

#endif  // MOORING_SERVER_DOCTOR_DOCTOR_H_
