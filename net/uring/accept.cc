// SPDX-License-Identifier: Apache-2.0
// Accepting. A full direct table costs the connection that it cannot place, so accepts that take whatever comes are
// armed only while free descriptors exceed twice all backlogs. Near a bound connections are taken one by one:
//
//   kIdle ── roomy ──> kMany ── all cancelled, or ended by themselves ──> kIdle
//   kIdle ── near ──> kPolling ── readable: credit and a descriptor ──> kAccepting ── next one, or nothing ──> kIdle
//
// Steer, before the enter, brings each listener to what it should do and makes no upcall; what needs one (credit)
// happens in Poll's second half. The two ways are in accept_many.cc and accept_near.cc, what becomes of a connection in
// accepted.cc.
#include <liburing.h>

#include <algorithm>
#include <cassert>

#include "net/refuse_new.h"
#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

void UringTransport::Listen(ListenerId listener, int listen_fd, int backlog, bool shared) {
  while (listeners_.size() <= listener) listeners_.emplace_back();
  Listener& l = listeners_[listener];
  assert(l.fd < 0);
  l = {};
  l.fd = listen_fd;
  l.shared = shared;
  l.room = shared ? std::max(backlog, int{kSharedAccepts}) : backlog;
  socklen_t size = sizeof(l.family);
  if (kernel_->GetOption(listen_fd, SOL_SOCKET, SO_DOMAIN, &l.family, &size) < 0) l.family = AF_INET;
  rooms_ += l.room;
}

void UringTransport::SetAcceptMode(ListenerId listener, AcceptMode mode) {
  Listener& l = listeners_[listener];
  l.mode = mode;
  l.halted = false;
}

void UringTransport::RefuseNew(ListenerId listener) {
  const Listener& l = listeners_[listener];
  if (l.fd < 0 || l.shared) return;
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
  const int64_t bound = 2 * int64_t{rooms_};
  const bool roomy = int64_t{descriptors_.free()} > (roomy_ ? bound : bound + rooms_ / 4);
  if (roomy == roomy_) return;
  roomy_ = roomy;
  counters_.Add(TransportCount::kAcceptModeChanges);
}

bool UringTransport::MayAccept(const Listener& l) const {
  return l.mode != AcceptMode::kStopped && !l.halted && (!l.stopping || l.empty_queue);
}

bool UringTransport::MayAcceptMany(const Listener& l) const {
  return MayAccept(l) && !l.stopping && roomy_ && l.mode == AcceptMode::kRoomy;
}

void UringTransport::Steer(ListenerId listener, Listener& l) {
  if (l.fd < 0) return;
  const bool may = MayAccept(l);
  const bool many = MayAcceptMany(l);
  switch (l.state) {
    case Listener::State::kMany: return many ? ArmMany(listener, l) : CancelMany(listener, l);
    case Listener::State::kPolling:
      if ((!may || many || l.stopping) && !std::exchange(l.poll_cancelled, true)) {
        Cancel(UserData(Op::kListenPoll, 0, listener), UserData(Op::kCancel, 0, 0));
      }
      return;
    case Listener::State::kAccepting: return;  // ends by itself
    case Listener::State::kIdle: break;
  }

  if (l.stopping && !l.empty_queue) {
    if (l.parked != 0) return;
    kernel_->Close(std::exchange(l.fd, -1));
    rooms_ -= l.room;
    pending_.push_back({Pending::Kind::kAcceptStopped, 0, {listener, 0}});
    return;
  }
  if (!may) return;
  if (many) return ArmMany(listener, l);
  if (descriptors_.free() == 0) return;  // a connection that leaves brings us here again
  if (l.stopping) {
    l.try_now = true;
    return;
  }
  ArmListenPoll(listener, l);
}

}  // namespace mooring::net::uring
