// SPDX-License-Identifier: Apache-2.0
// AccessLog: a line for each response, in the combined format, written by a thread of its own.
//
//   127.0.0.1 - - [29/Nov/2026:15:04:05 +0000] "GET /a?b HTTP/1.1" 200 1024 "http://referer/" "curl/7.88"
//
// Nothing here waits: a line that finds the queue full, or that the disk does not take, is dropped and counted. What a
// client sent is escaped as nginx does (\xHH for control bytes, '"', '\' and bytes from 0x7f on), so no client can forge
// a line.
//
// Threads:  Note and counts from any; made and destroyed by one.
// Owns:     the file, its queue and its thread (server/log_file.h).
// Limits:   kQueueLines lines wait; a line has at most kLineBytes, longer parts are cut.
#ifndef MOORING_SERVER_HTTP_ACCESS_LOG_H_
#define MOORING_SERVER_HTTP_ACCESS_LOG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/address.h"

namespace mooring::server::http {

struct AccessRecord {
  const net::Address* peer = nullptr;  // null or empty: "-"
  std::string_view request_line = {};  // as it came, without its end; empty where none could be read: "-"
  int status = 0;
  uint64_t body_bytes = 0;             // of the response, without head and chunk framing
  std::string_view referer = {};       // empty: "-"
  std::string_view user_agent = {};
};

class AccessLog {
 public:
  static constexpr uint32_t kQueueLines = 8192;
  static constexpr uint32_t kLineBytes = 4096;

  virtual ~AccessLog() = default;
  // Appends to `path`; "-" is stdout. The error says what to mend. `wall_s` gives the seconds since 1970; null: the
  // machine's clock.
  static absl::StatusOr<std::unique_ptr<AccessLog>> Open(const std::string& path, int64_t (*wall_s)() = nullptr);

  virtual void Note(const AccessRecord& record) = 0;
  // Opens the path anew: logrotate has moved the file. On an error the old file goes on. By one thread.
  virtual absl::Status Reopen() = 0;
  // Waits until what was noted is written or dropped, for `ms` at most; true when it is.
  virtual bool Settle(int64_t ms) = 0;
  virtual uint64_t written() const = 0;
  virtual uint64_t dropped() const = 0;  // queue full, or the file did not take it
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_ACCESS_LOG_H_
