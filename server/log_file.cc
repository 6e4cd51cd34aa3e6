// SPDX-License-Identifier: Apache-2.0
// The way of a line: into spdlog's queue, from there to the thread's batch, and with one write(2) to the file. spdlog's
// queue is guarded by a mutex that nobody holds while writing, formatting or allocating. What it does when it is full,
// wait or forget the oldest line, is never asked of it: lines are counted before they go in, so there is always room.
#include "server/log_file.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace mooring::server {
namespace {

constexpr size_t kBatchBytes = 64 << 10;
constexpr size_t kLineBytes = 4096;            // of most lines
// After a batch the thread lets lines gather: who notes one while it rests need not wake it, which would take a system
// call. Few enough milliseconds that the queue does not fill in the meantime.
constexpr std::chrono::milliseconds kRest(10);
constexpr int64_t kLastWaitMs = 2000;          // for what is queued, at the end
constexpr int kFullPipeMs = 1000;              // until a reader makes room in a pipe that does not block
constexpr size_t kOtherMessages = 8;           // of spdlog's own, beside the lines

constexpr int kNowhere = -1;  // stdout was closed: write(2) says EBADF, and the line is dropped
constexpr int kSame = -2;

// For good: a thread that hangs in a write(2) goes with the process.
void LeaveBehind(std::shared_ptr<spdlog::details::thread_pool> pool) {
  static std::mutex mutex;
  static auto& all = *new std::vector<std::shared_ptr<spdlog::details::thread_pool>>();
  std::lock_guard lock(mutex);
  all.push_back(std::move(pool));
}

absl::StatusOr<int> OpenForLines(const std::string& path, const char* what) {
  if (path == "-") {
    // A descriptor of our own: whatever number 1 becomes later, no line goes into it.
    const int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return fd < 0 ? kNowhere : fd;
  }
  // 0640: addresses and queries are not for everybody on the machine. O_NONBLOCK is for the open alone: that of a pipe
  // would wait for its reader.
  const int fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
  if (fd >= 0) {
    fcntl(fd, F_SETFL, O_APPEND);
    return fd;
  }
  const int error = errno;
  const char* mend = "name a file that this user may append to, or - for stdout";
  if (error == ENOENT) mend = "its folder does not exist: make it";
  if (error == EISDIR) mend = "name a file in it";
  if (error == ENXIO) mend = "it is a pipe that nobody reads: start its reader first";
  return absl::InvalidArgumentError(absl::StrCat("cannot write the ", what, " '", path, "': ", strerror(error), "; ", mend));
}

bool SameFile(int a, int b) {
  struct stat first = {}, second = {};
  return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

// Who notes and who writes meet here.
struct LogFile::Ledger {
  ~Ledger() {
    if (const int fd = next_fd.load(std::memory_order_relaxed); fd >= 0) close(fd);
  }

  std::atomic<uint64_t> unsettled = 0;  // noted, and neither written nor dropped
  std::atomic<uint64_t> written = 0;
  std::atomic<uint64_t> dropped = 0;
  std::atomic<int> next_fd = kSame;     // the thread's to take, and then to close
  std::atomic<bool> ending = false;
  std::atomic<bool> given_up = false;   // nobody waits for the file any more
  std::mutex mutex;                     // taken once a batch
  std::condition_variable settled;
};

// On the log's thread alone.
class LogFile::Sink final : public spdlog::sinks::sink {
 public:
  Sink(int fd, std::shared_ptr<Ledger> ledger) : fd_(fd), ledger_(std::move(ledger)) {
    batch_.reserve(kBatchBytes + 2 * kLineBytes);
  }
  ~Sink() override {
    if (fd_ >= 0) close(fd_);
  }

  void log(const spdlog::details::log_msg& message) override {
    batch_.append(message.payload.data(), message.payload.size());
    ++lines_;
    const bool last = IsLast();
    if (!last && batch_.size() < kBatchBytes) return;
    WriteBatch();
    if (last && !ledger_->ending.load(std::memory_order_relaxed)) std::this_thread::sleep_for(kRest);
  }
  // A line that was to come has not, or there is another file.
  void flush() override {
    if (lines_ == 0) TakeNextFile();
    if (lines_ != 0 && IsLast()) WriteBatch();
  }
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  bool IsLast() const { return ledger_->unsettled.load(std::memory_order_acquire) == lines_; }

  // What is missing of a torn line in the old file is no line of the new one.
  void TakeNextFile() {
    const int next = ledger_->next_fd.exchange(kSame, std::memory_order_acquire);
    if (next == kSame) return;
    if (torn_ && !SameFile(fd_, next)) {
      batch_.erase(0, batch_.find('\n') + 1);
      torn_ = false;
      ledger_->dropped.fetch_add(1, std::memory_order_relaxed);
    }
    if (fd_ >= 0) close(fd_);
    fd_ = next;
  }

  // Drops what the file does not take, but for the rest of a line that it has the beginning of: that comes first when
  // there is room again, so that lines stay lines. Until then it is counted neither way.
  void WriteBatch() {
    TakeNextFile();
    const size_t bytes = ledger_->given_up.load(std::memory_order_relaxed) ? 0 : Write();
    const auto complete = static_cast<uint64_t>(std::count(batch_.begin(), batch_.begin() + static_cast<ptrdiff_t>(bytes), '\n'));
    const uint64_t all = lines_ + (torn_ ? 1 : 0);
    torn_ = bytes == 0 ? torn_ : batch_[bytes - 1] != '\n';
    const uint64_t unfinished = torn_ ? 1 : 0;
    batch_.erase(0, bytes);
    batch_.resize(torn_ ? batch_.find('\n') + 1 : 0);
    ledger_->written.fetch_add(complete, std::memory_order_relaxed);
    ledger_->dropped.fetch_add(all - complete - unfinished, std::memory_order_relaxed);
    {
      std::lock_guard lock(ledger_->mutex);
      ledger_->unsettled.fetch_sub(lines_, std::memory_order_release);
    }
    ledger_->settled.notify_one();
    lines_ = 0;
  }

  // How much of the batch the file has taken.
  size_t Write() {
    size_t done = 0;
    while (done < batch_.size()) {
      const ssize_t result = write(fd_, batch_.data() + done, batch_.size() - done);
      if (result > 0) {
        done += static_cast<size_t>(result);
        continue;
      }
      if (result < 0 && errno == EINTR) continue;
      // stdout may be a pipe that somebody else has made nonblocking.
      pollfd room = {fd_, POLLOUT, 0};
      if (result < 0 && errno == EAGAIN && poll(&room, 1, kFullPipeMs) == 1) continue;
      break;
    }
    return done;
  }

  int fd_;
  const std::shared_ptr<Ledger> ledger_;
  std::string batch_;   // whole lines, after the rest of a torn one
  uint64_t lines_ = 0;  // of it, without that rest
  bool torn_ = false;
};

absl::StatusOr<std::unique_ptr<LogFile>> LogFile::Open(const std::string& path, const Options& options) {
  const absl::StatusOr<int> fd = OpenForLines(path, options.what);
  if (!fd.ok()) return fd.status();
  return std::unique_ptr<LogFile>(new LogFile(path, *fd, options));
}

LogFile::LogFile(std::string path, int fd, const Options& options)
    : options_(options), path_(std::move(path)), ledger_(std::make_shared<Ledger>()) {
  auto sink = std::make_shared<Sink>(fd, ledger_);
  const auto start = [name = options.thread] {
    // The process's signals are for others; and a closed pipe is an error of write(2) here, not a SIGPIPE.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    pthread_setname_np(pthread_self(), name);
  };
  pool_ = std::make_shared<spdlog::details::thread_pool>(options.lines_max + kOtherMessages, 1, start);
  logger_ = std::make_shared<spdlog::async_logger>(std::string(), std::move(sink), pool_,
                                                   spdlog::async_overflow_policy::overrun_oldest);
  logger_->set_error_handler([](const std::string&) {});  // what cannot be noted is counted, and said by nobody
}

LogFile::~LogFile() {
  ledger_->ending.store(true, std::memory_order_relaxed);
  if (Settle(kLastWaitMs)) return;
  // The file hangs, and the thread in it: it cannot be joined.
  ledger_->given_up.store(true, std::memory_order_relaxed);
  LeaveBehind(std::move(pool_));
}

void LogFile::Write(std::string_view line) {
  if (!Enter()) return CountDropped();
  try {
    logger_->log(spdlog::log_clock::time_point(), spdlog::source_loc(), spdlog::level::info,
                 spdlog::string_view_t(line.data(), line.size()));
  } catch (const std::exception&) {  // no memory for a long line
    ledger_->unsettled.fetch_sub(1, std::memory_order_relaxed);
    CountDropped();
    logger_->flush();
  }
}

void LogFile::CountDropped() { ledger_->dropped.fetch_add(1, std::memory_order_relaxed); }

// Never beyond the bound, not even for a moment: the thread waits for each line that is counted.
bool LogFile::Enter() {
  uint64_t now = ledger_->unsettled.load(std::memory_order_relaxed);
  do {
    if (now >= options_.lines_max) return false;
  } while (!ledger_->unsettled.compare_exchange_weak(now, now + 1, std::memory_order_relaxed));
  return true;
}

absl::Status LogFile::Reopen(const std::string& path) {
  const absl::StatusOr<int> fd = OpenForLines(path, options_.what);
  if (!fd.ok()) return fd.status();
  path_ = path;
  const int before = ledger_->next_fd.exchange(*fd, std::memory_order_acq_rel);
  if (before >= 0) close(before);  // the thread hangs in an older one still
  if (before == kSame) logger_->flush();
  return absl::OkStatus();
}

bool LogFile::Settle(int64_t ms) {
  std::unique_lock lock(ledger_->mutex);
  return ledger_->settled.wait_for(lock, std::chrono::milliseconds(ms), [this] {
    return ledger_->unsettled.load(std::memory_order_acquire) == 0;
  });
}

uint64_t LogFile::written() const { return ledger_->written.load(std::memory_order_relaxed); }
uint64_t LogFile::dropped() const { return ledger_->dropped.load(std::memory_order_relaxed); }

}  // namespace mooring::server
