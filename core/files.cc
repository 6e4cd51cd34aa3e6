// SPDX-License-Identifier: Apache-2.0
#include "core/files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include "alloc/shared_bytes.h"
#include "core/clock.h"
#include "core/shard.h"

namespace mooring::core {
namespace {

enum class Wait : uint8_t { kNever, kMay };

// A device is opened before it is known to be one: asking first (O_PATH) would make every open cost two walks, and who
// can put a device into the root is root. O_NONBLOCK and O_NOCTTY see to it that nothing comes of it, and its descriptor
// is closed at once. A FIFO opens without its writer.
constexpr uint64_t kToRead = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
constexpr uint64_t kToLook = O_PATH | O_CLOEXEC;  // openat2 refuses O_NONBLOCK beside O_PATH, which opens nothing

// openat2(2): EAGAIN when a ".." was walked while something was renamed, "callers may want to retry".
constexpr int kRacesMax = 16;

FileInfo InfoOf(const struct statx& found) {
  // A time that nanoseconds cannot tell (from 2255 on, ext4 and XFS have them) is the last one they can.
  constexpr int64_t kSecondsMax = 9'000'000'000;
  const int64_t seconds = std::clamp<int64_t>(found.stx_mtime.tv_sec, -kSecondsMax, kSecondsMax);
  FileInfo info;
  if (S_ISREG(found.stx_mode)) info.kind = FileInfo::Kind::kRegular;
  if (S_ISDIR(found.stx_mode)) info.kind = FileInfo::Kind::kFolder;
  info.bytes = found.stx_size;
  info.modified_ns = seconds * kNanosPerSecond + found.stx_mtime.tv_nsec;
  info.inode = found.stx_ino;
  info.device = uint64_t{found.stx_dev_major} << 32 | found.stx_dev_minor;
  return info;
}

OpenedFile OpenBeneath(Kernel* kernel, int root_fd, const std::string& path, uint64_t flags, Wait wait) {
  OpenedFile opened;
  if (path.find('\0') != std::string::npos) {  // the kernel would take what is in front of it for the path
    opened.error = ENOENT;
    return opened;
  }
  open_how how = {};
  how.flags = flags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (wait == Wait::kNever ? RESOLVE_CACHED : 0);
  int fd = kernel->OpenAt2(root_fd, path.c_str(), how);
  if (wait == Wait::kMay) {
    for (int races = 0; fd == -EAGAIN && races < kRacesMax; ++races) fd = kernel->OpenAt2(root_fd, path.c_str(), how);
    if (fd == -EAGAIN) fd = -EBUSY;
  }
  if (fd < 0) {
    opened.error = -fd;
    return opened;
  }
  opened.file = File(kernel, fd);
  struct statx found = {};
  // Not to be synchronised with a server: what a network file system remembers is as good as its cached path.
  const int told = kernel->Stat(fd, wait == Wait::kNever ? AT_STATX_DONT_SYNC : 0, &found);
  if (told < 0) {
    opened.error = -told;
  } else {
    opened.info = InfoOf(found);
  }
  if (opened.info.kind == FileInfo::Kind::kOther) opened.file = File();
  return opened;
}

FileStat StatBeneath(Kernel* kernel, int root_fd, const std::string& path, Wait wait) {
  const OpenedFile opened = OpenBeneath(kernel, root_fd, path, kToLook, wait);
  return {opened.info, opened.error};
}

bool KnowsCached(Kernel* kernel, int root_fd) {
  open_how how = {};
  how.flags = kToLook;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED;
  const int fd = kernel->OpenAt2(root_fd, ".", how);
  if (fd >= 0) kernel->Close(fd);
  return fd != -EINVAL && fd != -ENOSYS;
}

// A helper's read: into memory that is no shard's, and becomes the lease's without a copy.
struct HeldRead {
  alloc::SharedBytes bytes;
  int error = 0;
};
HeldRead ReadWaiting(Kernel* kernel, const File& file, uint64_t offset, uint32_t bytes) {
  HeldRead read;
  read.bytes = alloc::SharedBytes::Make(bytes, [&](char* to) {
    uint32_t have = 0;
    while (have < bytes) {
      const int got = kernel->ReadAt(file.fd(), to + have, bytes - have, offset + have, 0);
      if (got < 0) read.error = got == -EAGAIN ? EBUSY : -got;  // of a file system that does not wait even when it may
      if (got <= 0) break;
      have += static_cast<uint32_t>(got);
    }
    return have;
  });
  if (!read.bytes) read.error = ENOMEM;
  return read;
}

}  // namespace

Files::Files(int root_fd, Kernel* kernel)
    : root_fd_(root_fd), kernel_(kernel), cached_known_(KnowsCached(kernel, root_fd)) {}

OpenedFile Files::TryOpen(const std::string& path) {
  OpenedFile opened;
  opened.error = EAGAIN;
  if (cached_known_) opened = OpenBeneath(kernel_, root_fd_, path, kToRead, Wait::kNever);
  Count(FilesCount::kOpenedAtOnce, opened.error);
  return opened;
}

Task<OpenedFile> Files::Open(std::string path) {
  OpenedFile opened = TryOpen(path);
  if (opened.error != EAGAIN) co_return std::move(opened);
  auto open = [kernel = kernel_, root_fd = root_fd_, path = std::move(path)] {
    return OpenBeneath(kernel, root_fd, path, kToRead, Wait::kMay);
  };
  auto waited = co_await Blocking(std::move(open));
  if (waited.ok()) {
    opened = std::move(*waited);
    Count(FilesCount::kOpenedByHelper, opened.error);
  } else {
    opened.error = NotRun(waited.end());
  }
  co_return std::move(opened);
}

FileStat Files::TryStat(const std::string& path) {
  FileStat stat;
  stat.error = EAGAIN;
  if (cached_known_) stat = StatBeneath(kernel_, root_fd_, path, Wait::kNever);
  Count(FilesCount::kStatAtOnce, stat.error);
  return stat;
}

Task<FileStat> Files::Stat(std::string path) {
  FileStat stat = TryStat(path);
  if (stat.error != EAGAIN) co_return stat;
  auto look = [kernel = kernel_, root_fd = root_fd_, path = std::move(path)] {
    return StatBeneath(kernel, root_fd, path, Wait::kMay);
  };
  auto waited = co_await Blocking(std::move(look));
  if (waited.ok()) {
    stat = *waited;
    Count(FilesCount::kStatByHelper, stat.error);
  } else {
    stat.error = NotRun(waited.end());
  }
  co_return stat;
}

// EAGAIN where it would wait: for the first byte, or, of the whole, for any.
FileRead Files::ReadNow(const File& file, uint64_t offset, uint32_t bytes, bool whole) {
  assert(bytes > 0);
  assert(bytes <= kReadBytesMax);
  FileRead read;
  alloc::BufferPool& pool = Shard::Current()->buffers();
  alloc::Block* const block = pool.Acquire(bytes);
  if (block == nullptr) {
    read.error = ENOMEM;
    return read;
  }
  read.bytes = alloc::Lease(block, 0, 0);
  int got = 0;
  do {
    const uint32_t have = read.bytes.size();
    got = kernel_->ReadAt(file.fd(), block->data + have, bytes - have, offset + have, RWF_NOWAIT);
    if (got > 0) read.bytes.Extend(static_cast<uint32_t>(got));
  } while (whole && got > 0 && read.bytes.size() < bytes);
  if (got < 0) read.error = got == -EOPNOTSUPP ? EAGAIN : -got;
  if (read.error != 0 || read.bytes.empty()) read.bytes.Reset();
  return read;
}

FileRead Files::TryRead(const File& file, uint64_t offset, uint32_t bytes) {
  FileRead read = ReadNow(file, offset, bytes, false);
  Count(FilesCount::kReadAtOnce, read.error);
  return read;
}

Task<FileRead> Files::Read(const File& file, uint64_t offset, uint32_t bytes) {
  FileRead read = ReadNow(file, offset, bytes, true);
  Count(FilesCount::kReadAtOnce, read.error);
  if (read.error != EAGAIN) co_return std::move(read);
  // What was there already is read again: the helper's copy costs the shard nothing, and joining two parts would.
  const int own = kernel_->Duplicate(file.fd());
  if (own < 0) {
    read.error = -own;
    Count(FilesCount::kReadByHelper, read.error);
    co_return std::move(read);
  }
  auto wait = [kernel = kernel_, file = File(kernel_, own), offset, bytes]() mutable {
    const File closed_here = std::move(file);
    return ReadWaiting(kernel, closed_here, offset, bytes);
  };
  auto waited = co_await Blocking(std::move(wait));
  if (!waited.ok()) {
    read.error = NotRun(waited.end());
    co_return std::move(read);
  }
  read.error = waited->error;
  if (read.error == 0 && !waited->bytes.empty()) {
    read.bytes = Shard::Current()->buffers().Share(waited->bytes);
    if (!read.bytes) read.error = ENOMEM;
  }
  Count(FilesCount::kReadByHelper, read.error);
  co_return std::move(read);
}

void Files::Count(FilesCount done, int error) {
  switch (error) {
    case 0: return counters_.Add(done);
    case EAGAIN: return;  // a helper is asked next
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EXDEV: return counters_.Add(FilesCount::kNotFound);
    default: return counters_.Add(FilesCount::kFailed);
  }
}

int Files::NotRun(JobEnd end) {
  const bool cancelled = end == JobEnd::kCancelled;
  counters_.Add(cancelled ? FilesCount::kCancelled : FilesCount::kRefused);
  return cancelled ? ECANCELED : EBUSY;
}

}  // namespace mooring::core
