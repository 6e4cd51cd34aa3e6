// SPDX-License-Identifier: Apache-2.0
// IORING_OP_ACCEPT of the simulated ring (io_uring/net.c, io_accept).
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "core/uapi.h"
#include "tests/sim/sim_ring.h"
#include "tests/sim/user_memory.h"

namespace mooring::sim {

SimRing::Outcome SimRing::Accept(Request* request, bool first) {
  const io_uring_sqe& sqe = request->sqe;
  const bool multishot = (sqe.ioprio & IORING_ACCEPT_MULTISHOT) != 0;
  const bool dont_wait = (sqe.ioprio & core::uapi::kAcceptDontWait) != 0;
  const bool direct = sqe.file_index == IORING_FILE_INDEX_ALLOC;
  if (first) {
    if (dont_wait && old()) return Done(-EINVAL);
    if ((sqe.ioprio & ~(IORING_ACCEPT_MULTISHOT | core::uapi::kAcceptDontWait)) != 0) {
      choices_->Fail("accept with unknown flags %#x", sqe.ioprio);
    }
    if (!direct && sqe.file_index != 0)
      choices_->Fail("accept into chosen slot %u is not simulated", sqe.file_index - 1);
    if (direct && (sqe.accept_flags & SOCK_CLOEXEC) != 0) return Done(-EINVAL);
    if (multishot && sqe.addr != 0) choices_->Fail("a multishot accept has one place for all its peers' addresses");
    CheckZero(*request, "len", sqe.len);
  }
  SimSocket* listener = Socket(*request);
  if (listener == nullptr) return Done(-ENOTSOCK);

  for (;;) {
    // A plain descriptor is reserved before the connection is taken, a direct slot after it: so EMFILE leaves the
    // connection in the queue, and ENFILE loses it (filetable.c, io_fixed_fd_install).
    if (!direct && descriptors_->Full()) return Done(-EMFILE);
    std::shared_ptr<SimSocket> accepted;
    const int fault = choices_->Fault(FaultSite::kAccept, listener);
    const bool takes_one = fault == ECONNABORTED || (direct && fault == ENFILE);
    if (fault != 0 && !takes_one) return Done(-fault);
    const int result = listener->Accept(&accepted);
    if (fault != 0 && result == 0) {  // the connection is taken, and ends
      counts_.accepts_lost += fault == ENFILE ? 1 : 0;
      accepted->MarkFaulted();
      OpenFile closing(std::move(accepted));
      return Done(-fault);
    }
    if (result == -EAGAIN) {
      if (dont_wait) return Done(-EAGAIN);
      return Wait();
    }
    if (result < 0) return Done(result);
    if (sqe.addr != 0) {
      sockaddr_storage peer;
      const socklen_t size = accepted->remote().ToSockaddr(accepted->family(), &peer);
      auto* room = reinterpret_cast<socklen_t*>(sqe.addr2);
      CopyToUser(reinterpret_cast<void*>(sqe.addr), &peer, std::min(*room, size));
      *room = size;
    }
    auto file = std::make_shared<OpenFile>(std::move(accepted));
    const int slot = direct ? table_.Install(std::move(file)) : descriptors_->Install(std::move(file));
    if (slot < 0) {
      if (direct && !full_table_allowed_) {
        choices_->Fail("the direct table (%zu slots) overflowed: the accepted connection is lost", table_.size());
      }
      return Done(slot);
    }
    const uint32_t more_waiting = listener->accept_queue() > 0 && !old() ? IORING_CQE_F_SOCK_NONEMPTY : 0;
    if (!multishot || !PostMore(*request, slot, more_waiting)) return Done(slot, more_waiting);
  }
}

}  // namespace mooring::sim
