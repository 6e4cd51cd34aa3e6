// SPDX-License-Identifier: Apache-2.0
// Waking up: an eventfd, and descriptors that others own, all level-triggered.
#include <sys/epoll.h>

#include <cerrno>

#include "net/epoll/epoll_transport.h"

namespace mooring::net::epoll {

void EpollTransport::Wake() { kernel_->Signal(wake_fd_); }

void EpollTransport::OnWake() {
  counters_.Add(TransportCount::kWakes);
  kernel_->TakeSignals(wake_fd_);
}

// poll(2)'s events have epoll's values. Each report disarms the entry until its watcher has been told, so that one
// whose descriptor was closed, while the file lives on under another, reports once and not in every wait (epoll(7),
// "Will closing a file descriptor cause it to be removed"). A regular file is -EPERM.
int EpollTransport::Watch(int fd, uint32_t events, Watcher* watcher) {
  if (fd < 0) return -EBADF;
  if (watched_.contains(fd)) return -EEXIST;  // epoll says so, too, unless that one was closed
  watch_serial_ = (watch_serial_ + 1) & 0xffffff;
  const Watched watched = {(events & 0xffff) | EPOLLONESHOT, watch_serial_, watcher};
  const int result = Add(fd, watched.events, EventData(Kind::kWatch, watched.serial, static_cast<uint32_t>(fd)));
  if (result < 0) return result;
  watched_.emplace(fd, watched);
  return 0;
}

void EpollTransport::Unwatch(int fd) {
  if (watched_.erase(fd) == 0) return;
  // A descriptor that its owner has closed may be a connection's by now.
  if (Owns(fd)) return;
  epoll_event unused = {};
  kernel_->EpollControl(epoll_fd_, EPOLL_CTL_DEL, fd, &unused);
}

void EpollTransport::OnWatch(const epoll_event& event) {
  const auto fd = static_cast<int>(SlotOf(event.data.u64));
  // Of this watch, not of a later one of the same number.
  const auto find = [&] {
    const auto found = watched_.find(fd);
    return found != watched_.end() && found->second.serial == GenerationOf(event.data.u64) ? &found->second : nullptr;
  };
  const Watched* const watched = find();
  if (watched == nullptr) return;  // unwatched by an upcall for an earlier event of the same wait
  watched->watcher->OnReady(event.events);
  if (const Watched* const again = find(); again != nullptr) {
    epoll_event arm = {};
    arm.events = again->events;
    arm.data = event.data;
    kernel_->EpollControl(epoll_fd_, EPOLL_CTL_MOD, fd, &arm);
  }
}

}  // namespace mooring::net::epoll
