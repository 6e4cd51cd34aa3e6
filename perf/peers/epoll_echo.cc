// SPDX-License-Identifier: Apache-2.0
// epoll_echo: a plain level-triggered epoll echo server on one thread, the way it was done before io_uring.
//
// One read of up to 64 KB per event, one write. What the socket does not take is kept per connection; such a
// connection is not read until it is written. Several processes may share a port (SO_REUSEPORT).
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace {

constexpr int kReadBytes = 64 * 1024;
constexpr int kEventsMax = 512;

[[noreturn]] void Die(const char* what) {
  perror(what);
  exit(1);
}

int ParsePort(int argc, char** argv) {
  int port = 7000;
  if (argc < 2 || (argc == 2 && sscanf(argv[1], "--port=%d", &port) == 1)) return port;
  fprintf(stderr, "usage: epoll_echo [--port=N]\n");
  exit(2);
}

int Listen(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // inherited by accepted sockets
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Die("bind");
  if (listen(fd, 4096) != 0) Die("listen");
  return fd;
}

int PortOf(int listener) {
  sockaddr_in address = {};
  socklen_t bytes = sizeof(address);
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) Die("getsockname");
  return ntohs(address.sin_port);
}

class EchoServer {
 public:
  explicit EchoServer(int listener) : listener_(listener), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    Watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
  }

  void Run() {
    epoll_event events[kEventsMax];
    for (;;) {
      const int n = epoll_wait(epoll_, events, kEventsMax, -1);
      for (int i = 0; i < n; i++) {
        const int fd = events[i].data.fd;
        if (fd == listener_) {
          AcceptAll();
        } else if (events[i].events & EPOLLOUT) {
          WriteUnsent(fd);
        } else {
          Echo(fd);
        }
      }
    }
  }

 private:
  void Watch(int operation, int fd, uint32_t events) {
    epoll_event event = {};
    event.events = events;
    event.data.fd = fd;
    if (epoll_ctl(epoll_, operation, fd, &event) != 0) Die("epoll_ctl");
  }

  void AcceptAll() {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      if (static_cast<size_t>(fd) >= unsent_.size()) unsent_.resize(fd + 1);
      Watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
  }

  void Echo(int fd) {
    const ssize_t n = read(fd, buffer_, sizeof(buffer_));
    if (n <= 0) {
      if (n == 0 || (errno != EAGAIN && errno != EINTR)) close(fd);
      return;
    }
    ssize_t written = send(fd, buffer_, n, MSG_NOSIGNAL);
    if (written == n) return;
    if (written < 0) {
      if (errno != EAGAIN) {
        close(fd);
        return;
      }
      written = 0;
    }
    unsent_[fd].assign(buffer_ + written, n - written);
    Watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
  }

  void WriteUnsent(int fd) {
    std::string& rest = unsent_[fd];
    const ssize_t written = send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (written < 0) {
      if (errno == EAGAIN) return;
      rest.clear();
      close(fd);
      return;
    }
    rest.erase(0, written);
    if (rest.empty()) Watch(EPOLL_CTL_MOD, fd, EPOLLIN);
  }

  const int listener_;
  const int epoll_;
  std::vector<std::string> unsent_;  // by descriptor
  char buffer_[kReadBytes];
};

}  // namespace

int main(int argc, char** argv) {
  const int listener = Listen(ParsePort(argc, argv));
  printf("listening on 127.0.0.1:%d\n", PortOf(listener));
  fflush(stdout);
  static EchoServer server(listener);
  server.Run();
}
