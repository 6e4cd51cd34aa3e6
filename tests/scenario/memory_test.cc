// SPDX-License-Identifier: Apache-2.0
// What idle connections cost in user memory, and that it comes back. Counts what the kernel says is resident, of server
// and clients together; a client costs an int here.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "core/limits.h"
#include "server/line.h"
#include "tests/alloc/resident.h"
#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scale.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"

namespace mooring::scenario {
namespace {

#ifdef MOORING_OPTIMIZED
constexpr bool kAssertBytes = !kSanitized;
#else
constexpr bool kAssertBytes = false;
#endif

bool EnoughDescriptors(int n) {
  (void)core::RaiseDescriptorLimit();
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur >= static_cast<rlim_t>(n) + 100;
}

// n connections with one exchange done, from several sources, for they are more than there are ports.
void Open(uint16_t port, int n, std::vector<Client>* clients) {
  for (int i = 0; i < n; ++i) {
    clients->emplace_back(port, ClientOptions{.source = 0x7f000002u + static_cast<uint32_t>(i % 8)});
    ASSERT_TRUE(clients->back().open());
  }
  for (Client& client : *clients) ASSERT_TRUE(client.Send("hello\n"));
  for (Client& client : *clients) ASSERT_EQ(client.Receive(3), "OK\n");
}

class Memory : public Scenario {
 protected:
  // Where a connection takes a descriptor its other end, which is in this process too, is not the only one.
  static int DescriptorsOf(int connections) {
    return net::TakesDescriptors(world().transport) ? 2 * connections : connections;
  }
};

TEST_P(Memory, OfIdleConnections) {
  constexpr int kConnections = 5000;
  const int needed = DescriptorsOf(kConnections);
  if (!EnoughDescriptors(needed)) GTEST_SKIP() << "needs " << needed << " descriptors: ulimit -n";
  LoopbackServer server(Coroutine(server::Line), In());
  std::vector<Client> clients;
  clients.reserve(kConnections);
  {
    std::vector<Client> warm_up;
    Open(server.port(), 100, &warm_up);
  }
  server.Await([&] { return server.live() == 0; });
  server.PassTime(5000);  // idle memory is what is left after five seconds of rest
  const int64_t before = alloc::ResidentBytes();
  Open(server.port(), kConnections, &clients);
  server.PassTime(5000);
  ASSERT_EQ(server.live(), static_cast<uint64_t>(kConnections));
  const double each = static_cast<double>(alloc::ResidentBytes() - before) / kConnections;
  std::printf("resident bytes per idle connection: %.0f\n", each);
  if (kAssertBytes) {
    EXPECT_LE(each, 256);
  }
  EXPECT_LE(server.Bytes(alloc::Purpose::kConnections), kConnections * 128u + (128u << 10));
  EXPECT_LE(server.Bytes(alloc::Purpose::kFrames), kConnections * 256u + (256u << 10));
  // Each still answers.
  for (Client& client : clients) ASSERT_TRUE(client.Send("again\n"));
  for (Client& client : clients) ASSERT_EQ(client.Receive(3), "OK\n");
}

TEST_P(Memory, ComesBackAfterManyConnections) {
  const bool modern = world().transport == net::TransportKind::kUring;
  const int at_once = Scaled(modern ? 15'000 : 8'000);
  const int in_turn = Scaled(modern ? 100'000 : 32'000);
  const int needed = DescriptorsOf(at_once);
  if (!EnoughDescriptors(needed)) GTEST_SKIP() << "needs " << needed << " descriptors: ulimit -n";
  LoopbackServer server(Coroutine(server::Line), In());
  std::vector<Client> clients;
  clients.reserve(static_cast<size_t>(at_once));
  Open(server.port(), 1000, &clients);
  for (Client& client : clients) client.Reset();
  clients.clear();
  server.Await([&] { return server.live() == 0; });
  server.PassTime(6000);
  const int64_t before = alloc::ResidentBytes();
  int64_t peak = before;
  for (int opened = 0; opened < in_turn; opened += at_once) {
    Open(server.port(), at_once, &clients);
    peak = std::max(peak, alloc::ResidentBytes());
    for (Client& client : clients) client.Reset();
    clients.clear();
    server.Await([&] { return server.live() == 0; });
  }
  int64_t after = 0;
  for (int half_seconds = 0; half_seconds < 20; ++half_seconds) {
    server.PassTime(500);
    after = alloc::ResidentBytes();
    if (after - before <= (peak - before) / 10) break;
  }
  std::printf("resident: %lld before, %lld at the peak, %lld after\n", static_cast<long long>(before),
              static_cast<long long>(peak), static_cast<long long>(after));
  EXPECT_GT(peak - before, at_once * 100) << "there was something to give back";
  if (!kSanitized) {
    EXPECT_LE(after - before, (peak - before) / 10);
  }
}
INSTANTIATE_TEST_SUITE_P(Worlds, Memory, PlainWorlds(), WorldName());

}  // namespace
}  // namespace mooring::scenario
