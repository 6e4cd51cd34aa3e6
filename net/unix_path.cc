// SPDX-License-Identifier: Apache-2.0
#include "net/unix_path.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"

namespace mooring::net {
namespace {

constexpr int kLockTries = 100;  // each lost to a server that gave the path up in between
constexpr std::chrono::milliseconds kAskAgain(10);

absl::Status Explain(const std::string& path, const char* what, int error) {
  const std::string name = absl::StrCat("unix:", path);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(absl::StrCat(name, ": its directory is not there; make it, and writable for this user "
                                              "(RuntimeDirectory= in a systemd unit)"));
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(absl::StrCat("no permission to listen on ", name, ": ", what, ": ",
                                                      strerror(error), "; its directory must be writable for this user"));
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(
          absl::StrCat("no file descriptor is left to listen on ", name, "; raise ulimit -n or LimitNOFILE="));
    default: return absl::InternalError(absl::StrCat("cannot listen on ", name, ": ", what, ": ", strerror(error)));
  }
}

absl::Status InUse(const std::string& path) {
  return absl::AlreadyExistsError(absl::StrCat("unix:", path, " is in use by another server; stop it or choose another "
                                               "path (ss -xlp src ", path, " shows it)"));
}

absl::Status NotASocket(const std::string& path) {
  return absl::FailedPreconditionError(
      absl::StrCat(path, " is there and is no socket, so it is left alone; remove it or choose another path"));
}

bool SameFile(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

// Whether `path` still names the file behind `fd`.
bool Names(const std::string& path, int fd) {
  struct stat named, held;
  return lstat(path.c_str(), &named) == 0 && fstat(fd, &held) == 0 && SameFile(named, held);
}

// The locked file, or a negative errno; -EWOULDBLOCK: another one has it.
int Lock(const std::string& path) {
  for (int i = 0; i < kLockTries; ++i) {
    const int fd = open(path.c_str(), O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0) return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      close(fd);
      return -error;
    }
    // Whoever gives the path up deletes the lock's file before it lets go: this may be such a one.
    if (Names(path, fd)) return fd;
    close(fd);
  }
  return -EWOULDBLOCK;
}

sockaddr_un ToSocket(const std::string& path) {
  sockaddr_un out = {};
  out.sun_family = AF_UNIX;
  assert(path.size() < sizeof(out.sun_path));
  std::memcpy(out.sun_path, path.data(), path.size());
  return out;
}

int OpenSocket(core::Kernel* kernel) { return kernel->Socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

// Whether `path` may be replaced.
absl::Status Look(core::Kernel* kernel, const std::string& path) {
  struct stat found;
  if (lstat(path.c_str(), &found) != 0) return errno == ENOENT ? absl::OkStatus() : Explain(path, "lstat", errno);
  if (!S_ISSOCK(found.st_mode)) return NotASocket(path);
  const int fd = OpenSocket(kernel);
  if (fd < 0) return Explain(path, "socket", -fd);
  const sockaddr_un to = ToSocket(path);
  const int result = kernel->Connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  kernel->Close(fd);
  switch (-result) {
    case ECONNREFUSED:               // nobody holds it
    case ENOENT: return absl::OkStatus();  // gone meanwhile
    case 0:
    case EAGAIN:                           // its backlog is full
    case EPROTOTYPE: return InUse(path);   // it takes datagrams
    default: return Explain(path, "looking whether somebody listens there", -result);
  }
}

// From the bound socket `listener` to one that `path` names. Opens its file.
absl::Status Publish(core::Kernel* kernel, const std::string& path, const std::string& temporary,
                     const UnixPath::Options& options, int listener, int* file_fd) {
  if (const int result = kernel->Listen(listener, options.backlog); result < 0) return Explain(path, "listen", -result);
  if (chmod(temporary.c_str(), options.mode) != 0) return Explain(path, "chmod", errno);
  *file_fd = open(temporary.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (*file_fd < 0) return Explain(path, "open", errno);
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return Explain(path, "rename", errno);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UnixPath> UnixPath::Take(core::Kernel* kernel, const std::string& path, const Options& options,
                                        int* listener) {
  const std::string lock = path + ".lock";
  const int lock_fd = Lock(lock);
  if (lock_fd == -EWOULDBLOCK) return InUse(path);
  if (lock_fd == -ELOOP || lock_fd == -EISDIR) return NotASocket(lock);
  if (lock_fd < 0) return Explain(path, "its lock file", -lock_fd);

  UnixPath hold;  // from here on it gives up what it has, if that is all
  hold.path_ = path;
  hold.lock_fd_ = lock_fd;
  absl::Status look = Look(kernel, path);
  for (std::chrono::milliseconds waited(0); absl::IsAlreadyExists(look) && waited.count() < options.patience_ms;
       waited += kAskAgain) {
    std::this_thread::sleep_for(kAskAgain);
    look = Look(kernel, path);
  }
  if (!look.ok()) return look;
  // The lock is ours, so a socket of this name is what a server left that died.
  const std::string temporary = path + ".tmp";
  struct stat found;
  if (lstat(temporary.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode)) return NotASocket(temporary);
    if (unlink(temporary.c_str()) != 0) return Explain(path, "unlink of its temporary name", errno);
  }

  const int fd = OpenSocket(kernel);
  if (fd < 0) return Explain(path, "socket", -fd);
  const sockaddr_un at = ToSocket(temporary);
  absl::Status status = absl::OkStatus();
  if (const int result = kernel->Bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)); result < 0) {
    status = Explain(path, "bind", -result);
  } else {
    status = Publish(kernel, path, temporary, options, fd, &hold.file_fd_);
    if (!status.ok()) unlink(temporary.c_str());
  }
  if (!status.ok()) {
    kernel->Close(fd);
    return status;
  }
  *listener = fd;
  return hold;
}

UnixPath& UnixPath::operator=(UnixPath&& other) noexcept {
  if (this == &other) return *this;
  Withdraw();
  path_ = std::move(other.path_);
  lock_fd_ = std::exchange(other.lock_fd_, -1);
  file_fd_ = std::exchange(other.file_fd_, -1);
  return *this;
}

void UnixPath::Withdraw() {
  if (file_fd_ >= 0) {
    if (Names(path_, file_fd_)) unlink(path_.c_str());
    close(std::exchange(file_fd_, -1));
  }
  if (lock_fd_ >= 0) {
    const std::string lock = path_ + ".lock";
    if (Names(lock, lock_fd_)) unlink(lock.c_str());  // while it is locked: see Lock
    close(std::exchange(lock_fd_, -1));
  }
}

}  // namespace mooring::net
