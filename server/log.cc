// SPDX-License-Identifier: Apache-2.0
#include "server/log.h"

#include <time.h>

#include <atomic>
#include <exception>
#include <utility>

#include "server/log_file.h"
#include "server/log_line.h"

namespace mooring::server {
namespace {

constexpr uint32_t kQueueLines = 1024;

int64_t WallMs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

class FileLog final : public Log {
 public:
  FileLog(std::unique_ptr<LogFile> file, const LogSettings& settings) : file_(std::move(file)) { Take(settings); }

  void Say(Level level, std::string_view message, std::initializer_list<Field> fields) override {
    if (level < level_.load(std::memory_order_relaxed)) return;
    try {
      file_->Write(LogLine(format_.load(std::memory_order_relaxed), WallMs(), level, message, fields));
    } catch (const std::exception&) {  // no memory for a line
      file_->CountDropped();
    }
  }

  absl::Status Reopen() override { return Move(file_->path()); }
  absl::Status Change(const LogSettings& settings) override {
    if (settings.file != file_->path()) {
      if (absl::Status status = Move(settings.file); !status.ok()) return status;
    }
    Take(settings);
    return absl::OkStatus();
  }
  bool Settle(int64_t ms) override { return file_->Settle(ms); }

  uint64_t written() const override { return file_->written(); }
  uint64_t dropped() const override { return file_->dropped(); }

 private:
  void Take(const LogSettings& settings) {
    level_.store(settings.level, std::memory_order_relaxed);
    format_.store(settings.format, std::memory_order_relaxed);
  }
  absl::Status Move(const std::string& path) {
    absl::Status status = file_->Reopen(path);
    if (!status.ok()) {
      Say(Level::kError, "the log goes on where it was", {{"why", std::string_view(status.message().data(), status.message().size())}});
    }
    return status;
  }

  const std::unique_ptr<LogFile> file_;
  std::atomic<Level> level_;
  std::atomic<LogSettings::Format> format_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Log>> Log::Open(const LogSettings& settings) {
  absl::StatusOr<std::unique_ptr<LogFile>> file =
      LogFile::Open(settings.file, {.what = "log", .thread = "log", .lines_max = kQueueLines});
  if (!file.ok()) return file.status();
  return std::make_unique<FileLog>(*std::move(file), settings);
}

}  // namespace mooring::server
