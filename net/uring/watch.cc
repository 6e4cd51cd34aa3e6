// SPDX-License-Identifier: Apache-2.0
// Waking up: an eventfd that is always being read, and polls on descriptors that others own. A poll is one-shot and
// armed again after each report, which makes it level-triggered.
#include <liburing.h>
#include <poll.h>

#include <cerrno>

#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

void UringTransport::ArmWake() {
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_read(sqe, wake_fd_, &wake_value_, sizeof(wake_value_), 0);
  sqe->user_data = UserData(Op::kWake, 0, 0);
}

void UringTransport::Wake() { kernel_->Signal(wake_fd_); }

void UringTransport::ArmWatch(int fd, Watched& watched) {
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_poll_add(sqe, fd, watched.events);
  sqe->user_data = UserData(Op::kWatch, watched.serial, static_cast<uint32_t>(fd));
  watched.armed = true;
}

int UringTransport::Watch(int fd, uint32_t events, Watcher* watcher) {
  if (fd < 0) return -EBADF;
  const auto [at, fresh] = watched_.try_emplace(fd);
  if (!fresh) return -EEXIST;
  watch_serial_ = (watch_serial_ + 1) & 0xffffff;
  at->second = {events, watch_serial_, false, watcher};
  ArmWatch(fd, at->second);
  return 0;
}

void UringTransport::Unwatch(int fd) {
  const auto found = watched_.find(fd);
  if (found == watched_.end()) return;
  if (found->second.armed) {
    Cancel(UserData(Op::kWatch, found->second.serial, static_cast<uint32_t>(fd)), UserData(Op::kCancel, 0, 0));
  }
  watched_.erase(found);
}

void UringTransport::OnWatch(const io_uring_cqe& cqe) {
  const auto fd = static_cast<int>(SlotOf(cqe.user_data));
  // Of this watch, not of a later one of the same number.
  const auto find = [&] {
    const auto found = watched_.find(fd);
    return found != watched_.end() && found->second.serial == GenerationOf(cqe.user_data) ? &found->second : nullptr;
  };
  Watched* const watched = find();
  if (watched == nullptr) return;  // unwatched meanwhile
  watched->armed = false;
  watched->watcher->OnReady(cqe.res < 0 ? uint32_t{POLLNVAL} : static_cast<uint32_t>(cqe.res));
  if (cqe.res < 0) return;  // not a descriptor that can be polled: told once
  if (Watched* const again = find(); again != nullptr) ArmWatch(fd, *again);
}

}  // namespace mooring::net::uring
