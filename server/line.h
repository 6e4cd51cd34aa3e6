// SPDX-License-Identifier: Apache-2.0
// Line: one "OK\n" for each line, as one coroutine per connection.
#ifndef MOORING_SERVER_LINE_H_
#define MOORING_SERVER_LINE_H_

#include "core/task.h"
#include "net/connection.h"

namespace mooring::server {

// 8 KiB, the limit that nginx and Apache have for a request line too.
inline constexpr uint32_t kLineBytesMax = 8192;

core::Task<> Line(net::Connection& conn);

}  // namespace mooring::server

#endif  // MOORING_SERVER_LINE_H_
