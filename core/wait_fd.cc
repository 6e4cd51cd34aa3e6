// SPDX-License-Identifier: Apache-2.0
#include "core/wait_fd.h"

#include <algorithm>
#include <cerrno>

namespace mooring::core {

void WaitFd::Begin(CancelScope* scope) {
  scope_ = scope;
  if (scope->cancelled()) return Complete({.end = FdEnd::kCancelled});
  cancel = [](WaitPoint* self) { static_cast<WaitFd*>(self)->Complete({.end = FdEnd::kCancelled}); };
  scope->WaitAt(this);

  Shard* shard = Shard::Current();
  const int result = shard->port()->Watch(fd_, events_, this);
  if (result == -EPERM) return Complete({.end = FdEnd::kReady, .events = events_});  // epoll says so of a file
  if (result < 0) return Complete({.end = FdEnd::kError, .error = result});
  watched_ = true;
  if (limit_ < 0) return;
  timer_.argument = this;
  timer_.call = [](void* self) { static_cast<WaitFd*>(self)->Complete({.end = FdEnd::kDeadline}); };
  // Not in this turn, whose timers may be still to come: the port looks first.
  shard->wheel().Arm(&timer_, TimerKind::kFunction, std::max(shard->DeadlineMs(limit_), shard->now_ms() + 1));
}

void WaitFd::OnReady(uint32_t events) {
  if ((events & POLLNVAL) != 0) return Complete({.end = FdEnd::kError, .error = -EBADF});
  Complete({.end = FdEnd::kReady, .events = events});
}

void WaitFd::Complete(FdResult result) {
  if (complete_) return;
  complete_ = true;
  result_ = result;
  Shard* shard = Shard::Current();
  if (watched_) shard->port()->Unwatch(fd_);
  shard->wheel().Cancel(&timer_);
  shard->MakeRunnable(handle);
}

}  // namespace mooring::core
