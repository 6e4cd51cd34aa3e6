// SPDX-License-Identifier: Apache-2.0
// Accepting one by one, near a bound and to empty the queue of a listener that stops. Credit and a descriptor are taken
// first, so that bounds are exact; both go back when there was nobody to accept.
//
// Direct descriptors: an operation with ACCEPT_DONTWAIT, whose completion tries the next. Plain ones: accept4(2), since
// before 6.10 the operation would wait.
#include <liburing.h>
#include <poll.h>

#include <cassert>
#include <cerrno>
#include <utility>

#include "core/uapi.h"
#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

void UringTransport::ArmListenPoll(ListenerId listener, Listener& l) {
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_poll_add(sqe, l.fd, POLLIN);
  sqe->user_data = UserData(Op::kListenPoll, 0, listener);
  l.state = Listener::State::kPolling;
}

void UringTransport::OnListenPoll(const io_uring_cqe& cqe) {
  const auto listener = static_cast<ListenerId>(SlotOf(cqe.user_data));
  Listener& l = listeners_[listener];
  l.state = Listener::State::kIdle;
  l.poll_cancelled = false;
  if (cqe.res < 0) {
    if (cqe.res != -ECANCELED) OnAcceptFailure(listener, l, -cqe.res);
    return;
  }
  if (!MayAcceptMany(l)) AcceptOne(listener, l);
}

bool UringTransport::TakeForOne(ListenerId listener, Listener& l) {
  assert(l.state == Listener::State::kIdle);
  if (!MayAccept(l) || descriptors_.free_now() == 0) return false;
  l.credit_taken = l.mode == AcceptMode::kNear;
  if (l.credit_taken && !events_->TakeCredit(listener)) {
    l.credit_taken = false;
    l.halted = true;
    return false;
  }
  descriptors_.Take();
  return true;
}

void UringTransport::AcceptOne(ListenerId listener, Listener& l) {
  while (TakeForOne(listener, l)) {
    if (descriptors_.direct()) {
      io_uring_sqe* sqe = ring_->NextSqe();
      io_uring_prep_accept(sqe, l.fd, nullptr, nullptr, 0);
      descriptors_.ForAccept(sqe);
      sqe->ioprio = core::uapi::kAcceptDontWait;
      sqe->user_data = UserData(Op::kAcceptOne, 0, listener);
      l.state = Listener::State::kAccepting;
      return;
    }
    if (!FinishOne(listener, l, kernel_->Accept(l.fd))) return;
  }
}

void UringTransport::OnAcceptOne(const io_uring_cqe& cqe) {
  const auto listener = static_cast<ListenerId>(SlotOf(cqe.user_data));
  Listener& l = listeners_[listener];
  l.state = Listener::State::kIdle;
  if (FinishOne(listener, l, cqe.res)) AcceptOne(listener, l);
}

// True when the next one is to be tried at once, without a poll: as long as there is room for it in this Poll.
bool UringTransport::FinishOne(ListenerId listener, Listener& l, int result) {
  const bool credit_taken = std::exchange(l.credit_taken, false);
  if (result >= 0) {
    counters_.Add(TransportCount::kAcceptsNear);
    Accepted(listener, l, result, credit_taken);
    return !MayAcceptMany(l) && parked_.empty() && l.state == Listener::State::kIdle;
  }
  descriptors_.GiveBack();
  if (credit_taken) events_->ReturnCredit(listener);
  if (result == -EAGAIN) {
    l.empty_queue = false;  // if stopping: it is empty now
  } else {
    OnAcceptFailure(listener, l, -result);
  }
  return false;
}

}  // namespace mooring::net::uring
