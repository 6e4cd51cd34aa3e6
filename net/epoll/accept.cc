// SPDX-License-Identifier: Apache-2.0
// Accepting. A listener is in the epoll instance, level-triggered, as long as it may accept; what one Poll does not take
// is told again by the next. One that is stopping is no longer waited for but emptied, Poll by Poll.
//
// A listener that all shards share is told to each of them. Not EPOLLEXCLUSIVE: it wakes the first shard that sleeps, so
// that one gets nearly all, and a wake-up spent on a shard that then fills up in mid-queue is lost to the others.
#include <sys/epoll.h>

#include <cassert>
#include <cerrno>
#include <utility>

#include "net/accept_error.h"
#include "net/epoll/epoll_transport.h"
#include "net/refuse_new.h"

namespace mooring::net::epoll {

void EpollTransport::Listen(ListenerId listener, int listen_fd, int, bool shared) {
  while (listeners_.size() <= listener) listeners_.emplace_back();
  Listener& l = listeners_[listener];
  assert(l.fd < 0);
  l = {};
  l.fd = listen_fd;
  l.shared = shared;
  socklen_t size = sizeof(l.family);
  if (kernel_->GetOption(listen_fd, SOL_SOCKET, SO_DOMAIN, &l.family, &size) < 0) l.family = AF_INET;
}

void EpollTransport::SetAcceptMode(ListenerId listener, AcceptMode mode) {
  Listener& l = listeners_[listener];
  l.mode = mode;
  l.halted = false;
}

void EpollTransport::RefuseNew(ListenerId listener) {
  const Listener& l = listeners_[listener];
  if (l.fd < 0 || l.shared) return;
  if (net::RefuseNew(kernel_, l.fd, l.family) < 0) counters_.Add(TransportCount::kRefuseNewErrors);
}

void EpollTransport::StopAccept(ListenerId listener, bool empty_queue) {
  Listener& l = listeners_[listener];
  if (l.fd < 0) return;
  l.empty_queue = empty_queue && (!l.stopping || l.empty_queue);
  l.stopping = true;
}

bool EpollTransport::MayAccept(const Listener& l) const {
  if (l.fd < 0 || l.halted || FreeSlots() == 0) return false;
  return l.mode != AcceptMode::kStopped && (!l.stopping || l.empty_queue);
}

// Before the wait: no upcall.
void EpollTransport::Steer(ListenerId listener, Listener& l) {
  if (l.fd < 0) return;
  if (l.stopping && !l.empty_queue) {
    TakeOut(l);
    CloseFd(std::exchange(l.fd, -1));
    return Later(Pending::Kind::kAcceptStopped, 0, {listener, 0});
  }
  const bool wanted = !l.stopping && MayAccept(l);
  if (wanted == l.added) return;
  if (!wanted) return TakeOut(l);
  const int result = Add(l.fd, EPOLLIN, EventData(Kind::kListener, 0, listener));
  l.added = result >= 0;
  if (result >= 0) return;
  l.halted = true;
  Later(Pending::Kind::kAcceptError, result, {listener, 0});
}

// Also before close(2), which is not the end of it where other shards have descriptors of the same open socket.
void EpollTransport::TakeOut(Listener& l) {
  if (!std::exchange(l.added, false)) return;
  epoll_event unused = {};
  kernel_->EpollControl(epoll_fd_, EPOLL_CTL_DEL, l.fd, &unused);
}

// Credit is taken first, so that caps are exact; it goes back when there was nobody.
void EpollTransport::AcceptFrom(ListenerId listener, Listener& l) {
  for (unsigned n = l.shared ? kSharedAccepts : kAcceptsPerPoll; n > 0 && accepts_left_ > 0 && MayAccept(l); --n) {
    const bool credit_taken = l.mode == AcceptMode::kNear;
    if (credit_taken && !events_->TakeCredit(listener)) {
      l.halted = true;
      return;
    }
    const int fd = kernel_->Accept(l.fd);
    if (fd >= 0) {
      --accepts_left_;
      Accepted(listener, l, fd, credit_taken);
      continue;
    }
    if (credit_taken) events_->ReturnCredit(listener);
    if (fd == -EAGAIN) {
      l.empty_queue = false;  // if stopping: it is empty now
      return;
    }
    OnAcceptFailure(listener, l, -fd);
  }
}

void EpollTransport::OnAcceptFailure(ListenerId listener, Listener& l, int error) {
  if (Classify(error) == AcceptError::kTransient) return counters_.Add(TransportCount::kAcceptTransient);
  counters_.Add(TransportCount::kAcceptErrors);
  l.halted = true;
  events_->OnAcceptError(listener, error);
}

void EpollTransport::Accepted(ListenerId listener, const Listener& l, int fd, bool credit_taken) {
  counters_.Add(TransportCount::kAccepts);
  if (credit_taken) counters_.Add(TransportCount::kAcceptsNear);
  const ConnId id = events_->OnAccept(listener, credit_taken);
  if (id == kNoConn) {
    counters_.Add(TransportCount::kAcceptsRefused);
    Reset(fd);
    return CloseFd(fd);
  }
  EpollArea& area = AreaOf(id);
  area.generation = id.generation;
  area.Set(EpollArea::kReadWanted);
  if (l.family == AF_UNIX) area.Set(EpollArea::kNoProof);
  Adopt(fd, id, area);
  events_->OnOpen(id);
}

}  // namespace mooring::net::epoll
