// SPDX-License-Identifier: Apache-2.0
// LogLine: an event as one line of text or of JSON.
//
//   2026-11-29T19:14:16.123Z info  draining signal=SIGTERM deadline_s=30
//   {"time":"2026-11-29T19:14:16.123Z","level":"info","message":"draining","signal":"SIGTERM","deadline_s":30}
//
// Whatever a value holds, the line has one line break, its last byte, and nothing that a terminal obeys. Text quotes a
// value where it is not one plain word, and writes bytes that are no UTF-8 as \xHH; JSON (RFC 8259) has U+FFFD for them.
//
// Threads:  any.
// Limits:   kLogValueBytes of the message and of each value; what is longer is cut and ends with "...".
#ifndef MOORING_SERVER_LOG_LINE_H_
#define MOORING_SERVER_LOG_LINE_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "server/log.h"

namespace mooring::server {

inline constexpr size_t kLogValueBytes = 4096;

// `wall_ms`: since 1970, of the years 0 to 9999. Throws where there is no memory.
std::string LogLine(LogSettings::Format format, int64_t wall_ms, Log::Level level, std::string_view message,
                    std::initializer_list<Log::Field> fields);

}  // namespace mooring::server

#endif  // MOORING_SERVER_LOG_LINE_H_
