// SPDX-License-Identifier: Apache-2.0
// ForwardingKernel: a kernel that passes every call on to another one. What a test bends it overrides.
//
// Threads:  those of the kernel behind it.
#ifndef MOORING_TESTS_CORE_FORWARDING_KERNEL_H_
#define MOORING_TESTS_CORE_FORWARDING_KERNEL_H_

#include "core/kernel.h"

namespace mooring::core {

class ForwardingKernel : public Kernel {
 public:
  explicit ForwardingKernel(Kernel* behind = RealKernel()) : behind_(behind) {}

  int RingSetup(unsigned entries, io_uring_params* params, io_uring* ring) override {
    return behind_->RingSetup(entries, params, ring);
  }
  void RingExit(io_uring* ring) override { behind_->RingExit(ring); }
  int RingEnter(io_uring* ring, unsigned to_submit, unsigned min_complete, unsigned flags,
                __kernel_timespec* timeout) override {
    return behind_->RingEnter(ring, to_submit, min_complete, flags, timeout);
  }
  int RingRegister(io_uring* ring, unsigned opcode, void* arg, unsigned count) override {
    return behind_->RingRegister(ring, opcode, arg, count);
  }
  int Socket(int family, int type, int protocol) override { return behind_->Socket(family, type, protocol); }
  int Bind(int fd, const sockaddr* address, socklen_t size) override { return behind_->Bind(fd, address, size); }
  int Listen(int fd, int backlog) override { return behind_->Listen(fd, backlog); }
  int SetOption(int fd, int level, int name, const void* value, socklen_t size) override {
    return behind_->SetOption(fd, level, name, value, size);
  }
  int GetOption(int fd, int level, int name, void* value, socklen_t* size) override {
    return behind_->GetOption(fd, level, name, value, size);
  }
  int Name(int fd, sockaddr* address, socklen_t* size) override { return behind_->Name(fd, address, size); }
  int Peer(int fd, sockaddr* address, socklen_t* size) override { return behind_->Peer(fd, address, size); }
  int Accept(int fd) override { return behind_->Accept(fd); }
  int Connect(int fd, const sockaddr* address, socklen_t size) override { return behind_->Connect(fd, address, size); }
  int Receive(int fd, void* to, size_t size) override { return behind_->Receive(fd, to, size); }
  int Send(int fd, const iovec* pieces, unsigned count) override { return behind_->Send(fd, pieces, count); }
  int OutQueue(int fd) override { return behind_->OutQueue(fd); }
  int Shutdown(int fd, int how) override { return behind_->Shutdown(fd, how); }
  int Duplicate(int fd) override { return behind_->Duplicate(fd); }
  int Close(int fd) override { return behind_->Close(fd); }
  int OpenAt2(int folder, const char* path, const open_how& how) override {
    return behind_->OpenAt2(folder, path, how);
  }
  int Stat(int fd, int flags, struct statx* to) override { return behind_->Stat(fd, flags, to); }
  int ReadAt(int fd, void* to, size_t size, uint64_t offset, int flags) override {
    return behind_->ReadAt(fd, to, size, offset, flags);
  }
  int EpollCreate() override { return behind_->EpollCreate(); }
  int EpollControl(int epoll_fd, int operation, int fd, epoll_event* event) override {
    return behind_->EpollControl(epoll_fd, operation, fd, event);
  }
  int EpollWait(int epoll_fd, epoll_event* events, int count, Nanos timeout) override {
    return behind_->EpollWait(epoll_fd, events, count, timeout);
  }
  int EventFd() override { return behind_->EventFd(); }
  int Signal(int event_fd) override { return behind_->Signal(event_fd); }
  int TakeSignals(int event_fd) override { return behind_->TakeSignals(event_fd); }

 private:
  Kernel* const behind_;
};

}  // namespace mooring::core

#endif  // MOORING_TESTS_CORE_FORWARDING_KERNEL_H_
