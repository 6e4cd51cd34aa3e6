// SPDX-License-Identifier: Apache-2.0
// IORING_OP_RECV of the simulated ring (io_uring/net.c, io_recv and io_recv_finish).
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "tests/sim/sim_ring.h"

namespace mooring::sim {
namespace {

constexpr unsigned kRetriesMax = 32;  // MULTISHOT_MAX_RETRY: one block, then this many more of the same socket

}  // namespace

SimRing::Outcome SimRing::Receive(Request* request, bool first) {
  const io_uring_sqe& sqe = request->sqe;
  const bool multishot = (sqe.ioprio & IORING_RECV_MULTISHOT) != 0;
  const bool select = (sqe.flags & IOSQE_BUFFER_SELECT) != 0;
  SimSocket* socket = Socket(*request);
  if (socket == nullptr) return Done(-ENOTSOCK);
  if (first) {
    if ((sqe.ioprio & ~(IORING_RECV_MULTISHOT | IORING_RECVSEND_POLL_FIRST)) != 0) {
      choices_->Fail("receive with unknown flags %#x", sqe.ioprio);
    }
    if ((sqe.msg_flags & ~static_cast<unsigned>(MSG_DONTWAIT)) != 0) {
      choices_->Fail("receive with unknown message flags %#x", sqe.msg_flags);
    }
    if (multishot && (!select || sqe.len != 0)) {
      choices_->Fail("a multishot receive needs a buffer group, and before 6.17 a length of 0");
    }
    if (socket->reader != nullptr)
      choices_->Fail("two receives are armed on one socket (user_data %#llx is the second)", sqe.user_data);
    socket->reader = request;
    CheckZero(*request, "off", sqe.off);
    CheckZero(*request, "file_index", sqe.file_index);
    if ((sqe.ioprio & IORING_RECVSEND_POLL_FIRST) != 0) return Wait();
  }
  if (const int fault = socket->Fault(FaultSite::kReceive); fault != 0) return Done(fault);

  for (unsigned retries = 0;; ++retries) {
    void* to = reinterpret_cast<void*>(sqe.addr);
    size_t room = sqe.len;
    io_uring_buf block = {};
    BufferGroup* group = nullptr;
    if (select) {
      const auto found = groups_.find(sqe.buf_group);
      if (found == groups_.end())
        choices_->Fail("receive from buffer group %u, which is not registered", sqe.buf_group);
      group = &found->second;
      // A block is looked for before the socket is: an empty group hides bytes, FIN and errors alike.
      if (!group->Peek(&block)) return Done(-ENOBUFS);
      to = reinterpret_cast<void*>(block.addr);
      room = sqe.len == 0 ? block.len : std::min(sqe.len, block.len);
    }
    // Fewer bytes than there are: the others came a moment later.
    if (socket->readable() > 0) room = choices_->ReceiveChunk(std::min(room, socket->readable()));
    const int result = socket->Receive(to, room);
    if (result == -EAGAIN) return (sqe.msg_flags & MSG_DONTWAIT) != 0 ? Done(-EAGAIN) : Wait();
    const bool more_waiting = socket->readable() > 0 || socket->fin_received();
    uint32_t flags = more_waiting ? IORING_CQE_F_SOCK_NONEMPTY : 0;
    if (result <= 0) return Done(result, result == 0 ? flags : 0);
    if (select) {
      group->Take();
      flags |= IORING_CQE_F_BUFFER | static_cast<uint32_t>(block.bid) << IORING_CQE_BUFFER_SHIFT;
    }
    if (!multishot || !PostMore(*request, result, flags)) return Done(result, flags);
    if (!more_waiting) return Wait();
    // 6.1 has no bound: it goes on until the socket or the group is empty.
    if (retries == kRetriesMax && !old()) return Again();
    if (choices_->Chance(5)) {
      request->wakes += 2;  // as if the rest, and what is behind it, had come a moment later: each with a wake-up
      return Again();
    }
  }
}

}  // namespace mooring::sim
