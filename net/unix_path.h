// SPDX-License-Identifier: Apache-2.0
// UnixPath: the hold on a Unix-domain socket's path: at most one server has it, and it deletes nothing but its own.
//
//   1. PATH.lock is made and locked (flock(2)) for as long as the path is held: two servers that start at once don't
//      meet any further. The kernel drops the lock of a process that dies.
//   2. What is at PATH? Nothing: good. A socket that somebody listens on (connect(2) answers): refused. A socket of the
//      dead: it will be replaced. Anything else: refused, and never deleted.
//   3. The new socket is bound as PATH.tmp, listens, gets its mode, and is renamed over PATH: whoever finds it can
//      connect.
//
// Threads:  one.
// Owns:     PATH, if it still is the socket made here, and PATH.lock, until Withdraw. Not the listening socket.
// Limits:   what does not keep to PATH.lock may put something at PATH between 2 and 3, and loses it.
#ifndef MOORING_NET_UNIX_PATH_H_
#define MOORING_NET_UNIX_PATH_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "core/kernel.h"

namespace mooring::net {

class UnixPath {
 public:
  struct Options {
    int backlog = 4096;
    // Owner and group may connect: a socket has no other guard than its mode, and an open one invites everybody on the
    // machine. chmod(2) sets it, so the umask does not count.
    mode_t mode = 0660;
    // How long a socket is asked again that still answers although the lock is free: see Claim.
    uint32_t patience_ms = 0;
  };

  // Sets `*listener` to a nonblocking socket that listens, the caller's. Errors name the path and say what to do.
  // REQUIRES: path is what Endpoint::Parse lets through.
  static absl::StatusOr<UnixPath> Take(core::Kernel* kernel, const std::string& path, const Options& options,
                                       int* listener);
  UnixPath() = default;  // of nothing
  UnixPath(UnixPath&& other) noexcept { *this = std::move(other); }
  UnixPath& operator=(UnixPath&& other) noexcept;
  ~UnixPath() { Withdraw(); }

  // Unlinks PATH, if it is ours, and gives up the lock: nobody new connects, and the next server may take the path. Who
  // has connected waits in the listening socket. A second call does nothing.
  void Withdraw();

 private:
  std::string path_;
  int lock_fd_ = -1;
  int file_fd_ = -1;  // O_PATH on the socket's file: as long as it is open no other file has its inode
};

}  // namespace mooring::net

#endif  // MOORING_NET_UNIX_PATH_H_
