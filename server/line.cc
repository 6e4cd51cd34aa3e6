// SPDX-License-Identifier: Apache-2.0
#include "server/line.h"

namespace mooring::server {

core::Task<> Line(net::Connection& conn) {
  while (auto line = co_await conn.ReadLine({.max_bytes = kLineBytesMax})) conn.Write("OK\n");
}

}  // namespace mooring::server
