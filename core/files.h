// SPDX-License-Identifier: Apache-2.0
// Files: reading files without ever making a shard wait for a disk.
//
//   Files files(root_fd, kernel);
//   OpenedFile opened = files.TryOpen("a/b.html");                       // what is in memory answers at once
//   if (opened.error == EAGAIN) opened = co_await files.Open("a/b.html");  // a helper thread waits for the rest
//   FileRead read = co_await files.Read(opened.file, 0, 65536);
//
// On the shard openat2(2) is asked with RESOLVE_CACHED and preadv2(2) with RWF_NOWAIT. When they would wait (EAGAIN), or
// the file system cannot say (EOPNOTSUPP: tmpfs), a helper thread does it (core/blocking.h) and gives the answer back.
//
// All paths are resolved beneath the root, symbolic links too (RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS), and opened with
// O_NONBLOCK, so that a FIFO or a device makes nobody wait.
//
// Threads:  one shard, inside its turn; the system calls of Open, Stat and Read may be a helper thread's.
// Owns:     nothing; the root's descriptor and the kernel outlive it and the jobs it has begun. File owns its descriptor.
//           A job that reads has a descriptor of its own and writes to no memory of the shard's, so that the wait for it
//           may end, and the file be closed, at any time.
// Limits:   the runner's queue (core/blocking.h), and a descriptor more for each read that waits. What the kernel itself
//           does not declare a wait is one: open(2) of FUSE and of network file systems, the access time that the first
//           read of a day writes (mount with noatime), and the last close of a large file that was deleted.
// Kernel:   Linux 5.12 for RESOLVE_CACHED, 5.6 for openat2; where RESOLVE_CACHED is unknown every open is a helper's.
#ifndef MOORING_CORE_FILES_H_
#define MOORING_CORE_FILES_H_

#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "alloc/buffer_pool.h"
#include "core/blocking.h"
#include "core/count_table.h"
#include "core/counters.h"
#include "core/kernel.h"
#include "core/task.h"

namespace mooring::core {

struct FileInfo {
  enum class Kind : uint8_t { kRegular, kFolder, kOther };
  Kind kind = Kind::kOther;
  uint64_t bytes = 0;
  int64_t modified_ns = 0;  // since 1970
  uint64_t inode = 0;
  uint64_t device = 0;
  friend bool operator==(const FileInfo&, const FileInfo&) = default;
};

class File {
 public:
  File() = default;
  File(Kernel* kernel, int fd) : kernel_(kernel), fd_(fd) {}
  File(File&& other) noexcept : kernel_(other.kernel_), fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(kernel_, other.kernel_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File() {
    if (fd_ >= 0) kernel_->Close(fd_);
  }
  explicit operator bool() const { return fd_ >= 0; }
  int fd() const { return fd_; }

 private:
  Kernel* kernel_ = nullptr;
  int fd_ = -1;
};

struct OpenedFile {
  File file;  // of a regular file or a folder; what is neither comes without one
  FileInfo info;
  int error = 0;  // errno; ECANCELED: the wait was; EBUSY: too many wait for the helper threads, or folders on the way
                  // are renamed faster than a path can be walked
};

struct FileStat {
  FileInfo info;
  int error = 0;  // as above
};

struct FileRead {
  alloc::Lease bytes;  // empty at the end of the file; not to be written to
  int error = 0;       // as above
};

// Each call ends in one of these, apart from a Try that gives EAGAIN, which is in none. AtOnce and ByHelper are those that
// had no error.
enum class FilesCount : uint8_t {
  kOpenedAtOnce,
  kOpenedByHelper,
  kStatAtOnce,
  kStatByHelper,
  kReadAtOnce,
  kReadByHelper,
  kNotFound,   // no such path beneath the root: ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EXDEV (it leads out)
  kFailed,     // any other error: EIO, EMFILE, EACCES
  kRefused,    // too many wait for the helper threads
  kCancelled,
  kCount
};
inline constexpr std::string_view kFilesCountNames[] = {
    "opened_at_once", "opened_by_helper", "stat_at_once", "stat_by_helper", "read_at_once", "read_by_helper",
    "not_found", "failed", "refused", "cancelled",
};
static_assert(std::size(kFilesCountNames) == static_cast<size_t>(FilesCount::kCount));

class Files {
 public:
  Files(int root_fd, Kernel* kernel);

  // `path` has no slash in front; what leads out of the root is EXDEV, what has a NUL in it ENOENT.
  // Without a wait: EAGAIN where there would be one.
  OpenedFile TryOpen(const std::string& path);
  Task<OpenedFile> Open(std::string path);

  // What TryOpen and Open would say of it, without opening it: for what is kept of a file, to be compared again.
  FileStat TryStat(const std::string& path);
  Task<FileStat> Stat(std::string path);

  // At most `bytes` from `offset` on. Read gives fewer only at the end of the file; TryRead what is in memory, and none
  // only at the end. REQUIRES: 0 < bytes <= kReadBytesMax. `file` outlives the call, and Read's task.
  static constexpr uint32_t kReadBytesMax = 1u << 30;
  FileRead TryRead(const File& file, uint64_t offset, uint32_t bytes);
  Task<FileRead> Read(const File& file, uint64_t offset, uint32_t bytes);

  const CounterSet<FilesCount>& counters() const { return counters_.set(); }

 private:
  FileRead ReadNow(const File& file, uint64_t offset, uint32_t bytes, bool whole);
  void Count(FilesCount done, int error);
  int NotRun(JobEnd end);  // counts it; the error

  const int root_fd_;
  Kernel* const kernel_;
  const bool cached_known_;  // RESOLVE_CACHED is
  SharedCounts<FilesCount> counters_{"files", "", kFilesCountNames};
};

}  // namespace mooring::core

#endif  // MOORING_CORE_FILES_H_
