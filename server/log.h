// SPDX-License-Identifier: Apache-2.0
// Log: what a running server has to say, as text for people or as JSON for machines, a line for each event.
//
//   2026-11-29T19:14:16.123Z info  draining signal=SIGTERM deadline_s=30
//   {"time":"2026-11-29T19:14:16.123Z","level":"info","message":"draining","signal":"SIGTERM","deadline_s":30}
//
// Nothing here waits: a line that finds the queue full, or that the file does not take, is dropped and counted. Only
// server and tools log (contract 14): alloc, core and net count and return.
//
// Threads:  Say and counts from any; Reopen, Change and Settle by one.
// Owns:     the file, its queue and its thread. Lines said before its destruction are written, unless the file hangs for
//           two seconds.
#ifndef MOORING_SERVER_LOG_H_
#define MOORING_SERVER_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/settings.h"

namespace mooring::server {

class Log {
 public:
  using Level = LogSettings::Level;
  struct Field {
    std::string_view name;  // [a-z_]+, as metrics are named
    std::variant<std::string_view, int64_t, uint64_t, double, bool> value;
  };

  virtual ~Log() = default;
  // The error says what to mend.
  static absl::StatusOr<std::unique_ptr<Log>> Open(const LogSettings& settings);

  // `message` is constant words: "draining". What varies goes into fields. Both are escaped: nobody can forge a line.
  virtual void Say(Level level, std::string_view message, std::initializer_list<Field> fields = {}) = 0;

  // After logrotate has moved the file: opens the path anew. On an error the old file goes on, and the error is logged.
  virtual absl::Status Reopen() = 0;
  // Likewise, for other settings.
  virtual absl::Status Change(const LogSettings& settings) = 0;

  // Waits until what was said is written or dropped, for `ms` at most; true when it is. For who is about to end the process.
  virtual bool Settle(int64_t ms) = 0;

  virtual uint64_t written() const = 0;
  virtual uint64_t dropped() const = 0;
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_LOG_H_
