// SPDX-License-Identifier: Apache-2.0
// Accepting whatever comes. A listener of our own has one multishot accept. A multishot one on a socket that other
// shards accept from as well would stay first among its waiters and get everything (600 of 600, measured), so there each
// shard keeps a few one-shot ones, which line up anew after each connection.
#include <liburing.h>

#include <utility>

#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

void UringTransport::ArmMany(ListenerId listener, Listener& l) {
  const unsigned all = l.shared ? (1u << kSharedAccepts) - 1 : 1u;
  if (l.many_armed == all) return;
  for (unsigned i = 0; all >> i != 0; ++i) {
    const auto bit = static_cast<uint8_t>(1u << i);
    if (l.many_armed & bit) continue;
    io_uring_sqe* sqe = ring_->NextSqe();
    io_uring_prep_accept(sqe, l.fd, nullptr, nullptr, 0);
    descriptors_.ForAccept(sqe);
    if (!l.shared) sqe->ioprio |= IORING_ACCEPT_MULTISHOT;
    sqe->user_data = UserData(Op::kAcceptMany, i, listener);
    l.many_armed |= bit;
  }
  l.state = Listener::State::kMany;
}

void UringTransport::CancelMany(ListenerId listener, Listener& l) {
  const unsigned left = l.many_armed & ~l.many_cancelled;
  for (unsigned i = 0; left >> i != 0; ++i) {
    if ((left >> i & 1) != 0) Cancel(UserData(Op::kAcceptMany, i, listener), UserData(Op::kCancel, 0, 0));
  }
  l.many_cancelled = l.many_armed;
}

void UringTransport::OnAcceptMany(const io_uring_cqe& cqe) {
  const auto listener = static_cast<ListenerId>(SlotOf(cqe.user_data));
  Listener& l = listeners_[listener];
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
    const auto others = static_cast<uint8_t>(~(1u << GenerationOf(cqe.user_data)));
    const bool cancelled = l.many_cancelled != 0;
    l.many_armed &= others;
    l.many_cancelled &= others;
    if (l.many_armed == 0) l.state = Listener::State::kIdle;
    if (!cancelled && !l.shared) counters_.Add(TransportCount::kAcceptRearmed);
  }
  if (cqe.res >= 0) {
    descriptors_.Take();
    Accepted(listener, l, cqe.res, false);
  } else if (cqe.res != -ECANCELED) {
    OnAcceptFailure(listener, l, -cqe.res);
  }
}

}  // namespace mooring::net::uring
