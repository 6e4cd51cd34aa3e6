// SPDX-License-Identifier: Apache-2.0
// Cgroup: how much CPU time and memory the control group of this process leaves it.
//
// Both versions are read, also side by side: mounts and the process's own group from /proc/self, then its folder and
// all above it, because each of them binds. In a container the mount often shows only the container's own part.
//
// Threads:  any.
// Kernel:   cgroups(7); Documentation/admin-guide/cgroup-v2.rst (cpu.max, memory.max, memory.high) and cgroup-v1.
#ifndef MOORING_CORE_CGROUP_H_
#define MOORING_CORE_CGROUP_H_

#include <cstdint>
#include <optional>

#include "core/host_tree.h"

namespace mooring::core {

// CPU seconds a second: 1.5 is one and a half CPUs. None: no quota is set.
std::optional<double> CgroupCpuQuota(const HostTree& host = HostTree());

// Bytes. None: no limit is set. memory.high counts as one: above it the kernel slows a process down whose memory it
// cannot take away, and a server's is all of that kind.
std::optional<uint64_t> CgroupMemoryLimit(const HostTree& host = HostTree());

// MemTotal, bytes; 0 where it cannot be read.
uint64_t MachineMemory(const HostTree& host = HostTree());

// The lesser of the two: what this process can have. 0 where neither is known.
uint64_t MemoryLimit(const HostTree& host = HostTree());

}  // namespace mooring::core

#endif  // MOORING_CORE_CGROUP_H_
