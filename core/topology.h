// SPDX-License-Identifier: Apache-2.0
// Topology: which CPUs this process may use, how lists of them are written, and how a thread is tied to one.
//
// Threads:  any.
#ifndef MOORING_CORE_TOPOLOGY_H_
#define MOORING_CORE_TOPOLOGY_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::core {

// Above what any kernel supports (NR_CPUS is at most 8,192 on x86), so that a typing error cannot ask for gigabytes.
inline constexpr int kCpuMax = 65535;

// The kernel's list format (cpuset(7), "List format"), "0-3,8": returns it sorted and unique. Spaces and a newline
// around a number are skipped. InvalidArgument names the part that is wrong.
absl::StatusOr<std::vector<int>> ParseCpuList(std::string_view text);

// "0-3,8" from a sorted list; two neighbours are written as a range.
std::string FormatCpuList(const std::vector<int>& cpus);

// The CPUs in the calling thread's affinity mask, into which the kernel has already worked the cpuset. Never empty
// when ok. Works on machines of any size.
absl::StatusOr<std::vector<int>> AllowedCpus();

// Fails when the CPU is offline or outside the cpuset; the thread then stays where it was.
absl::Status PinThisThread(int cpu);
// The same for any of `cpus`, which may be some. Fails when none of them is there.
absl::Status RunThisThreadOn(const std::vector<int>& cpus);

}  // namespace mooring::core

#endif  // MOORING_CORE_TOPOLOGY_H_
