// SPDX-License-Identifier: Apache-2.0
#include "net/connect_error.h"

#include <cerrno>
#include <cstring>

namespace mooring::net {

std::string ExplainConnectError(int error) {
  switch (error) {
    case EADDRNOTAVAIL: return "no free local port: widen net.ipv4.ip_local_port_range or connect from more addresses";
    case ECONNREFUSED: return "connection refused: nobody listens on the target";
    case ETIMEDOUT: return "timed out: the target does not answer, or its backlog is full";
    case EMFILE:
    case ENFILE: return "no descriptor left: raise ulimit -n (here) or fs.file-max (of the machine)";
    case ENETUNREACH:
    case EHOSTUNREACH: return "no route to the target";
    default: return std::strerror(error);
  }
}

}  // namespace mooring::net
