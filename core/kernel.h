// SPDX-License-Identifier: Apache-2.0
// Kernel: every system call that carries connections or the files that go out on them, behind one seam.
//
// The ring half lets a test put a simulated io_uring under the production Ring: RingSetup fills a liburing `struct
// io_uring` with pointers to whatever memory it likes, and everything above reads and writes submission and completion
// queues through those. The socket half is what listeners, claims and half-close need outside a ring, and all that the
// epoll transport moves bytes with.
//
// Errors:   every call returns a result >= 0, or -errno.
// Threads:  RealKernel is safe from any thread; a ring belongs to the thread that set it up.
#ifndef MOORING_CORE_KERNEL_H_
#define MOORING_CORE_KERNEL_H_

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "core/clock.h"

struct io_uring;
struct io_uring_params;
struct __kernel_timespec;
struct open_how;
struct statx;

namespace mooring::core {

class Kernel {
 public:
  virtual ~Kernel() = default;

  // Rings. RingSetup fills `ring` (whose memory the kernel owns until RingExit) and `params->features`.
  virtual int RingSetup(unsigned entries, io_uring_params* params, io_uring* ring) = 0;
  virtual void RingExit(io_uring* ring) = 0;
  // io_uring_enter(2) with EXT_ARG. `flags` are the IORING_ENTER_ ones, `timeout` null for none. The result is the
  // number of submitted entries, -ETIME when none was submitted and the timeout passed, or another -errno.
  virtual int RingEnter(io_uring* ring, unsigned to_submit, unsigned min_complete, unsigned flags,
                        __kernel_timespec* timeout) = 0;
  virtual int RingRegister(io_uring* ring, unsigned opcode, void* arg, unsigned count) = 0;

  // Sockets, by plain descriptor. None waits.
  virtual int Socket(int family, int type, int protocol) = 0;
  virtual int Bind(int fd, const sockaddr* address, socklen_t size) = 0;
  virtual int Listen(int fd, int backlog) = 0;
  virtual int SetOption(int fd, int level, int name, const void* value, socklen_t size) = 0;
  virtual int GetOption(int fd, int level, int name, void* value, socklen_t* size) = 0;
  virtual int Name(int fd, sockaddr* address, socklen_t* size) = 0;
  virtual int Peer(int fd, sockaddr* address, socklen_t* size) = 0;
  virtual int Accept(int fd) = 0;  // accept4(SOCK_NONBLOCK | SOCK_CLOEXEC)
  virtual int Connect(int fd, const sockaddr* address, socklen_t size) = 0;  // AF_UNSPEC: RST, as connect(2) says
  virtual int Receive(int fd, void* to, size_t size) = 0;             // recv(2) with MSG_DONTWAIT; size <= 2^30
  virtual int Send(int fd, const iovec* pieces, unsigned count) = 0;  // sendmsg(2), MSG_DONTWAIT | MSG_NOSIGNAL
  virtual int OutQueue(int fd) = 0;  // SIOCOUTQ: bytes that the peer has not acknowledged; -EOPNOTSUPP on Unix sockets
  virtual int Shutdown(int fd, int how) = 0;
  virtual int Duplicate(int fd) = 0;  // F_DUPFD_CLOEXEC: another descriptor of the same open socket
  virtual int Close(int fd) = 0;

  // Files (core/files.h). These may wait for a disk, unless RESOLVE_CACHED in `how`, AT_STATX_DONT_SYNC or RWF_NOWAIT in
  // `flags` say that they must not.
  virtual int OpenAt2(int folder, const char* path, const open_how& how) = 0;
  virtual int Stat(int fd, int flags, struct statx* to) = 0;  // statx(2) of the descriptor: STATX_BASIC_STATS
  virtual int ReadAt(int fd, void* to, size_t size, uint64_t offset, int flags) = 0;  // preadv2(2); size <= 2^30

  // Readiness: epoll(7).
  virtual int EpollCreate() = 0;
  virtual int EpollControl(int epoll_fd, int operation, int fd, epoll_event* event) = 0;
  // The number of events, 0 when `timeout` (kForever: none) has passed. A kernel before 5.11 rounds up to 1 ms.
  virtual int EpollWait(int epoll_fd, epoll_event* events, int count, Nanos timeout) = 0;

  // Wake-up: an eventfd, adding one to it (the one call that other threads make), and taking what was added: 0 or more,
  // -EAGAIN when nothing was.
  virtual int EventFd() = 0;
  virtual int Signal(int event_fd) = 0;
  virtual int TakeSignals(int event_fd) = 0;
};

// The kernel that this process runs on.
Kernel* RealKernel();

}  // namespace mooring::core

#endif  // MOORING_CORE_KERNEL_H_
