// SPDX-License-Identifier: Apache-2.0
// Questions about a connection, answered from Poll.
#include <sys/socket.h>

#include <cerrno>

#include "net/epoll/epoll_transport.h"

namespace mooring::net::epoll {

void EpollTransport::AskPeer(ConnId id) { Later(Pending::Kind::kPeer, 0, id); }

void EpollTransport::TellPeer(ConnId id, EpollArea& area) {
  sockaddr_storage peer = {};
  socklen_t size = sizeof(peer);
  if (area.open() && kernel_->Peer(area.fd(), reinterpret_cast<sockaddr*>(&peer), &size) < 0) {
    counters_.Add(TransportCount::kCommandErrors);
    peer = {};
  }
  events_->OnPeer(id, Address(reinterpret_cast<const sockaddr*>(&peer)));
}

void EpollTransport::AskOutQueue(ConnId id) {
  EpollArea& area = AreaOf(id);
  const int result = area.open() ? kernel_->OutQueue(area.fd()) : -ENOTCONN;
  if (area.open() && result < 0) counters_.Add(TransportCount::kCommandErrors);
  Later(Pending::Kind::kOutQueue, result, id);
}

}  // namespace mooring::net::epoll
