// SPDX-License-Identifier: Apache-2.0
// The part of SimKernel that tells of readiness: epoll and eventfds.
#include <algorithm>
#include <cerrno>
#include <climits>

#include "tests/sim/sim_kernel.h"

namespace mooring::sim {

int SimKernel::EpollCreate() {
  if (const int fault = choices_.Fault(FaultSite::kEpollCreate); fault != 0) return -fault;
  return descriptors_.Install(std::make_shared<OpenFile>(std::make_shared<SimEpoll>(&choices_, &network_)));
}

SimEpoll* SimKernel::FindEpoll(int fd) {
  const FileRef file = descriptors_.Get(fd);
  return file == nullptr ? nullptr : dynamic_cast<SimEpoll*>(file->file.get());
}

int SimKernel::EpollControl(int epoll_fd, int operation, int fd, epoll_event* event) {
  const FileRef file = descriptors_.Get(fd);
  if (descriptors_.Get(epoll_fd) == nullptr || file == nullptr) return -EBADF;
  SimEpoll* epoll = FindEpoll(epoll_fd);
  return epoll == nullptr ? -EINVAL : epoll->Control(operation, fd, file, event);
}

int SimKernel::EpollWait(int epoll_fd, epoll_event* events, int count, core::Nanos timeout) {
  if (descriptors_.Get(epoll_fd) == nullptr) return -EBADF;
  SimEpoll* epoll = FindEpoll(epoll_fd);
  if (epoll == nullptr) return -EINVAL;
  last_wait_ = epoll;
  return epoll->Wait(events, count, timeout);
}

int SimKernel::EventFd() {
  if (const int fault = choices_.Fault(FaultSite::kEventFd); fault != 0) return -fault;
  return descriptors_.Install(std::make_shared<OpenFile>(std::make_shared<SimEventFd>()));
}

SimEventFd* SimKernel::FindEvent(int fd) {
  const FileRef file = descriptors_.Get(fd);
  auto* event = file == nullptr ? nullptr : dynamic_cast<SimEventFd*>(file->file.get());
  if (file != nullptr && event == nullptr) choices_.Fail("descriptor %d is used as an eventfd, and is none", fd);
  return event;
}

int SimKernel::Signal(int event_fd) {
  SimEventFd* event = FindEvent(event_fd);
  if (event == nullptr) return -EBADF;
  event->Add(1);
  return 0;
}

int SimKernel::TakeSignals(int event_fd) {
  SimEventFd* event = FindEvent(event_fd);
  if (event == nullptr) return -EBADF;
  const uint64_t count = event->Take();
  return count == 0 ? -EAGAIN : static_cast<int>(std::min<uint64_t>(count, INT_MAX));
}

}  // namespace mooring::sim
