// SPDX-License-Identifier: Apache-2.0
// What becomes of a connection that was accepted, and of an accept that failed. Connections past the bound of one Poll
// are parked, and come first in the next.
#include <cerrno>

#include "net/accept_error.h"
#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

void UringTransport::OnAcceptFailure(ListenerId listener, Listener& l, int error) {
  if (Classify(error) == AcceptError::kTransient) {
    counters_.Add(TransportCount::kAcceptTransient);
    return;
  }
  if (error == ENFILE && descriptors_.direct() && descriptors_.free() == 0) {
    counters_.Add(TransportCount::kAcceptTableFull);
  }
  counters_.Add(TransportCount::kAcceptErrors);
  l.halted = true;
  events_->OnAcceptError(listener, error);
}

void UringTransport::Accepted(ListenerId listener, Listener& l, int handle, bool credit_taken) {
  counters_.Add(TransportCount::kAccepts);
  descriptors_.Opened(handle);
  if (accepts_left_ == 0 || !parked_.empty()) {
    counters_.Add(TransportCount::kAcceptsParked);
    ++l.parked;
    parked_.push_back({listener, credit_taken, handle});
    return;
  }
  DeliverAccept(listener, l, handle, credit_taken);
}

void UringTransport::DeliverParked() {
  while (!parked_.empty() && accepts_left_ > 0) {
    const Parked next = parked_.front();
    parked_.pop_front();
    Listener& l = listeners_[next.listener];
    --l.parked;
    DeliverAccept(next.listener, l, next.handle, next.credit_taken);
  }
}

void UringTransport::DeliverAccept(ListenerId listener, const Listener& l, int handle, bool credit_taken) {
  --accepts_left_;
  const ConnId id = events_->OnAccept(listener, credit_taken);
  if (id == kNoConn) {
    counters_.Add(TransportCount::kAcceptsRefused);
    ResetAndClose(handle);
    return;
  }
  UringArea& area = AreaOf(id);
  area.generation = id.generation;
  area.handle_plus_one = static_cast<uint32_t>(handle) + 1;
  area.Set(UringArea::kReadWanted);
  if (l.family == AF_INET6) area.Set(UringArea::kIpv6);
  if (l.family == AF_UNIX) area.Set(UringArea::kUnix);
  ArmReceive(id, area, /*data_there=*/false);
  events_->OnOpen(id);
}

}  // namespace mooring::net::uring
