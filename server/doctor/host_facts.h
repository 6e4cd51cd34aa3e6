// SPDX-License-Identifier: Apache-2.0
// HostFacts: what the doctor reads in /proc and /sys before it judges anything.
//
// Threads:  any.
// Kernel:   proc(5), Documentation/ABI; what a kernel does not have is left out, and nothing here fails.
#ifndef MOORING_SERVER_DOCTOR_HOST_FACTS_H_
#define MOORING_SERVER_DOCTOR_HOST_FACTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/host_tree.h"
#include "server/doctor/recommendations.h"

namespace mooring::server::doctor {

struct KernelVersion {
  int major = 0;
  int minor = 0;

  bool Before(int other_major, int other_minor) const {
    return major < other_major || (major == other_major && minor < other_minor);
  }
};
// Of "6.12.117+deb12-amd64"; 0.0 where it is no version.
KernelVersion ParseKernelVersion(std::string_view release);

inline constexpr uint64_t kUnlimited = UINT64_MAX;

// A line of /proc/self/limits.
struct ProcessLimit {
  uint64_t soft = 0;
  uint64_t hard = 0;
};

struct Node {
  int number = 0;
  std::vector<int> cpus = {};
  uint64_t memory_bytes = 0;
};

// A network device with hardware behind it.
struct Nic {
  std::string name;
  int node = -1;  // the NUMA node that it is nearest to; -1: it does not say
  unsigned receive_queues = 0;
  unsigned send_queues = 0;
  std::vector<int> interrupt_cpus = {};  // which its interrupts may go to, all together; empty: not known
  bool steered = false;                  // a queue hands packets on to other CPUs (RPS)
};

struct HostFacts {
  std::string release = {};  // of the kernel
  std::optional<ProcessLimit> nofile = {};
  std::optional<ProcessLimit> memlock = {};
  std::map<std::string, std::vector<uint64_t>> sysctls = {};  // those of the table and of kMoreSysctls that exist
  std::string reserved_ports = {};                            // net.ipv4.ip_local_reserved_ports, as it is written
  uint64_t files_open = 0;                                    // of the machine
  uint64_t machine_memory_bytes = 0;
  std::optional<uint64_t> cgroup_memory_bytes = {};
  std::optional<double> cpu_quota = {};
  std::vector<int> allowed_cpus = {};
  std::vector<Node> nodes = {};
  std::vector<Nic> nics = {};
  bool may_bind_low_ports = false;   // CAP_NET_BIND_SERVICE
  bool may_lock_memory = false;      // CAP_IPC_LOCK
  bool may_exceed_file_max = false;  // CAP_SYS_ADMIN

  std::optional<uint64_t> Sysctl(const std::string& key, size_t field = 0) const;
  uint64_t memory_bytes() const;  // the lesser of machine's and cgroup's; 0: not known
};

HostFacts GatherHost(const core::HostTree& host, const std::vector<Recommendation>& table);

}  // namespace mooring::server::doctor

#endif  // MOORING_SERVER_DOCTOR_HOST_FACTS_H_
