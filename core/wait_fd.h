// SPDX-License-Identifier: Apache-2.0
// WaitReadable, WaitWritable, WaitFd: waiting for a descriptor that somebody else owns: libpq's, c-ares', libcurl's.
//
//   while (PQisBusy(db)) {
//     if (const FdResult ready = co_await WaitReadable(PQsocket(db), Seconds(5)); !ready.ok()) co_return ready.end;
//     if (PQconsumeInput(db) == 0) co_return FdEnd::kError;
//   }
//
// Level-like, as poll(2): a descriptor that is ready when the wait begins ends it. A hang-up or an error of the
// descriptor counts as ready, because the next call on it says more. What is always ready for poll(2), as a file, is so
// here.
//
// One wait a descriptor and shard at a time: a second one ends with EEXIST (for both directions: POLLIN | POLLOUT). End
// the wait before the descriptor is closed. Closed under it, the wait ends when its limit or its scope does, or is told
// of something that is no longer there (on io_uring the kernel holds the file open until then); until it has ended, a
// wait for a new descriptor of that number ends with EEXIST. Nothing else is harmed.
//
// Threads:  one shard, inside its turn.
// Owns:     nothing. The descriptor stays the caller's.
// Kernel:   any; one poll request a wait on io_uring, two epoll_ctl(2) on epoll.
#ifndef MOORING_CORE_WAIT_FD_H_
#define MOORING_CORE_WAIT_FD_H_

#include <poll.h>

#include <coroutine>
#include <cstdint>

#include "core/cancel_scope.h"
#include "core/event_port.h"
#include "core/shard.h"

namespace mooring::core {

enum class FdEnd : uint8_t {
  kReady,
  kDeadline,
  kCancelled,
  kError,  // it can't be waited for
};

struct FdResult {
  bool ok() const { return end == FdEnd::kReady; }
  FdEnd end = FdEnd::kError;
  uint32_t events = 0;  // kReady: poll(2)'s, of those asked for, POLLHUP and POLLERR
  int error = 0;        // kError: -EEXIST, -EBADF, -ENOMEM, -ENOSPC (epoll_ctl(2))
};

class [[nodiscard]] WaitFd : private WaitPoint, private EventPort::Watcher {
 public:
  // For any of `events`, poll(2)'s, at most `limit` long, rounded up to a whole millisecond. With 0, too, what is ready
  // now is said to be so.
  WaitFd(int fd, uint32_t events, Nanos limit = EventPort::kForever) : fd_(fd), events_(events), limit_(limit) {}
  WaitFd(const WaitFd&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> task) {
    handle = task;
    Begin(task.promise().scope());
  }
  FdResult await_resume() noexcept {
    scope_->Clear();
    return result_;
  }

 private:
  void Begin(CancelScope* scope);
  void OnReady(uint32_t events) override;
  void Complete(FdResult result);

  const int fd_;
  const uint32_t events_;
  const Nanos limit_;
  CancelScope* scope_ = nullptr;
  CallTimer timer_;
  FdResult result_;
  bool watched_ = false;
  bool complete_ = false;
};

class [[nodiscard]] WaitReadable : public WaitFd {
 public:
  explicit WaitReadable(int fd, Nanos limit = EventPort::kForever) : WaitFd(fd, POLLIN, limit) {}
};

class [[nodiscard]] WaitWritable : public WaitFd {
 public:
  explicit WaitWritable(int fd, Nanos limit = EventPort::kForever) : WaitFd(fd, POLLOUT, limit) {}
};

}  // namespace mooring::core

#endif  // MOORING_CORE_WAIT_FD_H_
