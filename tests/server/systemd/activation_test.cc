// SPDX-License-Identifier: Apache-2.0
#include "server/systemd/activation.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "net/address.h"

namespace mooring::server::systemd {
namespace {

constexpr int kFirst = 500;  // in place of 3, which the test itself may need

int Tcp(bool listening, const char* at = "127.0.0.1:0") {
  const net::Address address = *net::Address::Parse(at);
  const int fd = socket(address.family(), SOCK_STREAM, 0);
  EXPECT_EQ(bind(fd, address.get(), address.size()), 0) << errno;
  if (listening) {
    EXPECT_EQ(listen(fd, 8), 0);
  }
  return fd;
}

net::Endpoint NameOf(int fd) {
  net::Address at;
  socklen_t size = net::Address::kSizeMax;
  EXPECT_EQ(getsockname(fd, at.get(), &size), 0);
  return at;
}

int UnixAt(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un at = {};
  at.sun_family = AF_UNIX;
  std::memcpy(at.sun_path, path.data(), path.size());
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&at), path.empty() ? sizeof(sa_family_t) : sizeof(at)), 0) << errno;
  EXPECT_EQ(listen(fd, 8), 0);
  return fd;
}

class ActivationTest : public ::testing::Test {
 protected:
  void TearDown() override {
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
    for (int i = 0; i < handed_; ++i) close(kFirst + i);
  }

  // As the manager leaves it behind: the sockets from kFirst on, inheritable.
  void HandOver(const std::vector<int>& sockets, const char* names = nullptr) {
    for (const int fd : sockets) {
      ASSERT_EQ(dup2(fd, kFirst + handed_), kFirst + handed_) << errno;
      ++handed_;
      close(fd);
    }
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    setenv("LISTEN_FDS", std::to_string(sockets.size()).c_str(), 1);
    if (names != nullptr) setenv("LISTEN_FDNAMES", names, 1);
  }
  static absl::StatusOr<InheritedSockets> Read() { return InheritedSockets::FromEnvironment(kFirst); }
  static bool Open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

  int handed_ = 0;
};

TEST_F(ActivationTest, SocketsComeWithTheirNamesAndAddresses) {
  char folder[] = "/tmp/activation.XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/line.sock";
  const int tcp = Tcp(true);
  const net::Endpoint at = NameOf(tcp);
  HandOver({tcp, UnixAt(path), UnixAt("")}, "echo:line:nowhere");
  auto sockets = Read();
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  const auto& left = sockets->left();
  ASSERT_EQ(left.size(), 3u);
  EXPECT_EQ(left[0].name, "echo");
  EXPECT_EQ(left[0].endpoint, at);
  EXPECT_EQ(left[1].name, "line");
  EXPECT_EQ(left[1].endpoint, *net::Endpoint::Parse("unix:" + path));
  EXPECT_EQ(left[2].name, "nowhere");
  EXPECT_TRUE(left[2].endpoint.empty());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(left[i].fd, kFirst + i);
    EXPECT_EQ(fcntl(left[i].fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(fcntl(left[i].fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) EXPECT_EQ(std::getenv(name), nullptr) << name;
  unlink(path.c_str());
  rmdir(folder);
}

TEST_F(ActivationTest, TakesByNameAndElseByAddress) {
  const int first = Tcp(true), second = Tcp(true), third = Tcp(true);
  const net::Endpoint at_first = NameOf(first), at_third = NameOf(third);
  HandOver({first, second, third}, "echo:echo:web");
  auto sockets = Read();
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  EXPECT_FALSE(sockets->Take("line", *net::Address::Parse("127.0.0.1:1")).has_value());
  EXPECT_FALSE(sockets->Take("line", net::Endpoint()).has_value());
  auto by_address = sockets->Take("line", at_third);
  ASSERT_TRUE(by_address.has_value());
  EXPECT_EQ(by_address->fd, kFirst + 2);
  auto by_name = sockets->Take("echo", net::Endpoint());
  ASSERT_TRUE(by_name.has_value());
  EXPECT_EQ(by_name->fd, kFirst);
  // A name goes before an address.
  auto next = sockets->Take("echo", at_first);
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->fd, kFirst + 1);
  EXPECT_TRUE(sockets->left().empty());
}

TEST_F(ActivationTest, WhatNobodyTookIsClosed) {
  HandOver({Tcp(true), Tcp(true)}, "a:b");
  {
    auto sockets = Read();
    ASSERT_TRUE(sockets.ok());
    InheritedSockets kept;
    kept = *std::move(sockets);
    InheritedSockets moved(std::move(kept));
    ASSERT_TRUE(moved.Take("a", {}).has_value());
  }
  EXPECT_TRUE(Open(kFirst));
  EXPECT_FALSE(Open(kFirst + 1));
}

TEST_F(ActivationTest, WithoutNamesTheyAreUnknown) {
  HandOver({Tcp(true)});
  auto sockets = Read();
  ASSERT_TRUE(sockets.ok());
  EXPECT_EQ(sockets->left()[0].name, "unknown");
}

TEST_F(ActivationTest, NothingIsHandedOver) {
  auto none = Read();
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->left().empty());

  HandOver({Tcp(true)}, "echo");
  setenv("LISTEN_PID", "1", 1);  // those of a parent
  auto others = Read();
  ASSERT_TRUE(others.ok());
  EXPECT_TRUE(others->left().empty());
  EXPECT_TRUE(Open(kFirst)) << "what is not ours is left alone";
  EXPECT_EQ(std::getenv("LISTEN_FDS"), nullptr);
}

TEST_F(ActivationTest, WhatIsNoListeningStreamSocketIsRefusedByName) {
  const struct {
    std::function<int()> make;
    const char* says;
  } cases[] = {
      {[] { return open("/dev/null", O_RDONLY | O_CLOEXEC); }, "is not a socket"},
      {[] { return socket(AF_INET, SOCK_DGRAM, 0); }, "ListenStream="},
      {[] { return socket(AF_UNIX, SOCK_SEQPACKET, 0); }, "ListenStream="},
      {[] { return Tcp(false); }, "does not listen"},
  };
  for (const auto& each : cases) {
    handed_ = 0;
    HandOver({each.make()}, "echo");
    auto sockets = Read();
    ASSERT_FALSE(sockets.ok()) << each.says;
    const std::string message(sockets.status().message());
    EXPECT_NE(message.find("descriptor 500 ('echo')"), std::string::npos) << message;
    EXPECT_NE(message.find(each.says), std::string::npos) << message;
  }
  handed_ = 0;
  HandOver({}, nullptr);
  setenv("LISTEN_FDS", "1", 1);
  auto closed = Read();
  ASSERT_FALSE(closed.ok());
  EXPECT_NE(closed.status().message().find("is not open"), absl::string_view::npos);
}

TEST_F(ActivationTest, NumbersAndNamesThatDoNotFitAreErrors) {
  for (const char* count : {"-1", "many", "2000000000"}) {
    HandOver({}, nullptr);
    setenv("LISTEN_FDS", count, 1);
    auto sockets = Read();
    ASSERT_FALSE(sockets.ok()) << count;
    EXPECT_NE(sockets.status().message().find(count), absl::string_view::npos);
  }
  handed_ = 0;
  HandOver({Tcp(true)}, "a:b");
  auto sockets = Read();
  ASSERT_FALSE(sockets.ok());
  EXPECT_NE(sockets.status().message().find("'a:b' does not have LISTEN_FDS=1 names"), absl::string_view::npos);
}

}  // namespace
}  // namespace mooring::server::systemd
