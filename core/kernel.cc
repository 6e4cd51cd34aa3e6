// SPDX-License-Identifier: Apache-2.0
#include "core/kernel.h"

#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace mooring::core {
namespace {

int Result(int value) { return value < 0 ? -errno : value; }

class Real final : public Kernel {
 public:
  int RingSetup(unsigned entries, io_uring_params* params, io_uring* ring) override {
    const int fd = io_uring_setup(entries, params);
    if (fd < 0) return fd;  // liburing's wrapper returns -errno
    if (const int mapped = io_uring_queue_mmap(fd, params, ring); mapped < 0) {
      close(fd);
      return mapped;
    }
    ring->features = params->features;
    ring->flags = params->flags;
    ring->enter_ring_fd = fd;
    // liburing 2.3 leaves the indirection array to its own queue_init; entry i of the array always names SQE i here.
    for (unsigned i = 0; i < params->sq_entries; ++i) ring->sq.array[i] = i;
    return 0;
  }

  void RingExit(io_uring* ring) override { io_uring_queue_exit(ring); }

  int RingEnter(io_uring* ring, unsigned to_submit, unsigned min_complete, unsigned flags,
                __kernel_timespec* timeout) override {
    io_uring_getevents_arg arg = {};
    arg.ts = reinterpret_cast<uint64_t>(timeout);
    return io_uring_enter2(ring->enter_ring_fd, to_submit, min_complete, flags | IORING_ENTER_EXT_ARG,
                           reinterpret_cast<sigset_t*>(&arg), sizeof(arg));
  }

  int RingRegister(io_uring* ring, unsigned opcode, void* arg, unsigned count) override {
    return io_uring_register(ring->ring_fd, opcode, arg, count);
  }

  int Socket(int family, int type, int protocol) override { return Result(socket(family, type, protocol)); }
  int Bind(int fd, const sockaddr* address, socklen_t size) override { return Result(bind(fd, address, size)); }
  int Listen(int fd, int backlog) override { return Result(listen(fd, backlog)); }
  int SetOption(int fd, int level, int name, const void* value, socklen_t size) override {
    return Result(setsockopt(fd, level, name, value, size));
  }
  int GetOption(int fd, int level, int name, void* value, socklen_t* size) override {
    return Result(getsockopt(fd, level, name, value, size));
  }
  int Name(int fd, sockaddr* address, socklen_t* size) override { return Result(getsockname(fd, address, size)); }
  int Peer(int fd, sockaddr* address, socklen_t* size) override { return Result(getpeername(fd, address, size)); }
  int Accept(int fd) override { return Result(accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)); }
  int Shutdown(int fd, int how) override { return Result(shutdown(fd, how)); }
  int Close(int fd) override { return Result(close(fd)); }

  int EventFd() override { return Result(eventfd(0, EFD_CLOEXEC)); }
  int Signal(int event_fd) override {
    const uint64_t one = 1;
    return write(event_fd, &one, sizeof(one)) == sizeof(one) ? 0 : -errno;
  }
};

}  // namespace

Kernel* RealKernel() {
  static Real kernel;
  return &kernel;
}

}  // namespace mooring::core
