// SPDX-License-Identifier: Apache-2.0
#include "tests/core/test_port.h"

#include <liburing.h>
#include <poll.h>

#include <cerrno>
#include <utility>

namespace mooring::core {

void FakePort::Poll(Nanos wait, Sleeper* sleeper) {
  waits.push_back(wait);
  if (std::exchange(wakes_seen_, wakes_) == wakes_ && wait > 0) clock_->Advance(wait);
  sleeper->OnAwake();
  if (deliver) deliver();
}

int FakePort::Watch(int, uint32_t, Watcher*) { return -EOPNOTSUPP; }

int SteppedShard::RunUntilIdle(int turns_max) {
  for (int turns = 1; turns <= turns_max; ++turns) {
    shard.RunTurn();
    if (port.waits.back() == EventPort::kForever) return turns;
  }
  return turns_max;
}

absl::StatusOr<std::unique_ptr<RingPort>> RingPort::Open(Kernel* kernel, const Ring::Options& options) {
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Open(kernel, options);
  if (!ring.ok()) return ring.status();
  const int event_fd = kernel->EventFd();
  if (event_fd < 0) return absl::ResourceExhaustedError("no eventfd");
  return std::unique_ptr<RingPort>(new RingPort(kernel, *std::move(ring), event_fd));
}

RingPort::~RingPort() {
  if (wake_armed_) {  // the kernel may write into wake_count_ until the read's completion
    io_uring_sqe* sqe = ring_->NextSqe();
    io_uring_prep_cancel64(sqe, kWakeId, 0);
    sqe->user_data = kNobody;
  }
  while (wake_armed_) {
    ring_->Enter(1, kNanosPerSecond);
    ring_->Reap([this](const io_uring_cqe& cqe) { wake_armed_ = wake_armed_ && cqe.user_data != kWakeId; });
  }
  kernel_->Close(event_fd_);
}

void RingPort::ArmWake() {
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_read(sqe, event_fd_, &wake_count_, sizeof(wake_count_), 0);
  sqe->user_data = kWakeId;
  wake_armed_ = true;
}

void RingPort::ArmPoll(int fd, const Watched& watched) {
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_poll_add(sqe, fd, watched.events);
  sqe->user_data = watched.id;
}

int RingPort::Watch(int fd, uint32_t events, Watcher* watcher) {
  const auto [at, fresh] = watched_.insert({fd, {next_id_, events, watcher}});
  if (!fresh) return -EEXIST;
  ++next_id_;
  ArmPoll(fd, at->second);
  return 0;
}

void RingPort::Unwatch(int fd) {
  const auto at = watched_.find(fd);
  if (at == watched_.end()) return;
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_poll_remove(sqe, at->second.id);
  sqe->user_data = kNobody;
  watched_.erase(at);
}

void RingPort::Wake() { kernel_->Signal(event_fd_); }

void RingPort::OnCompletion(const io_uring_cqe& cqe) {
  if (cqe.user_data == kWakeId) {
    wake_armed_ = false;
    return;
  }
  for (auto& [fd, watched] : watched_) {
    if (watched.id != cqe.user_data) continue;
    // Armed again before the call, which may unwatch it; a one-shot poll of a ready descriptor completes at once.
    ArmPoll(fd, watched);
    watched.watcher->OnReady(cqe.res < 0 ? static_cast<uint32_t>(POLLERR) : static_cast<uint32_t>(cqe.res));
    return;
  }
}

void RingPort::Poll(Nanos wait, Sleeper* sleeper) {
  if (!wake_armed_) ArmWake();
  ring_->Enter(wait == 0 ? 0 : 1, wait);
  sleeper->OnAwake();
  ring_->Reap([this](const io_uring_cqe& cqe) { OnCompletion(cqe); });
}

}  // namespace mooring::core
