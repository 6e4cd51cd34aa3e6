// SPDX-License-Identifier: Apache-2.0
// Accepting. A full direct table costs the connection that it cannot place, so multishot accept, which takes whatever
// comes, is armed only while free slots exceed twice all backlogs. Near a bound connections are taken one by one:
//
//   kIdle ── roomy ──> kMultishot ── cancelled, or ended by itself ──> kIdle
//   kIdle ── near ──> kPolling ── readable: credit and a slot ──> kAccepting ── next one, or nothing there ──> kIdle
//
// Steer, before the enter, brings each listener to what it should do and makes no upcall; what needs one (credit)
// happens in Poll's second half.
#include <liburing.h>
#include <poll.h>

#include <cassert>
#include <cerrno>

#include "core/uapi.h"
#include "net/accept_error.h"
#include "net/refuse_new.h"
#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

void UringTransport::Listen(ListenerId listener, int listen_fd, int backlog, bool shared) {
  while (listeners_.size() <= listener) listeners_.emplace_back();
  Listener& l = listeners_[listener];
  assert(l.fd < 0);
  l = {};
  l.fd = listen_fd;
  l.backlog = backlog;
  socklen_t size = sizeof(l.family);
  if (kernel_->GetOption(listen_fd, SOL_SOCKET, SO_DOMAIN, &l.family, &size) < 0) l.family = AF_INET;
  backlogs_ += backlog;
}

void UringTransport::SetAcceptMode(ListenerId listener, AcceptMode mode) {
  Listener& l = listeners_[listener];
  l.mode = mode;
  l.halted = false;
}

void UringTransport::RefuseNew(ListenerId listener) {
  const Listener& l = listeners_[listener];
  if (l.fd < 0) return;
  const int result = net::RefuseNew(kernel_, l.fd, l.family);
  if (result < 0) counters_.Add(TransportCount::kRefuseNewErrors);
}

void UringTransport::StopAccept(ListenerId listener, bool empty_queue) {
  Listener& l = listeners_[listener];
  if (l.fd < 0) return;
  l.empty_queue = empty_queue && (!l.stopping || l.empty_queue);
  l.stopping = true;
}

void UringTransport::JudgeRoom() {
  const int64_t bound = 2 * int64_t{backlogs_};
  const bool roomy = int64_t{FreeSlots()} > (roomy_ ? bound : bound + backlogs_ / 4);
  if (roomy == roomy_) return;
  roomy_ = roomy;
  counters_.Add(TransportCount::kAcceptModeChanges);
}

bool UringTransport::MayAccept(const Listener& l) const {
  return l.mode != AcceptMode::kStopped && !l.halted && (!l.stopping || l.empty_queue);
}

void UringTransport::Steer(ListenerId listener, Listener& l) {
  if (l.fd < 0) return;
  const bool may = MayAccept(l);
  const bool many = may && !l.stopping && roomy_ && l.mode == AcceptMode::kRoomy;
  switch (l.state) {
    case Listener::State::kMultishot:
      if (!many && !std::exchange(l.cancelled, true)) {
        Cancel(UserData(Op::kAcceptMany, 0, listener), UserData(Op::kCancel, 0, 0));
      }
      return;
    case Listener::State::kPolling:
      if ((!may || many || l.stopping) && !std::exchange(l.cancelled, true)) {
        Cancel(UserData(Op::kListenPoll, 0, listener), UserData(Op::kCancel, 0, 0));
      }
      return;
    case Listener::State::kAccepting: return;  // ends by itself
    case Listener::State::kIdle: break;
  }

  if (l.stopping && !l.empty_queue) {
    if (l.parked != 0) return;
    kernel_->Close(std::exchange(l.fd, -1));
    backlogs_ -= l.backlog;
    pending_.push_back({Pending::Kind::kAcceptStopped, 0, {listener, 0}});
    return;
  }
  if (!may) return;
  if (many) {
    io_uring_sqe* sqe = ring_->NextSqe();
    io_uring_prep_multishot_accept_direct(sqe, l.fd, nullptr, nullptr, 0);
    sqe->user_data = UserData(Op::kAcceptMany, 0, listener);
    l.state = Listener::State::kMultishot;
    return;
  }
  if (FreeSlots() == 0) return;  // a connection that leaves brings us here again
  if (l.stopping) {
    l.try_now = true;
    return;
  }
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_poll_add(sqe, l.fd, POLLIN);
  sqe->user_data = UserData(Op::kListenPoll, 0, listener);
  l.state = Listener::State::kPolling;
}

// Takes credit and a slot first, so that bounds are exact; both go back when there was nothing to accept.
void UringTransport::AcceptOne(ListenerId listener, Listener& l) {
  assert(l.state == Listener::State::kIdle);
  if (!MayAccept(l) || FreeSlots() == 0) return;
  l.credit_taken = l.mode == AcceptMode::kNear;
  if (l.credit_taken && !events_->TakeCredit(listener)) {
    l.credit_taken = false;
    l.halted = true;
    return;
  }
  ++slots_used_;
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_accept(sqe, l.fd, nullptr, nullptr, 0);
  sqe->ioprio = core::uapi::kAcceptDontWait;
  sqe->file_index = IORING_FILE_INDEX_ALLOC;  // by hand: liburing 2.3's accept_direct adds one, which makes it 0
  sqe->user_data = UserData(Op::kAcceptOne, 0, listener);
  l.state = Listener::State::kAccepting;
}

void UringTransport::OnAcceptMany(const io_uring_cqe& cqe) {
  const auto listener = static_cast<ListenerId>(SlotOf(cqe.user_data));
  Listener& l = listeners_[listener];
  const bool ended = (cqe.flags & IORING_CQE_F_MORE) == 0;
  if (ended) {
    l.state = Listener::State::kIdle;
    if (!std::exchange(l.cancelled, false)) counters_.Add(TransportCount::kAcceptRearmed);
  }
  if (cqe.res >= 0) {
    ++slots_used_;
    Accepted(listener, l, static_cast<uint32_t>(cqe.res), false);
  } else if (cqe.res != -ECANCELED) {
    OnAcceptFailure(listener, l, -cqe.res);
  }
}

void UringTransport::OnListenPoll(const io_uring_cqe& cqe) {
  const auto listener = static_cast<ListenerId>(SlotOf(cqe.user_data));
  Listener& l = listeners_[listener];
  l.state = Listener::State::kIdle;
  l.cancelled = false;
  if (cqe.res < 0) {
    if (cqe.res != -ECANCELED) OnAcceptFailure(listener, l, -cqe.res);
    return;
  }
  if (!(roomy_ && l.mode == AcceptMode::kRoomy) || l.stopping) AcceptOne(listener, l);
}

void UringTransport::OnAcceptOne(const io_uring_cqe& cqe) {
  const auto listener = static_cast<ListenerId>(SlotOf(cqe.user_data));
  Listener& l = listeners_[listener];
  l.state = Listener::State::kIdle;
  const bool credit_taken = std::exchange(l.credit_taken, false);
  if (cqe.res >= 0) {
    counters_.Add(TransportCount::kAcceptsNear);
    Accepted(listener, l, static_cast<uint32_t>(cqe.res), credit_taken);
    // The next one at once, without a poll, as long as there is room for it in this turn.
    const bool many = roomy_ && l.mode == AcceptMode::kRoomy && !l.stopping;
    if (!many && parked_.empty() && l.state == Listener::State::kIdle) AcceptOne(listener, l);
    return;
  }
  --slots_used_;
  if (credit_taken) events_->ReturnCredit(listener);
  if (cqe.res == -EAGAIN) {
    l.empty_queue = false;  // if stopping: it is empty now
  } else {
    OnAcceptFailure(listener, l, -cqe.res);
  }
}

void UringTransport::OnAcceptFailure(ListenerId listener, Listener& l, int error) {
  if (Classify(error) == AcceptError::kTransient) {
    counters_.Add(TransportCount::kAcceptTransient);
    return;
  }
  if (error == ENFILE && FreeSlots() == 0) counters_.Add(TransportCount::kAcceptTableFull);
  counters_.Add(TransportCount::kAcceptErrors);
  l.halted = true;
  events_->OnAcceptError(listener, error);
}

void UringTransport::Accepted(ListenerId listener, Listener& l, uint32_t direct, bool credit_taken) {
  counters_.Add(TransportCount::kAccepts);
  if (accepts_left_ == 0 || !parked_.empty()) {
    counters_.Add(TransportCount::kAcceptsParked);
    ++l.parked;
    parked_.push_back({listener, credit_taken, direct});
    return;
  }
  DeliverAccept(listener, l, direct, credit_taken);
}

void UringTransport::DeliverParked() {
  while (!parked_.empty() && accepts_left_ > 0) {
    const Parked next = parked_.front();
    parked_.pop_front();
    Listener& l = listeners_[next.listener];
    --l.parked;
    DeliverAccept(next.listener, l, next.direct, next.credit_taken);
  }
}

void UringTransport::DeliverAccept(ListenerId listener, const Listener& l, uint32_t direct, bool credit_taken) {
  --accepts_left_;
  const ConnId id = events_->OnAccept(listener, credit_taken);
  if (id == kNoConn) {
    counters_.Add(TransportCount::kAcceptsRefused);
    ResetAndClose(static_cast<int>(direct));
    return;
  }
  UringArea& area = AreaOf(id);
  area.generation = id.generation;
  area.direct_plus_one = direct + 1;
  area.Set(UringArea::kReadWanted);
  if (l.family == AF_INET6) area.Set(UringArea::kIpv6);
  ArmReceive(id, area);
  events_->OnOpen(id);
}

}  // namespace mooring::net::uring
