// SPDX-License-Identifier: Apache-2.0
#include "net/refuse_new.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <algorithm>

namespace mooring::net {

int RefuseNew(core::Kernel* kernel, int listen_fd, int family) {
  if (family == AF_UNIX) return 0;
  // For a TCP socket a filter sees the segment from its TCP header on; byte 13 has the flags (RFC 9293, 3.1).
  sock_filter drop_syn[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x02, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  };
  const sock_fprog program = {sizeof(drop_syn) / sizeof(drop_syn[0]), drop_syn};
  // Some kernels (6.18.44 is one) let only CAP_NET_ADMIN attach one to a TCP socket.
  return std::min(0, kernel->SetOption(listen_fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
}

}  // namespace mooring::net
