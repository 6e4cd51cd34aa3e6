// SPDX-License-Identifier: Apache-2.0
// Waking up: an eventfd that is always being read, and polls on descriptors that others own. A poll is one-shot and
// armed again after each report, which makes it level-triggered.
#include <liburing.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

void UringTransport::ArmWake() {
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_read(sqe, wake_fd_, &wake_value_, sizeof(wake_value_), 0);
  sqe->user_data = UserData(Op::kWake, 0, 0);
}

void UringTransport::Wake() { kernel_->Signal(wake_fd_); }

void UringTransport::ArmWatch(Watched& watched) {
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_poll_add(sqe, watched.fd, watched.events);
  sqe->user_data = UserData(Op::kWatch, watched.serial, static_cast<uint32_t>(watched.fd));
  watched.armed = true;
}

int UringTransport::Watch(int fd, uint32_t events, Watcher* watcher) {
  if (fd < 0) return -EBADF;
  for (const Watched& other : watched_) {
    if (other.fd == fd) return -EEXIST;
  }
  watch_serial_ = (watch_serial_ + 1) & 0xffffff;
  watched_.push_back({fd, events, watch_serial_, false, watcher});
  ArmWatch(watched_.back());
  return 0;
}

void UringTransport::Unwatch(int fd) {
  const auto found = std::find_if(watched_.begin(), watched_.end(), [fd](const Watched& w) { return w.fd == fd; });
  if (found == watched_.end()) return;
  if (found->armed) {
    Cancel(UserData(Op::kWatch, found->serial, static_cast<uint32_t>(fd)), UserData(Op::kCancel, 0, 0));
  }
  watched_.erase(found);
}

void UringTransport::OnWatch(const io_uring_cqe& cqe) {
  const auto find = [&] {
    return std::find_if(watched_.begin(), watched_.end(), [&](const Watched& w) {
      return static_cast<uint32_t>(w.fd) == SlotOf(cqe.user_data) && w.serial == GenerationOf(cqe.user_data);
    });
  };
  const auto watched = find();
  if (watched == watched_.end()) return;  // unwatched meanwhile
  watched->armed = false;
  watched->watcher->OnReady(cqe.res < 0 ? uint32_t{POLLNVAL} : static_cast<uint32_t>(cqe.res));
  if (cqe.res < 0) return;  // not a descriptor that can be polled: told once
  if (const auto again = find(); again != watched_.end()) ArmWatch(*again);
}

}  // namespace mooring::net::uring
