// SPDX-License-Identifier: Apache-2.0
// Accept queues of real sockets: what waits there, how much fits, and what the kernel has dropped.
#include "server/metrics/accept_queues.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "net/address.h"
#include "net/endpoint.h"

namespace mooring::server::metrics {
namespace {

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) { EXPECT_GE(fd, 0) << errno; }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

Socket ListenAt(net::Address* address, int backlog) {
  Socket made(socket(address->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  EXPECT_EQ(setsockopt(made.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
  EXPECT_EQ(bind(made.fd(), address->get(), address->size()), 0) << errno;
  EXPECT_EQ(listen(made.fd(), backlog), 0);
  socklen_t size = net::Address::kSizeMax;
  EXPECT_EQ(getsockname(made.fd(), address->get(), &size), 0);
  return made;
}

Socket Dial(const net::Address& to) {
  Socket made(socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(made.fd(), to.get(), to.size()), 0) << errno;
  return made;
}

// The client is connected a moment before the server's side is in the queue.
std::optional<AcceptQueue> UntilDepth(const net::Endpoint& endpoint, uint64_t depth, int (*open_diag)() = nullptr) {
  std::optional<AcceptQueue> queue;
  for (int i = 0; i < 10'000; ++i) {
    queue = ReadAcceptQueues({endpoint}, open_diag).of[0];
    if (queue.has_value() && queue->depth == depth) break;
  }
  return queue;
}

class AcceptQueuesOfTcp : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Families, AcceptQueuesOfTcp, testing::Values("127.0.0.1:0", "[::1]:0"));

TEST_P(AcceptQueuesOfTcp, DepthAndLimitAreSumsOverTheSocketsOfAListener) {
  net::Address address = *net::Address::Parse(GetParam());
  const Socket first = ListenAt(&address, 7);
  const Socket second = ListenAt(&address, 9);
  net::Address other = *net::Address::Parse(GetParam());
  const Socket third = ListenAt(&other, 100);
  std::vector<Socket> peers;
  for (int i = 0; i < 3; ++i) peers.push_back(Dial(address));
  const std::optional<AcceptQueue> queue = UntilDepth(address, 3);
  ASSERT_TRUE(queue.has_value());
  EXPECT_EQ(queue->depth, 3u);
  EXPECT_EQ(queue->limit, 16u);
  EXPECT_EQ(queue->overflows, 0u);

  const AcceptQueues both = ReadAcceptQueues({other, address});
  EXPECT_FALSE(both.refused);
  EXPECT_EQ(both.of[0]->depth, 0u);
  EXPECT_EQ(both.of[0]->limit, 100u);
  EXPECT_EQ(both.of[1]->depth, 3u);
}

TEST_P(AcceptQueuesOfTcp, WhatDoesNotFitIsCounted) {
  net::Address address = *net::Address::Parse(GetParam());
  const Socket listener = ListenAt(&address, 0);  // one fits
  const Socket fits = Dial(address);
  ASSERT_EQ(UntilDepth(address, 1)->depth, 1u);
  const Socket late(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  connect(late.fd(), address.get(), address.size());
  uint64_t overflows = 0;
  for (int i = 0; i < 10'000 && overflows == 0; ++i) overflows = *ReadAcceptQueues({address}).of[0]->overflows;
  EXPECT_GE(overflows, 1u);
}

TEST_P(AcceptQueuesOfTcp, WithoutSockDiagTheDepthComesFromProc) {
  net::Address address = *net::Address::Parse(GetParam());
  const Socket listener = ListenAt(&address, 7);
  const Socket one = Dial(address);
  const Socket two = Dial(address);
  constexpr auto kRefused = +[] { return -1; };
  const std::optional<AcceptQueue> queue = UntilDepth(address, 2, kRefused);
  ASSERT_TRUE(queue.has_value());
  EXPECT_EQ(queue->depth, 2u);
  EXPECT_FALSE(queue->limit.has_value());
  EXPECT_FALSE(queue->overflows.has_value());
  EXPECT_TRUE(ReadAcceptQueues({address}, kRefused).refused);
}

TEST(AcceptQueues, OfAUnixPathAlsoWhereItWasRenamed) {
  const char* folder = getenv("TEST_TMPDIR");
  const std::string path = std::string(folder == nullptr ? "/tmp" : folder) + "/q" + std::to_string(getpid());
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  // The test's folder has a long path; a name of 108 bytes is all there is.
  if (path.size() + 4 >= sizeof(name.sun_path)) GTEST_SKIP() << "SKIPPED: the folder's path is too long: " << path;
  std::strcpy(name.sun_path, (path + ".tmp").c_str());
  unlink(name.sun_path);
  const Socket listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(listener.fd(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0) << errno;
  ASSERT_EQ(listen(listener.fd(), 5), 0);
  ASSERT_EQ(rename((path + ".tmp").c_str(), path.c_str()), 0);
  std::strcpy(name.sun_path, path.c_str());
  const Socket peer(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(peer.fd(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0) << errno;
  const AcceptQueues queues = ReadAcceptQueues({*net::Endpoint::Parse("unix:" + path)});
  unlink(path.c_str());
  if (queues.refused) GTEST_SKIP() << "SKIPPED: this kernel has no unix_diag";
  ASSERT_TRUE(queues.of[0].has_value());
  EXPECT_EQ(queues.of[0]->depth, 1u);
  EXPECT_EQ(queues.of[0]->limit, 5u);
  EXPECT_FALSE(queues.of[0]->overflows.has_value());
}

TEST(AcceptQueues, AListenerThatIsNotThereHasNone) {
  net::Address address = *net::Address::Parse("127.0.0.1:0");
  { const Socket gone = ListenAt(&address, 7); }
  const AcceptQueues queues = ReadAcceptQueues({address});
  EXPECT_FALSE(queues.of[0].has_value());
  EXPECT_FALSE(queues.refused);
}

constexpr char kProc[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 22 1\n"
    "   1: 0100007F:1F90 00000000:0000 0A 00000000:0000000A 00:00000000 00000000     0        0 23 1\n"
    "   2: 00000000:1F90 00000000:0000 0A 00000000:00000007 00:00000000 00000000     0        0 24 1\n"
    "   3: 0100007F:1F91 00000000:0000 0A 00000000:00000009 00:00000000 00000000     0        0 25 1\n"
    "   4: 0100007F:1F90 0100007F:C350 01 00000000:00000063 00:00000000 00000000     0        0 26 1\n";

TEST(AcceptQueues, ProcIsReadUpToTheFirstThatDoesNotListen) {
  bool complete = false;
  EXPECT_EQ(DepthFromProc(kProc, *net::Address::Parse("127.0.0.1:8080"), &complete), 13u);
  EXPECT_TRUE(complete);
  EXPECT_EQ(DepthFromProc(kProc, *net::Address::Parse("0.0.0.0:8080"), &complete), 7u);
  EXPECT_EQ(DepthFromProc(kProc, *net::Address::Parse("127.0.0.1:8082"), &complete), std::nullopt);
  // Half a line is none.
  const std::string_view half = std::string_view(kProc).substr(0, 240);
  EXPECT_EQ(DepthFromProc(half, *net::Address::Parse("127.0.0.1:8080"), &complete), 3u);
  EXPECT_FALSE(complete);
  EXPECT_EQ(DepthFromProc("", *net::Address::Parse("127.0.0.1:8080"), &complete), std::nullopt);
}

}  // namespace
}  // namespace mooring::server::metrics
