// SPDX-License-Identifier: Apache-2.0
// Kernel: every system call that carries connections, behind one seam.
//
// The ring half lets a test put a simulated io_uring under the production Ring: RingSetup fills a liburing `struct
// io_uring` with pointers to whatever memory it likes, and everything above reads and writes submission and completion
// queues through those. The socket half is what listeners, claims and half-close need outside a ring.
//
// Errors:   every call returns a result >= 0, or -errno.
// Threads:  RealKernel is stateless and safe from any thread; a ring belongs to the thread that set it up.
#ifndef MOORING_CORE_KERNEL_H_
#define MOORING_CORE_KERNEL_H_

#include <sys/socket.h>

#include <cstdint>

struct io_uring;
struct io_uring_params;
struct __kernel_timespec;

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

  // Sockets, by plain descriptor.
  virtual int Socket(int family, int type, int protocol) = 0;
  virtual int Bind(int fd, const sockaddr* address, socklen_t size) = 0;
  virtual int Listen(int fd, int backlog) = 0;
  virtual int SetOption(int fd, int level, int name, const void* value, socklen_t size) = 0;
  virtual int GetOption(int fd, int level, int name, void* value, socklen_t* size) = 0;
  virtual int Name(int fd, sockaddr* address, socklen_t* size) = 0;
  virtual int Peer(int fd, sockaddr* address, socklen_t* size) = 0;
  virtual int Accept(int fd) = 0;  // accept4(SOCK_NONBLOCK | SOCK_CLOEXEC)
  virtual int Shutdown(int fd, int how) = 0;
  virtual int Close(int fd) = 0;

  // Wake-up: an eventfd, and adding one to it (the one call that other threads make).
  virtual int EventFd() = 0;
  virtual int Signal(int event_fd) = 0;
};

// The kernel that this process runs on.
Kernel* RealKernel();

}  // namespace mooring::core

#endif  // MOORING_CORE_KERNEL_H_
