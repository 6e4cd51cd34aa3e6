// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/plain.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <utility>

namespace mooring::sim {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

sockaddr_un UnixAddress(std::string_view path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

}  // namespace

std::string EventNames(uint32_t events) {
  constexpr std::pair<uint32_t, const char*> kNames[] = {{EPOLLIN, "IN"},   {EPOLLOUT, "OUT"}, {EPOLLRDHUP, "RDHUP"},
                                                         {EPOLLERR, "ERR"}, {EPOLLHUP, "HUP"}};
  std::string names;
  for (const auto& [bit, name] : kNames) {
    if ((events & bit) != 0) names += std::string(names.empty() ? "" : " ") + name;
    events &= ~bit;
  }
  return events == 0 ? names : names + " +" + std::to_string(events);
}

Plain::~Plain() {
  for (const int fd : open_) kernel().Close(fd);
  for (const std::string& path : paths_) machine_->Unlink(path);
}

int Plain::Listen(uint16_t* port, int backlog) {
  const int fd = Keep(kernel().Socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  const sockaddr_in any = Loopback(0);
  kernel().Bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof(any));
  kernel().Listen(fd, backlog);
  sockaddr_in bound = {};
  socklen_t size = sizeof(bound);
  kernel().Name(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  *port = ntohs(bound.sin_port);
  return fd;
}

int Plain::Socket(int family) { return Keep(kernel().Socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0)); }
int Plain::Epoll() { return Keep(kernel().EpollCreate()); }
int Plain::EventFd() { return Keep(kernel().EventFd()); }

int Plain::Accept(int listener) {
  machine_->Settle();
  const int fd = Keep(kernel().Accept(listener));
  if (fd < 0) Note("accept", fd);
  return fd;
}

int Plain::Accepted(std::unique_ptr<Client>* client) {
  uint16_t port = 0;
  const int listener = Listen(&port);
  *client = machine_->Connect(port);
  return Accept(listener);
}

void Plain::Close(int fd) {
  kernel().Close(fd);
  open_.erase(std::remove(open_.begin(), open_.end(), fd), open_.end());
  machine_->Settle();
}

void Plain::Connect(int fd, uint16_t port, std::string_view title) {
  const sockaddr_in to = Loopback(port);
  Note(title, kernel().Connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)));
}

int Plain::ListenUnix(std::string_view path, int backlog) {
  const int fd = Socket(AF_UNIX);
  paths_.emplace_back(path);
  const sockaddr_un at = UnixAddress(path);
  Note("bind", kernel().Bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)));
  Note("listen", kernel().Listen(fd, backlog));
  return fd;
}

void Plain::ConnectUnix(int fd, std::string_view path, std::string_view title) {
  const sockaddr_un to = UnixAddress(path);
  Note(title, kernel().Connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)));
}

void Plain::Names(int fd, std::string_view title) {
  for (const bool peer : {false, true}) {
    sockaddr_un name = {};
    socklen_t size = sizeof(name);
    auto* to = reinterpret_cast<sockaddr*>(&name);
    const int result = peer ? kernel().Peer(fd, to, &size) : kernel().Name(fd, to, &size);
    Note(std::string(title) + (peer ? ", peer: " : ", own: ") + ErrorName(result) +
         (result < 0 ? "" : " family " + std::to_string(name.sun_family) + " bytes " + std::to_string(size)));
  }
}

void Plain::Unconnect(int fd, std::string_view title) {
  const sockaddr nobody = {.sa_family = AF_UNSPEC, .sa_data = {}};
  Note(title, kernel().Connect(fd, &nobody, sizeof(nobody)));
}

void Plain::Receive(int fd, size_t size, std::string_view title) {
  machine_->Settle();
  std::string bytes(size, '\0');
  const int result = kernel().Receive(fd, bytes.data(), size);
  Note(std::string(title) + ": " + ErrorName(result) +
       (result > 0 && result < 64 ? " '" + bytes.substr(0, static_cast<size_t>(result)) + "'" : ""));
}

void Plain::Send(int fd, std::string_view bytes, std::string_view title) {
  const iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};
  Note(title, kernel().Send(fd, &piece, 1));
}

void Plain::Error(int fd, std::string_view title) {
  machine_->Settle();
  int error = 0;
  socklen_t size = sizeof(error);
  const int result = kernel().GetOption(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  Note(title, result < 0 ? result : -error);
}

void Plain::Control(int epoll, int operation, int fd, uint32_t events, uint64_t data, std::string_view title) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = data;
  Note(title, kernel().EpollControl(epoll, operation, fd, &event));
}

void Plain::Wait(int epoll, std::string_view title, int count) {
  machine_->Settle();
  std::vector<epoll_event> events(static_cast<size_t>(count));
  const int result = kernel().EpollWait(epoll, events.data(), count, 0);
  Note(title, result);
  for (int i = 0; i < result; ++i) Note("  " + std::to_string(events[i].data.u64) + ": " + EventNames(events[i].events));
}

}  // namespace mooring::sim
