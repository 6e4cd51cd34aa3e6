// SPDX-License-Identifier: Apache-2.0
// LogFile: lines from any thread into one file, written by a thread of its own, so that nobody waits for a disk.
//
// Nothing here waits: a line that finds the queue full, or that the file does not take, is dropped and counted. A line is
// never torn: of one that the file took only the beginning of, the rest comes first when there is room again.
//
// Threads:  Write and counts from any; all else by one.
// Owns:     the file, its queue and its thread. What was queued before its destruction is written, if that takes less than
//           two seconds.
// Limits:   Options::lines_max lines wait.
#ifndef MOORING_SERVER_LOG_FILE_H_
#define MOORING_SERVER_LOG_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace spdlog {
class async_logger;
namespace details {
class thread_pool;
}
}  // namespace spdlog

namespace mooring::server {

class LogFile {
 public:
  struct Options {
    const char* what = "log";    // "cannot write the WHAT": constant
    const char* thread = "log";  // its name, at most 15 bytes
    uint32_t lines_max = 1024;
  };

  // Appends to `path`; "-" is stdout. A file that is made has mode 0640. The error says what to mend.
  static absl::StatusOr<std::unique_ptr<LogFile>> Open(const std::string& path, const Options& options);
  ~LogFile();
  LogFile(const LogFile&) = delete;

  // `line` with its line break, the only one.
  void Write(std::string_view line);
  void CountDropped();  // one that its writer had no memory for

  // What is written from now on goes to `path`, opened anew, even if it is the same: logrotate has moved the file. On an
  // error the old file goes on.
  absl::Status Reopen(const std::string& path);
  // Waits until what was queued is written or dropped, for `ms` at most; true when it is.
  bool Settle(int64_t ms);

  const std::string& path() const { return path_; }
  uint64_t written() const;
  uint64_t dropped() const;

 private:
  struct Ledger;
  class Sink;

  LogFile(std::string path, int fd, const Options& options);
  bool Enter();

  const Options options_;
  std::string path_;
  const std::shared_ptr<Ledger> ledger_;
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::async_logger> logger_;
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_LOG_FILE_H_
