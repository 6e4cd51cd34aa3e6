// SPDX-License-Identifier: Apache-2.0
// Questions to a socket. A direct one has no descriptor for getpeername(2) or ioctl(2): URING_CMD, completed inline.
#include <liburing.h>

#include <cassert>
#include <cerrno>

#include "alloc/poison.h"
#include "core/uapi.h"
#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

void UringTransport::AskPeer(ConnId id) {
  UringArea& area = AreaOf(id);
  // Unix sockets have no name worth asking for, and another size of it. Plain ones are asked on the way out.
  if (!area.open() || area.Is(UringArea::kUnix) || !descriptors_.direct()) {
    pending_.push_back({Pending::Kind::kPeer, 0, id});
    return;
  }
  assert(area.scratch_plus_one == 0);
  area.scratch_plus_one = TakeScratch() + 1;
  Scratch& scratch = scratch_[area.scratch_plus_one - 1];
  io_uring_sqe* sqe = ring_->NextSqe();
  sqe->opcode = IORING_OP_URING_CMD;
  sqe->cmd_op = core::uapi::kSocketGetOption;
  // level and optname are the two halves of addr, optlen is file_index, optval is addr3 (include/uapi/linux/io_uring.h).
  sqe->addr = uint64_t{SOL_SOCKET} | uint64_t{SO_PEERNAME} << 32;
  sqe->addr3 = reinterpret_cast<uint64_t>(scratch.address.get());
  // Exactly the family's size: a larger one is EINVAL for IPv4, a smaller one cuts IPv6.
  sqe->file_index = area.Is(UringArea::kIpv6) ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  Begin(sqe, Op::kPeer, id, area);
  alloc::Lend(&scratch, sizeof(scratch));
}

// The answer to a question that took no operation.
Address UringTransport::PlainPeer(const UringArea& area) {
  Address peer;
  if (!area.open() || area.Is(UringArea::kUnix)) return peer;
  socklen_t size = Address::kSizeMax;
  if (kernel_->Peer(area.handle(), peer.get(), &size) >= 0) return peer;
  counters_.Add(TransportCount::kCommandErrors);
  return Address();
}

void UringTransport::AskOutQueue(ConnId id) {
  UringArea& area = AreaOf(id);
  if (!area.open() || !descriptors_.direct()) {
    const int result = area.open() ? kernel_->OutQueue(area.handle()) : -ENOTCONN;
    if (result < 0) counters_.Add(TransportCount::kCommandErrors);
    pending_.push_back({Pending::Kind::kOutQueue, result, id});
    return;
  }
  io_uring_sqe* sqe = ring_->NextSqe();
  sqe->opcode = IORING_OP_URING_CMD;
  sqe->cmd_op = core::uapi::kSocketOutQueue;
  Begin(sqe, Op::kOutQueue, id, area);
}

}  // namespace mooring::net::uring
