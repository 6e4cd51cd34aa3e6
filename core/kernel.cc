// SPDX-License-Identifier: Apache-2.0
#include "core/kernel.h"

#include <fcntl.h>
#include <liburing.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>

namespace mooring::core {
namespace {

int Result(ssize_t value) { return value < 0 ? -errno : static_cast<int>(value); }

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
  int Connect(int fd, const sockaddr* address, socklen_t size) override { return Result(connect(fd, address, size)); }
  int Receive(int fd, void* to, size_t size) override { return Result(recv(fd, to, size, MSG_DONTWAIT)); }
  int Send(int fd, const iovec* pieces, unsigned count) override {
    constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
    if (count == 1) return Result(send(fd, pieces->iov_base, pieces->iov_len, kFlags));
    msghdr message = {};
    message.msg_iov = const_cast<iovec*>(pieces);
    message.msg_iovlen = count;
    return Result(sendmsg(fd, &message, kFlags));
  }
  int OutQueue(int fd) override {
    int domain = 0;
    socklen_t size = sizeof(domain);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return -errno;
    if (domain == AF_UNIX) return -EOPNOTSUPP;  // there SIOCOUTQ counts buffers, not what the peer has not read
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) != 0 ? -errno : bytes;
  }
  int Shutdown(int fd, int how) override { return Result(shutdown(fd, how)); }
  int Duplicate(int fd) override { return Result(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }
  int Close(int fd) override { return Result(close(fd)); }

  int OpenAt2(int folder, const char* path, const open_how& how) override {
    return Result(syscall(SYS_openat2, folder, path, &how, sizeof(how)));  // glibc has no wrapper
  }
  int Stat(int fd, int flags, struct statx* to) override {
    return Result(statx(fd, "", AT_EMPTY_PATH | flags, STATX_BASIC_STATS, to));
  }
  int ReadAt(int fd, void* to, size_t size, uint64_t offset, int flags) override {
    const iovec whole = {.iov_base = to, .iov_len = size};
    return Result(preadv2(fd, &whole, 1, static_cast<off_t>(offset), flags));
  }

  int EpollCreate() override { return Result(epoll_create1(EPOLL_CLOEXEC)); }
  int EpollControl(int epoll_fd, int operation, int fd, epoll_event* event) override {
    return Result(epoll_ctl(epoll_fd, operation, fd, event));
  }
  int EpollWait(int epoll_fd, epoll_event* events, int count, Nanos timeout) override {
    if (timeout > 0 && !no_pwait2_.load(std::memory_order_relaxed)) {
      timespec wait = {};
      wait.tv_sec = timeout / kNanosPerSecond;
      wait.tv_nsec = timeout % kNanosPerSecond;
      const int result = Result(epoll_pwait2(epoll_fd, events, count, &wait, nullptr));
      if (result != -ENOSYS) return result;
      no_pwait2_.store(true, std::memory_order_relaxed);
    }
    const Nanos ms = timeout <= 0 ? timeout : std::min<Nanos>((timeout + kNanosPerMs - 1) / kNanosPerMs, INT_MAX);
    return Result(epoll_wait(epoll_fd, events, count, static_cast<int>(ms)));
  }

  int EventFd() override { return Result(eventfd(0, EFD_CLOEXEC)); }
  int TakeSignals(int event_fd) override {
    // Not a nonblocking descriptor, because a ring reads it as well; so it is asked for first.
    uint64_t count = 0;
    pollfd ready = {.fd = event_fd, .events = POLLIN, .revents = 0};
    if (const int polled = Result(poll(&ready, 1, 0)); polled <= 0) return polled == 0 ? -EAGAIN : polled;
    return read(event_fd, &count, sizeof(count)) == sizeof(count) ? static_cast<int>(std::min<uint64_t>(count, INT_MAX))
                                                                  : -errno;
  }
  int Signal(int event_fd) override {
    const uint64_t one = 1;
    return write(event_fd, &one, sizeof(one)) == sizeof(one) ? 0 : -errno;
  }

 private:
  std::atomic<bool> no_pwait2_{false};  // this kernel has no epoll_pwait2
};

}  // namespace

Kernel* RealKernel() {
  static Real kernel;
  return &kernel;
}

}  // namespace mooring::core
