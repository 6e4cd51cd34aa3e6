// SPDX-License-Identifier: Apache-2.0
// Descriptors of others in the epoll transport: which it refuses, and that they may come and go inside upcalls.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/net/transport_host.h"

namespace mooring::net::epoll {
namespace {

constexpr TransportKind kKind = TransportKind::kEpoll;

struct Count : core::EventPort::Watcher {
  void OnReady(uint32_t) override {
    ++told;
    if (also) also();
  }
  int told = 0;
  std::function<void()> also;
};

TEST(EpollWatch, RefusesWhatCannotBeWaitedFor) {
  TransportHost host(kKind);
  Count count;
  char name[] = "/tmp/epoll_watch_XXXXXX";
  const int file = mkstemp(name);
  unlink(name);
  EXPECT_EQ(host.transport_->Watch(file, POLLIN, &count), -EPERM);
  EXPECT_EQ(host.transport_->Watch(-1, POLLIN, &count), -EBADF);
  close(file);
  EXPECT_EQ(host.transport_->Watch(file, POLLIN, &count), -EBADF);
  host.transport_->Unwatch(file);
  host.Turns(2);
  EXPECT_EQ(count.told, 0);
}

TEST(EpollWatch, ChangesInsideUpcallsAreSafe) {
  TransportHost host(kKind);
  Count a, b, later;
  const int fds[] = {core::RealKernel()->EventFd(), core::RealKernel()->EventFd()};
  // Whichever is told first ends both; a new watch of the other's descriptor does not hear of the old one's event.
  a.also = b.also = [&] {
    host.transport_->Unwatch(fds[0]);
    host.transport_->Unwatch(fds[1]);
    EXPECT_EQ(host.transport_->Watch(fds[a.told == 1 ? 1 : 0], POLLIN, &later), 0);
  };
  ASSERT_EQ(host.transport_->Watch(fds[0], POLLIN, &a), 0);
  ASSERT_EQ(host.transport_->Watch(fds[1], POLLIN, &b), 0);
  for (int fd : fds) core::RealKernel()->Signal(fd);
  host.Turns(1);
  EXPECT_EQ(a.told + b.told, 1);
  EXPECT_EQ(later.told, 0);
  host.Turns(1);
  EXPECT_EQ(later.told, 1);
  for (int fd : fds) {
    host.transport_->Unwatch(fd);
    close(fd);
  }
}

}  // namespace
}  // namespace mooring::net::epoll
