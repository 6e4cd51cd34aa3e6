// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "tests/scenario/loopback_server.h"

namespace mooring::scenario {

int Dial(uint16_t port, const ClientOptions& options) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (options.receive_buffer != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer, sizeof(options.receive_buffer));
  }
  if (options.send_buffer != 0) {
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &options.send_buffer, sizeof(options.send_buffer));
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  int result = 0;
  if (options.source != 0) {
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    address.sin_addr.s_addr = htonl(options.source);
    result = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  }
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  // Blocking: on loopback the handshake is over when connect returns, unless the backlog is full.
  if (result == 0) result = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  if (result < 0) {
    result = -errno;
    close(fd);
    return result;
  }
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

int DialPath(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  // Blocking: waits for room in the backlog, and for nothing else.
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    const int result = -errno;
    close(fd);
    return result;
  }
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

Client Client::Of(int fd) {
  Client client;
  client.fd_ = fd;
  return client;
}

Client Client::AtPath(const std::string& path) {
  const int fd = DialPath(path);
  if (fd < 0) ADD_FAILURE() << "connect: " << path << ": " << strerror(-fd);
  return Of(fd);
}

void Clog(LoopbackServer* server, Client* client) {
  const std::string plenty(64 << 10, 'x');
  // A send that blocked is not enough, for that may pass: nothing goes in for twenty turns.
  int quiet = 0;
  server->Await([&] {
    quiet = client->SendWhatFits(plenty) == 0 ? quiet + 1 : 0;
    return quiet >= 20 && server->Count(net::EngineCount::kSendsBlocked) > 0;
  });
}

Client::Client(uint16_t port, const ClientOptions& options) : fd_(Dial(port, options)) {
  if (fd_ < 0) ADD_FAILURE() << "connect: " << strerror(-fd_);
}

bool Client::Wait(short events, const char* what) {
  pollfd one = {fd_, events, 0};
  int result = 0;
  do {
    result = poll(&one, 1, kPatienceSeconds * 1000);
  } while (result < 0 && errno == EINTR);
  if (result == 1) return true;
  ADD_FAILURE() << "waited for " << kPatienceSeconds << " s in vain to " << what;
  return false;
}

size_t Client::SendWhatFits(std::string_view bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0) break;
    sent += static_cast<size_t>(n);
  }
  return sent;
}

bool Client::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      if (!Wait(POLLOUT, "send")) return false;
    } else if (errno != EINTR) {
      ADD_FAILURE() << "send: " << strerror(errno);
      return false;
    }
  }
  return true;
}

std::string Client::ReceiveSome(size_t max) {
  std::string bytes(max, '\0');
  for (;;) {
    const ssize_t n = recv(fd_, bytes.data(), max, 0);
    if (n >= 0) {
      bytes.resize(static_cast<size_t>(n));
      return bytes;
    }
    if (errno == EAGAIN) {
      if (!Wait(POLLIN, "receive")) return {};
    } else if (errno != EINTR) {
      ADD_FAILURE() << "receive: " << strerror(errno);
      return {};
    }
  }
}

std::string Client::Receive(size_t n) {
  std::string bytes;
  while (bytes.size() < n) {
    const std::string some = ReceiveSome(n - bytes.size());
    if (some.empty()) {
      ADD_FAILURE() << "ended after " << bytes.size() << " of " << n << " bytes";
      break;
    }
    bytes += some;
  }
  return bytes;
}

std::string Client::ReceiveToEnd(Ending* ending) {
  std::string bytes;
  char chunk[16384];
  *ending = Ending::kStillOpen;
  for (;;) {
    const ssize_t n = recv(fd_, chunk, sizeof(chunk), 0);
    if (n > 0) {
      bytes.append(chunk, static_cast<size_t>(n));
    } else if (n == 0) {
      *ending = Ending::kFin;
      return bytes;
    } else if (errno == EAGAIN) {
      if (!Wait(POLLIN, "receive the end")) return bytes;
    } else if (errno != EINTR) {
      *ending = Ending::kReset;
      return bytes;
    }
  }
}

std::string Client::ReceiveToFin() {
  Ending ending;
  std::string bytes = ReceiveToEnd(&ending);
  EXPECT_EQ(ending, Ending::kFin) << "after " << bytes.size() << " bytes";
  return bytes;
}

std::string Client::Exchange(std::string_view request, size_t n) {
  if (!Send(request)) return {};
  return Receive(n);
}

Ending Client::Now() {
  char byte;
  const ssize_t n = recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n == 0) return Ending::kFin;
  return n < 0 && errno != EAGAIN ? Ending::kReset : Ending::kStillOpen;
}

bool Client::HasData() {
  pollfd one = {fd_, POLLIN, 0};
  return poll(&one, 1, 0) == 1;
}

int Client::Unacknowledged() const {
  int bytes = -1;
  return ioctl(fd_, SIOCOUTQ, &bytes) == 0 ? bytes : -1;
}

void Client::AwaitAcknowledged() {
  // No event tells of it; on loopback it takes microseconds.
  while (Unacknowledged() > 0) std::this_thread::yield();
}

void Client::ShutdownWrite() { EXPECT_EQ(shutdown(fd_, SHUT_WR), 0) << strerror(errno); }

void Client::Reset() {
  if (fd_ < 0) return;
  const linger none = {1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
  Close();
}

void Client::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

}  // namespace mooring::scenario
