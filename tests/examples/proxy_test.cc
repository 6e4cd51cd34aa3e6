// SPDX-License-Identifier: Apache-2.0
// docs/examples/proxy.cc, with the test at both of its ends.
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>

#include "tests/examples/example.h"
#include "tests/examples/target.h"
#include "tests/scenario/client.h"

namespace mooring::examples {
namespace {

using scenario::Client;
using scenario::Ending;

struct Ends {
  Ends() : proxy("proxy", {"--shards=1", "--to=127.0.0.1:" + std::to_string(target.port())}) {
    scenario::ClientOptions narrow;
    narrow.receive_buffer = 65536;
    narrow.send_buffer = 65536;
    client = Client(proxy.port(), narrow);
    upstream = target.Accept();
  }

  Target target;
  Example proxy;
  Client client;
  Client upstream;
};

TEST(ProxyExample, PassesBothWaysAndTheClientsHalfCloseFirst) {
  Ends ends;
  ASSERT_TRUE(ends.client.Send("hello"));
  EXPECT_EQ(ends.upstream.Receive(5), "hello");
  ASSERT_TRUE(ends.client.Send("bye"));
  ends.client.ShutdownWrite();
  EXPECT_EQ(ends.upstream.ReceiveToFin(), "bye");
  EXPECT_EQ(ends.client.Now(), Ending::kStillOpen);
  EXPECT_EQ(ends.upstream.Send("still here"), true);
  EXPECT_EQ(ends.client.Receive(10), "still here");
  ends.upstream.Close();
  EXPECT_EQ(ends.client.ReceiveToFin(), "");
  ends.client.Close();
  ends.proxy.ExpectDrained();
}

TEST(ProxyExample, PassesOnTheTargetsHalfCloseFirst) {
  Ends ends;
  ASSERT_TRUE(ends.upstream.Send("greeting"));
  ends.upstream.ShutdownWrite();
  EXPECT_EQ(ends.client.ReceiveToFin(), "greeting");
  EXPECT_EQ(ends.upstream.Now(), Ending::kStillOpen);
  ASSERT_TRUE(ends.client.Send("answer"));
  EXPECT_EQ(ends.upstream.Receive(6), "answer");
  ends.client.Close();
  EXPECT_EQ(ends.upstream.ReceiveToFin(), "");
}

uint64_t ResidentBytes(pid_t pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  uint64_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// 8 MB more than the kernel holds for a reader who waits: the test's own sockets have small buffers, and the one that
// the proxy reads from grows to at most the last of net.ipv4.tcp_rmem (tcp(7)).
size_t MoreThanTheKernelHolds() {
  size_t least = 0, first = 0, most = 0;
  std::ifstream("/proc/sys/net/ipv4/tcp_rmem") >> least >> first >> most;
  return most + (8u << 20);
}

void SendToAReaderWhoWaits(Ends* ends, Client* from, Client* to) {
  const size_t size = MoreThanTheKernelHolds();
  std::string bytes;
  for (uint32_t i = 0; bytes.size() < size; ++i) bytes += std::to_string(i * 2654435761u);
  const uint64_t before = ResidentBytes(ends->proxy.daemon().pid());
  // It stands still when the socket takes nothing for a while; that it stops at all is what is asked.
  size_t sent = 0;
  pollfd writable = {from->fd(), POLLOUT, 0};
  while (sent < bytes.size() && poll(&writable, 1, 300) == 1) {
    sent += from->SendWhatFits(std::string_view(bytes).substr(sent));
  }
  ASSERT_LT(sent, bytes.size()) << "a reader who waits does not slow down the sender";
  const uint64_t held = ResidentBytes(ends->proxy.daemon().pid()) - before;
  EXPECT_LT(held, 4u << 20) << "of " << sent << " bytes";

  std::string got;
  while (got.size() < bytes.size()) {
    sent += from->SendWhatFits(std::string_view(bytes).substr(sent));
    const std::string some = to->ReceiveSome(10'000);
    ASSERT_FALSE(some.empty()) << "ended after " << got.size();
    got += some;
  }
  EXPECT_TRUE(got == bytes);
}

TEST(ProxyExample, SlowReaderSlowsTheSenderDownAndMemoryStaysBounded) {
  Ends ends;
  SendToAReaderWhoWaits(&ends, &ends.client, &ends.upstream);
  SendToAReaderWhoWaits(&ends, &ends.upstream, &ends.client);
  ends.client.Close();
  EXPECT_EQ(ends.upstream.ReceiveToFin(), "");
  ends.upstream.Close();
  ends.proxy.ExpectDrained();
}

TEST(ProxyExample, NobodyAtTheTargetClosesTheClient) {
  Target target;
  Example proxy("proxy", {"--to=127.0.0.1:" + std::to_string(target.port())});
  target.Close();
  Client client(proxy.port());
  EXPECT_EQ(client.ReceiveToFin(), "");
}

TEST(ProxyExample, ResetIsPassedOn) {
  {
    Ends ends;
    EXPECT_TRUE(ends.client.Send("x"));
    EXPECT_EQ(ends.upstream.Receive(1), "x");
    ends.client.Reset();
    Ending ending;
    EXPECT_EQ(ends.upstream.ReceiveToEnd(&ending), "");
    EXPECT_EQ(ending, Ending::kReset);
  }
  {
    Ends ends;
    ends.upstream.Reset();
    Ending ending;
    EXPECT_EQ(ends.client.ReceiveToEnd(&ending), "");
    EXPECT_EQ(ending, Ending::kReset);
    ends.proxy.ExpectDrained();
  }
}

TEST(ProxyExample, DrainEndsBothSides) {
  Ends ends;
  ASSERT_TRUE(ends.client.Send("request"));
  EXPECT_EQ(ends.upstream.Receive(7), "request");
  ends.proxy.daemon().Signal(SIGTERM);
  EXPECT_EQ(ends.upstream.ReceiveToFin(), "");
  ASSERT_TRUE(ends.upstream.Send("answer"));
  ends.upstream.Close();
  EXPECT_EQ(ends.client.ReceiveToFin(), "answer");
  ends.client.Close();
  EXPECT_EQ(ends.proxy.daemon().AwaitExit(), 0);
}

}  // namespace
}  // namespace mooring::examples
