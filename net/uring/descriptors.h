// SPDX-License-Identifier: Apache-2.0
// Descriptors: what names a shard's connections to the kernel, and how many there may be.
//
//   direct: slots of the ring's own table. They count per ring; a full table would kill the connection it cannot place.
//   plain:  descriptors of the process, closed by the ring too, so that a number is not used again before the entries
//           that still name it have run. The bound is only a count then; RLIMIT_NOFILE shows as EMFILE.
//
// Threads:  one shard.
// Owns:     the plain descriptors, until their CLOSE is in the queue. Direct ones go with the ring.
#ifndef MOORING_NET_URING_DESCRIPTORS_H_
#define MOORING_NET_URING_DESCRIPTORS_H_

#include <liburing.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/kernel.h"

namespace mooring::net::uring {

class Descriptors {
 public:
  Descriptors(bool direct, uint32_t max) : direct_(direct), max_(max) {}
  Descriptors(const Descriptors&) = delete;

  bool direct() const { return direct_; }
  uint32_t max() const { return max_; }
  // For what the queue runs behind the CLOSEs that are in it.
  uint32_t free() const { return max_ - used_; }
  // For a call that is made at once.
  uint32_t free_now() const { return free() - std::min(free(), closing_); }

  // One is (about to be) taken, by an operation or a call that may still fail: then it is given back.
  void Take() { ++used_; }
  void GiveBack() { --used_; }
  // The one that was taken is `handle`.
  void Opened(int handle) {
    if (direct_) return;
    const auto at = static_cast<size_t>(handle);
    if (open_.size() <= at) open_.resize(at + 1);
    open_[at] = true;
  }

  // Makes `sqe`, after liburing's prep, name a connection's socket.
  void Name(io_uring_sqe* sqe, int handle) const {
    sqe->fd = handle;
    if (direct_) sqe->flags |= IOSQE_FIXED_FILE;
  }
  // Makes `sqe`, after io_uring_prep_accept, give what it accepts a descriptor of this kind.
  void ForAccept(io_uring_sqe* sqe) const {
    if (direct_) {
      sqe->file_index = IORING_FILE_INDEX_ALLOC;  // by hand: liburing 2.3's accept_direct adds one, which makes it 0
    } else {
      sqe->accept_flags = SOCK_CLOEXEC;  // EINVAL with direct ones
    }
  }
  // Makes `sqe` close `handle`, which is free before any later entry of the queue runs. Silent when it succeeds.
  void PrepareClose(io_uring_sqe* sqe, int handle) {
    if (direct_) {
      io_uring_prep_close_direct(sqe, static_cast<unsigned>(handle));
    } else {
      io_uring_prep_close(sqe, handle);
      ++closing_;
      open_[static_cast<size_t>(handle)] = false;
    }
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    --used_;
  }

  // The queue has been submitted to its end.
  void Submitted() { closing_ = 0; }

  // What the ring, which is gone, has not closed.
  void CloseAll(core::Kernel* kernel) {
    for (size_t fd = 0; fd < open_.size(); ++fd) {
      if (open_[fd]) kernel->Close(static_cast<int>(fd));
    }
    open_.clear();
  }

 private:
  const bool direct_;
  const uint32_t max_;
  uint32_t used_ = 0;       // connections, parked accepts, accepts and connects under way
  uint32_t closing_ = 0;    // plain ones whose CLOSE is in the queue
  std::vector<bool> open_;  // by number; plain ones only
};

}  // namespace mooring::net::uring

#endif  // MOORING_NET_URING_DESCRIPTORS_H_
