// SPDX-License-Identifier: Apache-2.0
// Leaving. A socket that is closed while a receive is armed stays open in the kernel and sends no FIN, so:
//
//   Close: cancel the receive ── its terminal completion, nothing else in flight ──> close ──> OnReleased
//   Abort: CONNECT to AF_UNSPEC (sends RST) and close at once ── all operations end by that ──> OnReleased
//          └ refused (Unix sockets): cancel receive and send; the close takes effect as they end
#include <liburing.h>

#include <cassert>

#include "net/uring/uring_transport.h"

namespace mooring::net::uring {
namespace {

constexpr sockaddr kNobody = {.sa_family = AF_UNSPEC, .sa_data = {}};

}  // namespace

// Behind everything in the queue that names the descriptor.
void UringTransport::CloseHandle(int handle) {
  io_uring_sqe* sqe = ring_->NextSqe();
  descriptors_.PrepareClose(sqe, handle);
  sqe->user_data = UserData(Op::kClose, 0, 0);
}

void UringTransport::ResetAndClose(int handle) {
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_connect(sqe, 0, &kNobody, sizeof(kNobody));
  descriptors_.Name(sqe, handle);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  sqe->user_data = UserData(Op::kRefuse, 0, 0);
  CloseHandle(handle);
}

void UringTransport::Close(ConnId id) {
  UringArea& area = AreaOf(id);
  assert(!area.Is(UringArea::kSending));
  if (area.leaving()) return;
  counters_.Add(TransportCount::kCloses);
  area.generation = id.generation;  // a connection that was never accepted or connected can be closed too
  area.Set(UringArea::kClosing);
  area.Clear(UringArea::kReadWanted | UringArea::kStarved | UringArea::kShutdownQueued);
  CancelReceive(id, area);
  if (area.Is(UringArea::kConnecting)) {
    Cancel(UserData(Op::kConnect, id.generation, id.slot), UserData(Op::kCancel, 0, 0));
  }
  FinishIfIdle(id, area);
}

void UringTransport::Abort(ConnId id) {
  UringArea& area = AreaOf(id);
  if (area.Is(UringArea::kAborting)) return;
  counters_.Add(TransportCount::kAborts);
  area.generation = id.generation;
  area.Set(UringArea::kAborting);
  area.Clear(UringArea::kReadWanted | UringArea::kStarved | UringArea::kShutdownQueued);
  if (area.Is(UringArea::kConnecting)) {
    // Nothing to reset yet. The descriptor is closed when the CONNECT has ended.
    Cancel(UserData(Op::kConnect, id.generation, id.slot), UserData(Op::kCancel, 0, 0));
  } else if (area.open()) {
    io_uring_sqe* sqe = ring_->NextSqe();
    io_uring_prep_connect(sqe, 0, &kNobody, sizeof(kNobody));
    Begin(sqe, Op::kAbort, id, area);
    CloseHandle(area.handle());
    area.handle_plus_one = 0;
  }
  FinishIfIdle(id, area);
}

void UringTransport::OnAbortCompletion(int result, ConnId id, UringArea& area) {
  if (result >= 0) return;  // what is in flight ends with ECONNRESET, ENOTCONN or EPIPE
  counters_.Add(TransportCount::kAbortFallbacks);
  CancelReceive(id, area);
  if (area.Is(UringArea::kSending)) {
    Cancel(UserData(Op::kSend, id.generation, id.slot), UserData(Op::kCancel, 0, 0));
  }
}

void UringTransport::FinishIfIdle(ConnId id, UringArea& area) {
  if (!area.leaving() || area.in_flight != 0 || area.Is(UringArea::kFinished)) return;
  area.Set(UringArea::kFinished);
  if (area.open()) CloseHandle(area.handle());
  area.handle_plus_one = 0;
  pending_.push_back({Pending::Kind::kReleased, 0, id});
}

}  // namespace mooring::net::uring
