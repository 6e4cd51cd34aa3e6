// SPDX-License-Identifier: Apache-2.0
// ThreadCpu: whether a thread of this process wants a CPU, and how much of one it has had.
//
// Threads:  any.
#ifndef MOORING_SERVER_WATCH_THREAD_CPU_H_
#define MOORING_SERVER_WATCH_THREAD_CPU_H_

#include <optional>

#include "core/clock.h"
#include "core/host_tree.h"

namespace mooring::server::watch {

struct ThreadCpu {
  bool runnable = false;  // it runs, or waits for a CPU; else it waits for something else
  core::Nanos used = 0;   // on a CPU since the thread began
};

// Of /proc/self/task/TID (proc(5)): two small reads. None: `tid` is none of ours, or there is no /proc.
std::optional<ThreadCpu> ReadThreadCpu(int tid, const core::HostTree& host = core::HostTree());

}  // namespace mooring::server::watch

#endif  // MOORING_SERVER_WATCH_THREAD_CPU_H_
