// SPDX-License-Identifier: Apache-2.0
// Networks that fail, in namespaces of their own: no local port left, and peers behind a link that goes down.
//
//   this process' namespace: server, 10.77.0.1 on harbour ══ veth ══ mole, 10.77.0.2: sockets of the peers
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "net/connect_error.h"
#include "net/dialer.h"
#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"
#include "tests/scenario/swarm.h"

namespace mooring::scenario {
namespace {

using net::CloseCause;
using net::Connection;
using net::EngineCount;

bool Up(const char* interface, bool up) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request = {};
  std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  bool done = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  request.ifr_flags = static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
  done = done && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  close(fd);
  return done;
}

bool Shell(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

int ThisNamespace() { return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC); }

// This thread's own network namespace, and the shards' that it starts; a new one for each test.
class Network : public Scenario {
 protected:
  void SetUp() override {
    Scenario::SetUp();
    if (IsSkipped()) return;
    before_ = ThisNamespace();
    if (unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "no network namespace to be had (root only): " << strerror(errno);
    ours_ = ThisNamespace();
    ASSERT_TRUE(Up("lo", true));
  }
  void TearDown() override {
    if (ours_ >= 0) {
      EXPECT_EQ(setns(before_, CLONE_NEWNET), 0);
      close(ours_);
    }
    if (before_ >= 0) close(before_);
  }

  int before_ = -1;
  int ours_ = -1;
};

// Passes on to a Dialer, as any user of one does.
class Outbound final : public net::Handler {
 public:
  net::Dialer* dialer = nullptr;
  void OnOpen(Connection& conn) override { dialer->OnOpen(conn); }
  void OnData(Connection&, alloc::Lease) override {}
  void OnClose(Connection& conn, CloseCause cause) override { dialer->OnClose(conn, cause); }
};

TEST_P(Network, WithoutALocalPortAConnectFailsClearlyAndIsCounted) {
  {
    std::ofstream range("/proc/sys/net/ipv4/ip_local_port_range");
    range << "40000 40009" << std::flush;
    if (!range.good()) GTEST_SKIP() << "the range of local ports can't be set here";
  }
  Outbound handler;
  std::unique_ptr<net::Dialer> dialer;
  LoopbackServer server(Callbacks<EchoCallbacks>(), In());
  const uint16_t port = server.port();
  server.OnShard(0, [&](net::Engine& engine) {
    net::Address to = *net::Address::Parse("127.0.0.1:0");
    to.set_port(port);
    dialer = std::make_unique<net::Dialer>(
        &engine, net::Dialer::Options{.profile = engine.AddListener("out", &handler, {}), .target = to});
    handler.dialer = dialer.get();
  });
  const auto open = [&](int n) {
    server.OnShard(0, [&](net::Engine&) {
      for (int i = 0; i < n; ++i) ASSERT_NE(dialer->Open(), nullptr);
    });
  };
  const auto failed = [&] { return server.OnShard(0, [&](net::Engine&) { return dialer->failed(); }); };
  open(30);
  server.Await([&] { return server.Count(EngineCount::kConnected) + failed() == 30; });
  // The server's port may be one of the ten.
  EXPECT_LE(server.Count(EngineCount::kConnected), 10u);
  EXPECT_GE(server.Count(EngineCount::kConnected), 9u);
  EXPECT_EQ(server.Cause(CloseCause::kConnectFailed), failed());
  server.OnShard(0, [&](net::Engine&) {
    ASSERT_EQ(dialer->failures().size(), 1u);
    EXPECT_EQ(dialer->failures().begin()->first, EADDRNOTAVAIL);
  });
  EXPECT_EQ(net::ExplainConnectError(EADDRNOTAVAIL).find("no free local port: widen"), 0u);
  // When the others have gone there are ports again.
  const uint64_t before = server.Count(EngineCount::kConnected);
  server.OnShard(0, [](net::Engine& engine) { engine.ForEach([](Connection* conn) { conn->Abort(); }); });
  server.Await([&] { return server.live() == 0; });
  open(5);
  server.Await([&] { return server.Count(EngineCount::kConnected) == before + 5; });
  server.OnShard(0, [](net::Engine& engine) { engine.ForEach([](Connection* conn) { conn->Abort(); }); });
  server.Await([&] { return server.live() == 0; });
}

class Link : public Network {
 protected:
  void SetUp() override {
    Network::SetUp();
    if (IsSkipped()) return;
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    theirs_ = ThisNamespace();
    ASSERT_TRUE(Up("lo", true));
    ASSERT_EQ(setns(ours_, CLONE_NEWNET), 0);
    if (!Shell("ip -V")) GTEST_SKIP() << "no ip command; apt install iproute2";
    if (!Shell("ip link add harbour type veth peer name mole")) GTEST_SKIP() << "this kernel makes no veth pairs";
    // By descriptor: the namespace has no name and no process.
    ASSERT_TRUE(Shell("ip link set mole netns /proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(theirs_)));
    ASSERT_TRUE(Shell("ip addr add 10.77.0.1/24 dev harbour && ip link set harbour up"));
    Theirs([] { ASSERT_TRUE(Shell("ip addr add 10.77.0.2/24 dev mole && ip link set mole up")); });
  }
  void TearDown() override {
    if (theirs_ >= 0) close(theirs_);
    Network::TearDown();
  }

  template <class F>
  void Theirs(F f) {
    ASSERT_EQ(setns(theirs_, CLONE_NEWNET), 0);
    f();
    ASSERT_EQ(setns(ours_, CLONE_NEWNET), 0);
  }
  LoopbackOptions OnLink(LoopbackOptions options = {}) {
    options.address = "10.77.0.1";
    return In(options);
  }
  Client Connect(uint16_t port, int receive_buffer = 0) {
    int fd = -1;
    Theirs([&] { fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); });
    if (receive_buffer != 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = inet_addr("10.77.0.1");
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0) << strerror(errno);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return Client::Of(fd);
  }

  int theirs_ = -1;
};

TEST_P(Link, GoneForGoodLetsIdlePeersGo) {
  LoopbackServer server(Callbacks<EchoCallbacks>(), OnLink({.service = {.idle_timeout_s = 2}}));
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(Connect(server.port()));
    ASSERT_EQ(clients.back().Exchange("x", 1), "x");
  }
  ASSERT_TRUE(Up("harbour", false));
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kIdle), 20u);
}

TEST_P(Link, GoneForGoodEndsThoseWhoAreOwedBytes) {
  LoopbackServer server(Callbacks<EchoCallbacks>(), OnLink({.service = {.write_stall_s = 2}}));
  std::vector<Client> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(Connect(server.port(), 4096));
    clients.back().SendWhatFits(std::string(300'000, 'x'));
  }
  server.Await([&] { return server.Count(EngineCount::kSendsBlocked) > 0; });
  ASSERT_TRUE(Up("harbour", false));
  // Those of which nothing is queued any more are nobody's debt, and stay; the drain's deadline cuts them.
  server.Await([&] { return server.Cause(CloseCause::kWriteStalled) > 0; });
  server.BeginDrain();
  server.CutAll();
  EXPECT_TRUE(server.AwaitDrained());
  EXPECT_EQ(server.Cause(CloseCause::kWriteStalled) + server.Cause(CloseCause::kDrainDeadline) +
                server.Cause(CloseCause::kPeerTimedOut),
            10u);
}

TEST_P(Link, GoneForAWhileLosesNoByte) {
  LoopbackServer server(Callbacks<EchoCallbacks>(), OnLink());
  std::vector<Client> clients;
  std::vector<size_t> sent;
  for (uint32_t i = 0; i < 10; ++i) {
    clients.push_back(Connect(server.port()));
    sent.push_back(clients.back().SendWhatFits(StreamBytes(5, i, 0, 60'000)));
  }
  ASSERT_TRUE(Up("harbour", false));
  for (uint32_t i = 0; i < clients.size(); ++i) {
    sent[i] += clients[i].SendWhatFits(StreamBytes(5, i, sent[i], 30'000));
  }
  server.PassTime(300);
  ASSERT_TRUE(Up("harbour", true));
  for (uint32_t i = 0; i < clients.size(); ++i) {
    clients[i].ShutdownWrite();
    const std::string got = clients[i].ReceiveToFin();
    std::string expected(StreamBytes(5, i, 0, std::min<size_t>(sent[i], 60'000)));
    expected += StreamBytes(5, i, expected.size(), sent[i] - expected.size());
    EXPECT_TRUE(got == expected) << got.size() << " of " << expected.size();
    clients[i].Close();
  }
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerClosed), 10u);
}

INSTANTIATE_TEST_SUITE_P(Worlds, Network, PlainWorlds(), WorldName());
INSTANTIATE_TEST_SUITE_P(Worlds, Link, PlainWorlds(), WorldName());

}  // namespace
}  // namespace mooring::scenario
