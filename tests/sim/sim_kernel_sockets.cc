// SPDX-License-Identifier: Apache-2.0
// The socket half of SimKernel: system calls on plain descriptors.
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/sim/sim_kernel.h"
#include "tests/sim/sim_socket.h"

namespace mooring::sim {
namespace {

int CopyAddress(const SimAddress& from, sa_family_t as, sockaddr* to, socklen_t* size) {
  sockaddr_storage full;
  const socklen_t need = from.ToSockaddr(as, &full);
  std::memcpy(to, &full, std::min(*size, need));
  *size = need;
  return 0;
}

// The options that sockets here are given. Another one may matter to the model: it has to be thought about first.
bool Known(int level, int name) {
  switch (level) {
    case SOL_SOCKET:
      return name == SO_REUSEADDR || name == SO_REUSEPORT || name == SO_KEEPALIVE || name == SO_LINGER ||
             name == SO_SNDBUF || name == SO_RCVBUF || name == SO_ATTACH_FILTER || name == SO_ATTACH_REUSEPORT_CBPF ||
             name == SO_BUSY_POLL || name == SO_INCOMING_CPU;
    case IPPROTO_TCP:
      return name == TCP_NODELAY || name == TCP_NOTSENT_LOWAT || name == TCP_USER_TIMEOUT || name == TCP_KEEPIDLE ||
             name == TCP_KEEPINTVL || name == TCP_KEEPCNT || name == TCP_DEFER_ACCEPT || name == TCP_FASTOPEN;
    case IPPROTO_IPV6: return name == IPV6_V6ONLY;
    case IPPROTO_IP: return name == IP_BIND_ADDRESS_NO_PORT;
    default: return false;
  }
}

}  // namespace

SimSocket* SimKernel::FindSocket(int fd, int* error) {
  const FileRef file = descriptors_.Get(fd);
  auto* socket = file == nullptr ? nullptr : dynamic_cast<SimSocket*>(file->file.get());
  if (socket == nullptr) *error = file == nullptr ? -EBADF : -ENOTSOCK;
  return socket;
}

int SimKernel::Socket(int family, int type, int protocol) {
  if (const int fault = choices_.Fault(FaultSite::kSocket); fault != 0) return -fault;
  if ((family != AF_INET && family != AF_INET6 && family != AF_UNIX) || (type & 0xf) != SOCK_STREAM) {
    choices_.Fail("socket(%d, %#x, %d) is not simulated", family, type, protocol);
  }
  return descriptors_.Install(std::make_shared<OpenFile>(network_.NewSocket(static_cast<sa_family_t>(family))));
}

int SimKernel::Bind(int fd, const sockaddr* address, socklen_t size) {
  if (const int fault = choices_.Fault(FaultSite::kBind); fault != 0) return -fault;
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  return socket == nullptr ? error : socket->Bind(SimAddress::FromSockaddr(address, size));
}

int SimKernel::Listen(int fd, int backlog) {
  if (const int fault = choices_.Fault(FaultSite::kListen); fault != 0) return -fault;
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  return socket == nullptr ? error : socket->Listen(backlog);
}

int SimKernel::SetOption(int fd, int level, int name, const void* value, socklen_t size) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  if (socket->is_unix() && level != SOL_SOCKET) return -EOPNOTSUPP;
  if (!Known(level, name)) choices_.Fail("setsockopt %d/%d is not simulated", level, name);
  if (level == SOL_SOCKET && name == SO_LINGER) {
    linger how;
    if (size < sizeof(how)) return -EINVAL;
    std::memcpy(&how, value, sizeof(how));
    return socket->SetOption(level, name, how.l_onoff != 0 && how.l_linger == 0 ? 1 : 0);
  }
  if (level == SOL_SOCKET && (name == SO_ATTACH_FILTER || name == SO_ATTACH_REUSEPORT_CBPF)) {
    // The program is not run. On a listener it is taken for the one that drops segments with SYN set.
    if (const int fault = choices_.Fault(FaultSite::kFilter, socket); fault != 0) return -fault;
    if (size < sizeof(sock_fprog) || static_cast<const sock_fprog*>(value)->len == 0) return -EINVAL;
    return socket->SetOption(level, name, 1);
  }
  int number = 0;
  if (size < sizeof(number)) return -EINVAL;
  std::memcpy(&number, value, sizeof(number));
  return socket->SetOption(level, name, number);
}

int SimKernel::GetOption(int fd, int level, int name, void* value, socklen_t* size) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  int number = 0;
  if (level == SOL_SOCKET && name == SO_ERROR) {
    number = -socket->TakeError();
  } else if (level == SOL_SOCKET && name == SO_DOMAIN) {
    number = socket->family();
  } else if (level == SOL_SOCKET && name == SO_TYPE) {
    number = SOCK_STREAM;
  } else if (level == SOL_SOCKET && name == SO_ACCEPTCONN) {
    number = socket->state() == SimSocket::State::kListening ? 1 : 0;
  } else {
    if (!Known(level, name)) choices_.Fail("getsockopt %d/%d is not simulated", level, name);
    int64_t set = 0;
    if (socket->GetOption(level, name, &set)) number = static_cast<int>(set);
  }
  if (*size < sizeof(number)) return -EINVAL;
  std::memcpy(value, &number, sizeof(number));
  *size = sizeof(number);
  return 0;
}

int SimKernel::Name(int fd, sockaddr* address, socklen_t* size) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  const SimAddress& local = socket->local();
  const bool bound = local.family != AF_UNSPEC;
  return CopyAddress(bound ? local : SimAddress::Any(socket->family()), socket->family(), address, size);
}

int SimKernel::Peer(int fd, sockaddr* address, socklen_t* size) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  const bool has_peer = socket->is_unix() ? socket->remote().family != AF_UNSPEC
                                          : socket->state() == SimSocket::State::kConnected;
  if (!has_peer) return -ENOTCONN;
  if (const int fault = choices_.Fault(FaultSite::kPeerName, socket); fault != 0) return -fault;
  return CopyAddress(socket->remote(), socket->family(), address, size);
}

int SimKernel::Accept(int fd) {
  if (descriptors_.Get(fd) == nullptr) return -EBADF;
  if (descriptors_.Full()) return -EMFILE;  // __sys_accept4_file() takes a number first: nobody leaves the queue
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  std::shared_ptr<SimSocket> accepted;
  if (const int fault = choices_.Fault(FaultSite::kAccept, socket); fault != 0) {
    // do_accept() makes the new socket before it takes a connection; only when asking for the peer's address fails has it
    // taken one, which ends then.
    if (fault != ECONNABORTED) return -fault;
    if (socket->Accept(&accepted) == 0) {
      accepted->MarkFaulted();
      OpenFile closing(std::move(accepted));
      return -fault;
    }
  }
  if (const int result = socket->Accept(&accepted); result < 0) return result;
  return descriptors_.Install(std::make_shared<OpenFile>(std::move(accepted)));
}

int SimKernel::Connect(int fd, const sockaddr* address, socklen_t size) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  if (size < sizeof(sa_family_t) || (socket->is_unix() && address->sa_family != AF_UNIX)) return -EINVAL;
  if (address->sa_family == AF_UNSPEC) return socket->Disconnect();
  const SimAddress to = SimAddress::FromSockaddr(address, size);
  if (to.family == AF_UNSPEC) return -EAFNOSUPPORT;
  if (const int fault = socket->Fault(FaultSite::kConnect); fault != 0) return fault;
  return socket->Connect(to);
}

int SimKernel::Receive(int fd, void* to, size_t size) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  if (const int fault = socket->Fault(FaultSite::kReceive); fault != 0) return fault;
  return socket->Receive(to, size);
}

int SimKernel::Send(int fd, const iovec* pieces, unsigned count) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  if (const int fault = socket->Fault(FaultSite::kSend); fault != 0) return fault;
  return socket->Send(pieces, count);
}

int SimKernel::OutQueue(int fd) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  if (socket->is_unix()) return -EOPNOTSUPP;
  return socket->state() == SimSocket::State::kListening ? -EINVAL : static_cast<int>(socket->out_queue());
}

int SimKernel::Duplicate(int fd) {
  const FileRef file = descriptors_.Get(fd);
  if (file == nullptr) return -EBADF;
  if (const int fault = choices_.Fault(FaultSite::kDuplicate); fault != 0) return -fault;
  return descriptors_.Install(file);
}

int SimKernel::Shutdown(int fd, int how) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  return socket == nullptr ? error : socket->Shutdown(how);
}

int SimKernel::Close(int fd) {
  if (const SimEpoll* epoll = FindEpoll(fd); epoll != nullptr && last_wait_ == epoll) last_wait_ = nullptr;
  if (rings_.count(fd) != 0) choices_.Fail("close of ring descriptor %d instead of RingExit", fd);
  return descriptors_.Close(fd);
}

}  // namespace mooring::sim
