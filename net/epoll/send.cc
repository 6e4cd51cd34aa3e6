// SPDX-License-Identifier: Apache-2.0
// Sending: sendmsg(2) inside the downcall, its result told by the next Poll. A kWait send that finds no room keeps its
// pieces and is tried again when an event says there is some. The attempt that failed is what makes the kernel say so
// (it sets SOCK_NOSPACE), so the edge cannot have come before it.
#include <algorithm>
#include <cassert>
#include <cerrno>

#include "net/epoll/epoll_transport.h"

namespace mooring::net::epoll {

void EpollTransport::Send(ConnId id, const iovec* pieces, unsigned count, SendMode mode) {
  assert(count >= 1 && count <= kGatherMax);
  EpollArea& area = AreaOf(id);
  assert(!area.Is(EpollArea::kSending));
  assert(area.open());
  counters_.Add(TransportCount::kSends);
  area.Set(EpollArea::kSending);
  int result = kernel_->Send(area.fd(), pieces, count);
  if (result == -EAGAIN || result == -EINTR) {
    if (mode == SendMode::kTry) {
      counters_.Add(TransportCount::kSendsBlocked);
      result = 0;
    } else {
      result = Block(area, pieces, count);
      if (result == 0) return;
    }
  }
  Later(Pending::Kind::kSend, result, id);
}

// 0, or -ENOMEM.
int EpollTransport::Block(EpollArea& area, const iovec* pieces, unsigned count) {
  counters_.Add(TransportCount::kSendsWaited);
  if (count == 1) {
    area.piece = *pieces;
  } else {
    alloc::Block* block = shard_->buffers().Acquire(static_cast<uint32_t>(count * sizeof(iovec)));
    if (block == nullptr) return -ENOMEM;
    std::copy_n(pieces, count, reinterpret_cast<iovec*>(block->data));
    area.pieces = block;
  }
  area.piece_count = static_cast<uint16_t>(count);
  area.Set(EpollArea::kSendBlocked);
  return 0;
}

void EpollTransport::SendAgain(ConnId id, EpollArea& area) {
  const iovec* pieces = area.piece_count == 1 ? &area.piece : reinterpret_cast<const iovec*>(area.pieces->data);
  const int result = kernel_->Send(area.fd(), pieces, area.piece_count);
  if (result == -EAGAIN) return;
  Unblock(area);
  area.Clear(EpollArea::kSending);
  events_->OnSend(id, result);
}

void EpollTransport::Unblock(EpollArea& area) {
  if (area.piece_count > 1) shard_->buffers().Release(area.pieces);
  area.piece = {};
  area.piece_count = 0;
  area.Clear(EpollArea::kSendBlocked);
}

}  // namespace mooring::net::epoll
