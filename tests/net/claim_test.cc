// SPDX-License-Identifier: Apache-2.0
#include "net/claim.h"
#include "tests/core/forwarding_kernel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <vector>

namespace mooring::net {
namespace {

const Address kAnyPort = *Address::Parse("127.0.0.1:0");

absl::StatusOr<Claim> Take(const Address& at, int shards) {
  return Claim::Take(core::RealKernel(), at, {.shards = shards, .backlog = 64});
}

int Connected(const Address& to) {
  const int fd = socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(fd, to.get(), to.size()), 0) << errno;
  return fd;
}

TEST(Claim, SecondClaimantIsRefusedWithWhatToType) {
  for (int shards : {1, 2}) {
    auto first = Take(kAnyPort, shards);
    ASSERT_TRUE(first.ok()) << first.status().ToString();
    ASSERT_NE(first->address().port(), 0);
    for (int seconds : {1, 2}) {
      auto second = Take(first->address(), seconds);
      ASSERT_FALSE(second.ok());
      const std::string message(second.status().message());
      EXPECT_NE(message.find(first->address().ToString() + " is in use by another process"), std::string::npos) << message;
      EXPECT_NE(message.find("ss -ltnp"), std::string::npos) << message;
    }
    // The refused one has left nothing behind.
    const int peer = Connected(first->address());
    close(peer);
  }
}

TEST(Claim, ConnectionsSpreadOverTheSiblings) {
  auto claim = Take(kAnyPort, 3);
  ASSERT_TRUE(claim.ok()) << claim.status().ToString();
  std::vector<int> peers;
  for (int i = 0; i < 120; ++i) peers.push_back(Connected(claim->address()));
  int total = 0;
  for (int shard = 0; shard < 3; ++shard) {
    const int listener = claim->Release(shard);
    int accepted = 0;
    for (int fd; (fd = core::RealKernel()->Accept(listener)) >= 0; ++accepted) peers.push_back(fd);
    EXPECT_GT(accepted, 5);
    total += accepted;
    close(listener);
  }
  EXPECT_EQ(total, 120);
  for (int fd : peers) close(fd);
}

TEST(Claim, RestartsOverTimeWait) {
  Address at;
  {
    auto claim = Take(kAnyPort, 2);
    ASSERT_TRUE(claim.ok());
    at = claim->address();
    const int peer = Connected(at);
    const int listeners[] = {claim->Release(0), claim->Release(1)};
    int served = -1;
    for (int listener : listeners) {
      if (const int fd = core::RealKernel()->Accept(listener); fd >= 0) served = fd;
    }
    ASSERT_GE(served, 0);
    close(served);  // first, so TIME_WAIT is on this side
    char byte;
    EXPECT_EQ(recv(peer, &byte, 1, 0), 0);
    close(peer);
    for (int listener : listeners) close(listener);
  }
  auto again = Take(at, 2);
  EXPECT_TRUE(again.ok()) << again.status().ToString();
}

TEST(Claim, AcceptedSocketsInheritTheOptions) {
  auto claim = Claim::Take(core::RealKernel(), kAnyPort, {.shards = 1, .notsent_lowat = 65536, .user_timeout_ms = 1500});
  ASSERT_TRUE(claim.ok());
  const int peer = Connected(claim->address());
  const int listener = claim->Release(0);
  const int fd = core::RealKernel()->Accept(listener);
  const struct {
    int name;
    int value;
  } options[] = {{TCP_NODELAY, 1}, {TCP_NOTSENT_LOWAT, 65536}, {TCP_USER_TIMEOUT, 1500}};
  for (const auto& option : options) {
    int value = 0;
    socklen_t size = sizeof(value);
    ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, option.name, &value, &size), 0);
    EXPECT_EQ(value, option.value) << option.name;
  }
  close(peer);
  close(fd);
  close(listener);
}

uint16_t PortOf(int fd, int (*name)(int, sockaddr*, socklen_t*)) {
  Address at;
  socklen_t size = Address::kSizeMax;
  EXPECT_EQ(name(fd, at.get(), &size), 0);
  return at.port();
}

TEST(Claim, ADeferredPeerIsAcceptedWhenItHasSpoken) {
  auto claim = Claim::Take(core::RealKernel(), kAnyPort, {.shards = 1, .defer_accept = true});
  ASSERT_TRUE(claim.ok()) << claim.status();
  const int listener = claim->Release(0);
  // A peer that is silent for a second is accepted all the same: on a machine that stood still meanwhile, once more.
  for (int tries = 0;; ++tries) {
    ASSERT_LT(tries, 20);
    const auto begin = std::chrono::steady_clock::now();
    const int silent = Connected(claim->address());
    const int speaks = Connected(claim->address());
    const int early = core::RealKernel()->Accept(listener);
    EXPECT_EQ(send(speaks, "x", 1, MSG_NOSIGNAL), 1);
    pollfd ready = {.fd = listener, .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&ready, 1, 5000), 1);
    const int fd = core::RealKernel()->Accept(listener);
    const bool in_time = std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(500);
    if (in_time) {
      EXPECT_EQ(early, -EAGAIN);
      EXPECT_EQ(PortOf(fd, getpeername), PortOf(speaks, getsockname));
      char byte = 0;
      EXPECT_EQ(recv(fd, &byte, 1, MSG_DONTWAIT), 1) << "its first byte is there with it";
    }
    for (const int each : {silent, speaks, early, fd}) {
      if (each >= 0) close(each);
    }
    if (in_time) break;
  }
  close(listener);
}

TEST(Claim, AnyIpv6AddressServesBothFamilies) {
  auto claim = Take(*Address::Parse("[::]:0"), 1);
  if (!claim.ok()) GTEST_SKIP() << claim.status().ToString();
  for (const char* host : {"127.0.0.1:1", "[::1]:1"}) {
    Address to = *Address::Parse(host);
    to.set_port(claim->address().port());
    close(Connected(to));
  }
}

TEST(Claim, ForeignAddressIsNamed) {
  auto claim = Take(*Address::Parse("192.0.2.7:7000"), 1);
  ASSERT_FALSE(claim.ok());
  EXPECT_NE(claim.status().message().find("192.0.2.7:7000 is not an address of this machine"), absl::string_view::npos);
}

TEST(Claim, ClosesWhatNobodyTook) {
  Address at;
  {
    auto claim = Take(kAnyPort, 3);
    ASSERT_TRUE(claim.ok());
    at = claim->address();
    Claim moved = *std::move(claim);
    close(moved.Release(1));
  }
  EXPECT_TRUE(Take(at, 1).ok());
}

// What a service manager hands over.
int Opened(int family) {
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (family == AF_UNIX) {
    const sockaddr any = {.sa_family = AF_UNIX, .sa_data = {}};
    EXPECT_EQ(bind(fd, &any, sizeof(sa_family_t)), 0) << errno;  // unix(7): an abstract name of the kernel's choice
  } else {
    EXPECT_EQ(bind(fd, kAnyPort.get(), kAnyPort.size()), 0) << errno;
  }
  EXPECT_EQ(listen(fd, 1), 0);
  return fd;
}

Address NameOf(int fd) {
  Address at;
  socklen_t size = Address::kSizeMax;
  EXPECT_EQ(getsockname(fd, at.get(), &size), 0);
  return at;
}

TEST(Claim, AnInheritedSocketIsOneThatAllShardsShare) {
  const int theirs = Opened(AF_INET);
  const Address at = NameOf(theirs);
  {
    auto claim = Claim::Inherit(core::RealKernel(), core::RealKernel()->Duplicate(theirs), at,
                                {.shards = 3, .backlog = 8, .somaxconn = 20});
    ASSERT_TRUE(claim.ok()) << claim.status();
    EXPECT_TRUE(claim->shared());
    EXPECT_EQ(claim->endpoint(), at);
    EXPECT_EQ(claim->backlog(), 20);
    const int peer = Connected(at);
    int accepted = 0;
    for (int shard = 2; shard >= 0; --shard) {
      const int listener = claim->Release(shard);
      ASSERT_GE(listener, 0);
      EXPECT_EQ(fcntl(listener, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC) << "of shard " << shard;
      if (const int fd = core::RealKernel()->Accept(listener); fd >= 0) {
        ++accepted;
        close(fd);
      }
      close(listener);
    }
    EXPECT_EQ(accepted, 1);
    close(peer);
    claim->Withdraw();
  }
  // Whoever opened it listens on.
  const int next = Connected(at);
  EXPECT_GE(core::RealKernel()->Accept(theirs), 0);
  close(next);
  close(theirs);
}

TEST(Claim, AnInheritedSocketGetsTheOptionsOfOneThatWasTaken) {
  const int theirs = Opened(AF_INET);
  const Address at = NameOf(theirs);
  auto claim = Claim::Inherit(core::RealKernel(), theirs, at,
                              {.shards = 1, .backlog = 64, .notsent_lowat = 65536, .user_timeout_ms = 1500});
  ASSERT_TRUE(claim.ok()) << claim.status();
  // It was opened with a backlog of one.
  std::vector<int> peers;
  for (int i = 0; i < 40; ++i) {
    peers.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    connect(peers.back(), at.get(), at.size());
  }
  const int listener = claim->Release(0);
  EXPECT_EQ(fcntl(listener, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  int last = -1, accepted = 0;
  for (int fd; (fd = core::RealKernel()->Accept(listener)) >= 0; ++accepted) {
    if (last >= 0) close(last);
    last = fd;
  }
  EXPECT_EQ(accepted, 40);
  const struct {
    int name;
    int value;
  } options[] = {{TCP_NODELAY, 1}, {TCP_NOTSENT_LOWAT, 65536}, {TCP_USER_TIMEOUT, 1500}};
  for (const auto& option : options) {
    int value = 0;
    socklen_t size = sizeof(value);
    ASSERT_EQ(getsockopt(last, IPPROTO_TCP, option.name, &value, &size), 0);
    EXPECT_EQ(value, option.value) << option.name;
  }
  close(last);
  close(listener);
  for (int fd : peers) close(fd);
}

TEST(Claim, AnInheritedUnixSocketNeedsNoPathOfOurs) {
  const int theirs = Opened(AF_UNIX);
  auto claim = Claim::Inherit(core::RealKernel(), theirs, {}, {.shards = 2, .backlog = 8, .user_timeout_ms = 1500});
  ASSERT_TRUE(claim.ok()) << claim.status();
  EXPECT_TRUE(claim->shared());
  claim->Withdraw();
  EXPECT_GE(claim->Release(1), 0);
}

TEST(Claim, AnInheritedDescriptorThatFailsIsClosedAndNamed) {
  const int listens_not = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  auto claim = Claim::Inherit(core::RealKernel(), listens_not, kAnyPort, {.shards = 2});
  ASSERT_FALSE(claim.ok());
  EXPECT_NE(claim.status().message().find("inherited socket of 127.0.0.1:0"), absl::string_view::npos)
      << claim.status();
  EXPECT_LT(fcntl(listens_not, F_GETFD), 0);
}

// The rest of the errors need a kernel that refuses.
class Refusing final : public core::ForwardingKernel {
 public:
  explicit Refusing(int error) : error_(error) {}
  int open = 0;
  int Socket(int, int, int) override { return 100 + open++; }
  int Bind(int, const sockaddr*, socklen_t) override { return -error_; }
  int SetOption(int, int, int, const void*, socklen_t) override { return 0; }
  int Close(int) override { return --open, 0; }

 private:
  const int error_;
};

TEST(Claim, LowPortWithoutPermissionIsExplained) {
  Refusing kernel(EACCES);
  auto claim = Claim::Take(&kernel, *Address::Parse("127.0.0.1:80"), {});
  ASSERT_FALSE(claim.ok());
  EXPECT_NE(claim.status().message().find("CAP_NET_BIND_SERVICE"), absl::string_view::npos);
  EXPECT_NE(claim.status().message().find("ip_unprivileged_port_start"), absl::string_view::npos);
  EXPECT_EQ(kernel.open, 0);
}

// A port that is held for some tries more, as by a ring of a process that has ended.
class HeldFor final : public core::ForwardingKernel {
 public:
  explicit HeldFor(int tries) : tries_(tries) {}
  int open = 0;
  int Socket(int family, int type, int protocol) override {
    ++open;
    return ForwardingKernel::Socket(family, type, protocol);
  }
  int Close(int fd) override {
    --open;
    return ForwardingKernel::Close(fd);
  }
  int Bind(int fd, const sockaddr* address, socklen_t size) override {
    return tries_-- > 0 ? -EADDRINUSE : ForwardingKernel::Bind(fd, address, size);
  }

 private:
  int tries_;
};

TEST(Claim, APortThatIsHeldIsAskedForAgainAsLongAsPatienceLasts) {
  HeldFor briefly(5);
  EXPECT_TRUE(Claim::Take(&briefly, kAnyPort, {.patience_ms = 1000}).ok());
  EXPECT_EQ(briefly.open, 0) << "no socket of a try is left";
  HeldFor longer(5);
  EXPECT_FALSE(Claim::Take(&longer, kAnyPort, {.patience_ms = 30}).ok());
  EXPECT_EQ(longer.open, 0);
  HeldFor once(1);
  EXPECT_FALSE(Claim::Take(&once, kAnyPort, {}).ok()) << "without patience there is one try";
}

TEST(Backlog, NeverOverfillsTheTable) {
  EXPECT_EQ(Backlog(1024, 1, 4096), 128);
  EXPECT_EQ(Backlog(1 << 20, 1, 4096), 4096);
  EXPECT_EQ(Backlog(1 << 20, 1, 128), 128);
  EXPECT_EQ(Backlog(1024, 4, 4096), 32);
  EXPECT_EQ(Backlog(4, 1, 4096), 1);
  EXPECT_GT(ReadSomaxconn(), 0);
}

}  // namespace
}  // namespace mooring::net
