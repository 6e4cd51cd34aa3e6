// SPDX-License-Identifier: Apache-2.0
// Questions to a direct socket, which has no descriptor for getpeername(2) or ioctl(2): URING_CMD, completed inline.
#include <liburing.h>

#include <cassert>
#include <cerrno>

#include "core/uapi.h"
#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

void UringTransport::AskPeer(ConnId id) {
  UringArea& area = AreaOf(id);
  if (!area.open()) {
    pending_.push_back({Pending::Kind::kPeer, 0, id});
    return;
  }
  assert(area.scratch_plus_one == 0);
  area.scratch_plus_one = TakeScratch() + 1;
  Scratch& scratch = scratch_[area.scratch_plus_one - 1];
  io_uring_sqe* sqe = ring_->NextSqe();
  sqe->opcode = IORING_OP_URING_CMD;
  sqe->fd = area.direct();
  sqe->cmd_op = core::uapi::kSocketGetOption;
  // level and optname are the two halves of addr, optlen is file_index, optval is addr3 (include/uapi/linux/io_uring.h).
  sqe->addr = uint64_t{SOL_SOCKET} | uint64_t{SO_PEERNAME} << 32;
  sqe->addr3 = reinterpret_cast<uint64_t>(scratch.address.get());
  // Exactly the family's size: a larger one is EINVAL for IPv4, a smaller one cuts IPv6.
  sqe->file_index = area.Is(UringArea::kIpv6) ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  Begin(sqe, Op::kPeer, id, area);
}

void UringTransport::AskOutQueue(ConnId id) {
  UringArea& area = AreaOf(id);
  if (!area.open()) {
    pending_.push_back({Pending::Kind::kOutQueue, -ENOTCONN, id});
    return;
  }
  io_uring_sqe* sqe = ring_->NextSqe();
  sqe->opcode = IORING_OP_URING_CMD;
  sqe->fd = area.direct();
  sqe->cmd_op = core::uapi::kSocketOutQueue;
  Begin(sqe, Op::kOutQueue, id, area);
}

}  // namespace mooring::net::uring
