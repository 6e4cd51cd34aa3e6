// SPDX-License-Identifier: Apache-2.0
// ProcessFigures: what /proc says of this process and of the TCP sockets around it.
//
// Threads:  any. Reads a few small files; none of them waits for a disk.
// Limits:   open descriptors are counted up to 10,000 on kernels before 6.2, which do not tell their number.
#ifndef MOORING_SERVER_METRICS_PROCESS_FIGURES_H_
#define MOORING_SERVER_METRICS_PROCESS_FIGURES_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace mooring::server::metrics {

struct ProcessFigures {
  double cpu_s = 0;
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  double started_wall_s = 0;  // since 1970
  std::optional<uint64_t> open_fds;
  uint64_t max_fds = 0;
};
ProcessFigures ReadProcess();
uint64_t ReadResidentBytes();

struct TcpFigures {
  std::optional<uint64_t> in_use;
  std::optional<uint64_t> orphan;
  std::optional<uint64_t> time_wait;
  std::optional<uint64_t> listen_overflows;  // TcpExt: ListenOverflows
  std::optional<uint64_t> ephemeral_ports;
};
TcpFigures ReadTcp();

// What ReadTcp makes of /proc/net/sockstat, /proc/net/netstat and ip_local_port_range.
TcpFigures ParseTcp(std::string_view sockstat, std::string_view netstat, std::string_view port_range);

}  // namespace mooring::server::metrics

#endif  // MOORING_SERVER_METRICS_PROCESS_FIGURES_H_
