// SPDX-License-Identifier: Apache-2.0
// Leaving. Nothing is in flight in the kernel, so a connection is closed at once and released by the next Poll.
#include <cassert>
#include <cerrno>

#include "net/epoll/epoll_transport.h"

namespace mooring::net::epoll {
namespace {

constexpr sockaddr kNobody = {.sa_family = AF_UNSPEC, .sa_data = {}};

}  // namespace

void EpollTransport::CloseFd(int fd) {
  if (kernel_->Close(fd) < 0) counters_.Add(TransportCount::kCloseErrors);
}

// RST to the peer, where there is such a thing.
void EpollTransport::Reset(int fd) {
  if (kernel_->Connect(fd, &kNobody, sizeof(kNobody)) < 0) counters_.Add(TransportCount::kAbortFallbacks);
}

void EpollTransport::ShutdownSend(ConnId id) {
  EpollArea& area = AreaOf(id);
  assert(!area.Is(EpollArea::kSending));
  if (area.leaving() || !area.open()) return;
  counters_.Add(TransportCount::kHalfCloses);
  kernel_->Shutdown(area.fd(), SHUT_WR);  // ENOTCONN: the peer is gone, and the receive says so
  Later(Pending::Kind::kShutdown, 0, id);
}

void EpollTransport::Close(ConnId id) {
  EpollArea& area = AreaOf(id);
  assert(!area.Is(EpollArea::kSending));
  if (area.leaving()) return;
  counters_.Add(TransportCount::kCloses);
  Leave(id, area, EpollArea::kClosing);
}

void EpollTransport::Abort(ConnId id) {
  EpollArea& area = AreaOf(id);
  if (area.leaving()) return;  // after Close there is nothing left to reset
  counters_.Add(TransportCount::kAborts);
  if (area.Is(EpollArea::kSendBlocked)) {
    Unblock(area);
    Later(Pending::Kind::kSend, -ECONNRESET, id);
  }
  if (area.open() && !area.Is(EpollArea::kConnecting)) Reset(area.fd());
  Leave(id, area, EpollArea::kAborting);
}

void EpollTransport::Leave(ConnId id, EpollArea& area, EpollArea::Flag how) {
  area.generation = id.generation;  // a connection that was never accepted or connected can leave too
  area.Set(how);
  area.Clear(EpollArea::kReadWanted | EpollArea::kStarved);
  // Its slot is free when the engine has been told, not before: a peer that is accepted meanwhile would be one too many.
  const int slots = area.open() ? 1 : 0;
  if (area.open()) Disown(area);
  Later(Pending::Kind::kReleased, slots, id);
}

}  // namespace mooring::net::epoll
