// SPDX-License-Identifier: Apache-2.0
#include "server/http/access_log.h"

#include <ctime>
#include <utility>

#include "server/http/access_line.h"
#include "server/log_file.h"

namespace mooring::server::http {
namespace {

int64_t WallSeconds() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

class FileAccessLog final : public AccessLog {
 public:
  FileAccessLog(std::unique_ptr<LogFile> file, int64_t (*wall_s)()) : wall_s_(wall_s), file_(std::move(file)) {}

  // Formatted by who notes it.
  void Note(const AccessRecord& record) override { file_->Write(AccessLine(record, wall_s_()).view()); }
  absl::Status Reopen() override { return file_->Reopen(file_->path()); }
  bool Settle(int64_t ms) override { return file_->Settle(ms); }
  uint64_t written() const override { return file_->written(); }
  uint64_t dropped() const override { return file_->dropped(); }

 private:
  int64_t (*const wall_s_)();
  const std::unique_ptr<LogFile> file_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AccessLog>> AccessLog::Open(const std::string& path, int64_t (*wall_s)()) {
  absl::StatusOr<std::unique_ptr<LogFile>> file =
      LogFile::Open(path, {.what = "access log", .thread = "access-log", .lines_max = kQueueLines});
  if (!file.ok()) return file.status();
  return std::make_unique<FileAccessLog>(*std::move(file), wall_s == nullptr ? &WallSeconds : wall_s);
}

}  // namespace mooring::server::http
