// SPDX-License-Identifier: Apache-2.0
// Connecting: socket(2), connect(2), and the outcome from SO_ERROR when an event says that there is one. Only then is
// the socket in the epoll instance: before connect(2) it would be told as hung up.
#include <sys/epoll.h>

#include <cerrno>

#include "net/epoll/epoll_transport.h"
#include "net/outgoing_socket.h"

namespace mooring::net::epoll {

void EpollTransport::Connect(ConnId id, const Address& to, const Address& from) {
  counters_.Add(TransportCount::kConnects);
  EpollArea& area = AreaOf(id);
  area.generation = id.generation;
  area.Set(EpollArea::kReadWanted | EpollArea::kConnecting);
  if (to.family() == AF_UNIX) area.Set(EpollArea::kNoProof);
  const int fd = FreeSlots() == 0 ? -ENFILE : OpenOutgoing(kernel_, to, from, SOCK_NONBLOCK);
  if (fd < 0) return Later(Pending::Kind::kConnect, fd, id);
  const int result = kernel_->Connect(fd, to.get(), to.size());
  if (result < 0 && result != -EINPROGRESS) {
    CloseFd(fd);
    return Later(Pending::Kind::kConnect, result, id);
  }
  Adopt(fd, id, area);
}

void EpollTransport::OnConnectEvent(ConnId id, EpollArea& area) {
  int error = 0;
  socklen_t size = sizeof(error);
  const int asked = kernel_->GetOption(area.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  const int result = asked < 0 ? asked : -error;
  area.Clear(EpollArea::kConnecting);
  if (result < 0) {
    area.Set(EpollArea::kReceiveEnded);
    counters_.Add(TransportCount::kConnectErrors);
  }
  events_->OnConnect(id, result);
}

}  // namespace mooring::net::epoll
