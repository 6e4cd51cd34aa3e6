// SPDX-License-Identifier: Apache-2.0
// Sending: one operation at a time per connection. A first attempt (kTry) carries MSG_DONTWAIT and completes inside the
// enter that submits it; a second one without it stays armed until the socket takes some bytes. Never MSG_WAITALL: it
// hides progress, and pins a kernel worker in the end.
#include <liburing.h>

#include <cassert>

#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

void UringTransport::Send(ConnId id, const iovec* pieces, unsigned count, SendMode mode) {
  assert(count >= 1 && count <= kGatherMax);
  UringArea& area = AreaOf(id);
  assert(!area.Is(UringArea::kSending));
  assert(area.open());
  const int flags = mode == SendMode::kTry ? MSG_DONTWAIT : 0;
  io_uring_sqe* sqe = ring_->NextSqe();
  if (count == 1) {
    io_uring_prep_send(sqe, 0, pieces->iov_base, pieces->iov_len, flags);
  } else {
    io_uring_prep_sendmsg(sqe, 0, gather_.Copy(pieces, count), static_cast<unsigned>(flags));
  }
  Begin(sqe, Op::kSend, id, area);
  area.Set(UringArea::kSending);
  if (mode == SendMode::kTry) {
    area.Set(UringArea::kTrying);
    ++tries_;
  }
  counters_.Add(TransportCount::kSends);
}

}  // namespace mooring::net::uring
