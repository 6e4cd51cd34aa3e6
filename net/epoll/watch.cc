// SPDX-License-Identifier: Apache-2.0
// Waking up: an eventfd, and descriptors that others own, all level-triggered.
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include "net/epoll/epoll_transport.h"

namespace mooring::net::epoll {

void EpollTransport::Wake() { kernel_->Signal(wake_fd_); }

void EpollTransport::OnWake() {
  counters_.Add(TransportCount::kWakes);
  kernel_->TakeSignals(wake_fd_);
}

// poll(2)'s events have epoll's values. A regular file is -EPERM.
int EpollTransport::Watch(int fd, uint32_t events, Watcher* watcher) {
  if (fd < 0) return -EBADF;
  watch_serial_ = (watch_serial_ + 1) & 0xffffff;
  const int result = Add(fd, events & 0xffff, EventData(Kind::kWatch, watch_serial_, static_cast<uint32_t>(fd)));
  if (result < 0) return result;
  watched_.push_back({fd, watch_serial_, watcher});
  return 0;
}

void EpollTransport::Unwatch(int fd) {
  const auto found = std::find_if(watched_.begin(), watched_.end(), [fd](const Watched& w) { return w.fd == fd; });
  if (found == watched_.end()) return;
  watched_.erase(found);
  epoll_event unused = {};
  kernel_->EpollControl(epoll_fd_, EPOLL_CTL_DEL, fd, &unused);
}

void EpollTransport::OnWatch(const epoll_event& event) {
  const auto watched = std::find_if(watched_.begin(), watched_.end(), [&](const Watched& w) {
    return static_cast<uint32_t>(w.fd) == SlotOf(event.data.u64) && w.serial == GenerationOf(event.data.u64);
  });
  // Not there: unwatched by an upcall for an earlier event of the same wait.
  if (watched != watched_.end()) watched->watcher->OnReady(event.events);
}

}  // namespace mooring::net::epoll
