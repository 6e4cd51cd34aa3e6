// SPDX-License-Identifier: Apache-2.0
// Target: a listener of the test's, to which an example connects.
//
// Threads:  one.
// Owns:     its socket.
#ifndef MOORING_TESTS_EXAMPLES_TARGET_H_
#define MOORING_TESTS_EXAMPLES_TARGET_H_

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "tests/scenario/client.h"

namespace mooring::examples {

class Target {
 public:
  Target() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int narrow = 65536;  // inherited: what the kernel holds for a reader who does not read stays small
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &narrow, sizeof(narrow));
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &narrow, sizeof(narrow));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 16), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Target() { Close(); }
  Target(const Target&) = delete;

  uint16_t port() const { return port_; }
  scenario::Client Accept() {
    pollfd one = {fd_, POLLIN, 0};
    EXPECT_EQ(poll(&one, 1, 30'000), 1) << "nobody connects";
    return scenario::Client::Of(accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
  uint16_t port_ = 0;
};

}  // namespace mooring::examples

#endif  // MOORING_TESTS_EXAMPLES_TARGET_H_
