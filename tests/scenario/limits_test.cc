// SPDX-License-Identifier: Apache-2.0
// Limits on real sockets: what a listener, an address and a second may have, how long a connection may be here, and what
// happens when memory runs out.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "net/accept_rate.h"
#include "net/address_table.h"
#include "net/credit.h"
#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"

namespace mooring::scenario {
namespace {

using net::CloseCause;
using net::EngineCount;
using net::RefuseCause;
using net::StopCause;
using std::chrono::steady_clock;

constexpr uint32_t kHome = 0x7f000101;  // 127.0.1.1
constexpr uint32_t kElsewhere = 0x7f000102;

class Limits : public Scenario {};
INSTANTIATE_TEST_SUITE_P(Worlds, Limits, EveryWorld(), WorldName());

// Each has said "x"; how many have their answer.
int Answered(std::vector<Client>& clients) {
  return static_cast<int>(std::count_if(clients.begin(), clients.end(), [](Client& c) { return c.HasData(); }));
}

std::vector<Client> Greet(uint16_t port, int count, const ClientOptions& options = {}) {
  std::vector<Client> clients;
  for (int i = 0; i < count; ++i) {
    clients.emplace_back(port, options);
    clients.back().SendWhatFits("x");
  }
  return clients;
}

TEST_P(Limits, AListenersCapIsExactAndTheNextOneWaits) {
  net::Credit credit(6);
  {
    LoopbackServer server(Callbacks<EchoCallbacks>(), In({.shards = 2, .bounds = {.credit = &credit}}));
    std::vector<Client> clients = Greet(server.port(), 14);
    while (!clients.empty()) {
      const int open = std::min<int>(6, static_cast<int>(clients.size()));
      ASSERT_TRUE(server.Await([&] { return Answered(clients) == open; }));
      EXPECT_EQ(server.live(), static_cast<uint64_t>(open));
      const auto served = std::find_if(clients.begin(), clients.end(), [](Client& c) { return c.HasData(); });
      EXPECT_EQ(served->Receive(1), "x");
      served->Close();
      clients.erase(served);
      server.Await([&] { return server.live() <= static_cast<uint64_t>(std::min<size_t>(6, clients.size())); });
    }
    EXPECT_GE(server.Stops(StopCause::kListenerConnections), 1u);
  }
  EXPECT_EQ(credit.left(), 6);
}

TEST_P(Limits, WhoHasAsManyConnectionsAsAnAddressMayIsReset) {
  net::AddressTable process(5), listener(3);
  {
    LoopbackServer server(Callbacks<EchoCallbacks>(),
                          In({.shards = 2, .bounds = {.addresses = &listener}, .addresses = &process}));
    std::vector<Client> clients = Greet(server.port(), 3, {.source = kHome});
    ASSERT_TRUE(server.Await([&] { return Answered(clients) == 3; }));
    for (int i = 0; i < 4; ++i) {
      Client over(server.port(), {.source = kHome});
      Ending ending;
      EXPECT_EQ(over.ReceiveToEnd(&ending), "");
      EXPECT_EQ(ending, Ending::kReset);
    }
    EXPECT_EQ(server.Refused(RefuseCause::kListenerAddressLimit), 4u);
    Client other(server.port(), {.source = kElsewhere});
    EXPECT_EQ(other.Exchange("x", 1), "x");
    clients.pop_back();
    ASSERT_TRUE(server.Await([&] { return server.live() == 3; }));
    Client again(server.port(), {.source = kHome});
    EXPECT_EQ(again.Exchange("x", 1), "x");
    server.Await([&] { return server.Cause(CloseCause::kRefused) == 4; });
  }
  EXPECT_EQ(process.sources(), 0u);
  EXPECT_EQ(listener.sources(), 0u);
}

TEST_P(Limits, NoMoreAreAcceptedInASecondThanTheRate) {
  net::AcceptRate rate(50);
  LoopbackServer server(Callbacks<EchoCallbacks>(), In({.shards = 2, .rate = &rate}));
  const auto begin = steady_clock::now();
  std::vector<Client> clients = Greet(server.port(), 30);
  ASSERT_TRUE(server.Await([&] { return Answered(clients) == 30; }));
  // Five at once, and then one every 20 ms.
  EXPECT_GE(steady_clock::now() - begin, std::chrono::milliseconds(480));
  EXPECT_GE(server.Stops(StopCause::kRate), 1u);
}

TEST_P(Limits, ADrainEmptiesTheQueueOfAListenerThatHadToWait) {
  net::AcceptRate rate(1);
  LoopbackServer server(Callbacks<EchoCallbacks>(), In({.bounds = {.rate = &rate}}));
  std::vector<Client> clients = Greet(server.port(), 20);
  for (Client& client : clients) client.AwaitAcknowledged();
  server.BeginDrain();
  for (Client& client : clients) EXPECT_EQ(client.ReceiveToFin(), "x");
}

TEST_P(Limits, WhoSaysNothingIsClosed) {
  LoopbackServer server(Callbacks<EchoCallbacks>(), In({.service = {.first_byte_s = 1}}));
  Client spoken(server.port());
  EXPECT_EQ(spoken.Exchange("x", 1), "x");
  const auto begin = steady_clock::now();
  Client silent(server.port());
  EXPECT_EQ(silent.ReceiveToFin(), "");
  EXPECT_GE(steady_clock::now() - begin, std::chrono::seconds(1));
  server.Await([&] { return server.Count(EngineCount::kAccepted) == 2; });
  EXPECT_EQ(spoken.Exchange("x", 1), "x");
  silent.Close();
  server.Await([&] { return server.Cause(CloseCause::kNoFirstByte) == 1; });
}

// Lines all the time; each is answered that was acknowledged when the FIN came.
TEST_P(Limits, ABusyConnectionEndsAtItsAgeAndLosesNothing) {
  LoopbackServer server(Coroutine(ShortLines), In({.service = {.max_age_s = 2}}));
  const auto begin = steady_clock::now();
  Client client(server.port());
  for (;;) {
    const std::string answer = client.Exchange("abc\n", 4);
    ASSERT_EQ(answer, "abc\n");
    if (client.Now() != Ending::kStillOpen) break;
    pollfd one = {client.fd(), POLLIN, 0};
    if (poll(&one, 1, 20) != 0) break;
    ASSERT_LT(steady_clock::now() - begin, std::chrono::seconds(kPatienceSeconds));
  }
  EXPECT_GE(steady_clock::now() - begin, std::chrono::milliseconds(1800));
  EXPECT_EQ(client.ReceiveToFin(), "");
  client.Close();
  server.Await([&] { return server.Cause(CloseCause::kMaxAge) == 1; });
}

TEST_P(Limits, AtTheMemoryCeilingNewOnesAreResetAndIdleOnesClosed) {
  LoopbackServer server(Callbacks<EchoCallbacks>(), In({.shards = 2}));
  Client idle(server.port()), active(server.port());
  EXPECT_EQ(idle.Exchange("x", 1), "x");
  EXPECT_EQ(active.Exchange("x", 1), "x");
  server.SetMemoryPressure(1);
  Client refused(server.port());
  Ending ending;
  EXPECT_EQ(refused.ReceiveToEnd(&ending), "");
  EXPECT_EQ(ending, Ending::kReset);
  EXPECT_EQ(server.Refused(RefuseCause::kMemory), 1u);
  server.SetMemoryPressure(2);
  pollfd one = {idle.fd(), POLLIN, 0};
  while (poll(&one, 1, 100) == 0) ASSERT_EQ(active.Exchange("x", 1), "x");
  EXPECT_EQ(idle.ReceiveToFin(), "");
  EXPECT_EQ(active.Exchange("x", 1), "x");
  idle.Close();
  server.Await([&] { return server.Cause(CloseCause::kShed) == 1; });
  server.SetMemoryPressure(0);
  Client next(server.port());
  EXPECT_EQ(next.Exchange("x", 1), "x");
}

// Copies what it gets into blocks of its own.
struct Copies final : net::Handler {
  void OnData(net::Connection& conn, alloc::Lease data) override { conn.Write(data.view()); }
};

TEST_P(Limits, SlowReadersHoldNoMoreThanTheBoundAndOthersAreServed) {
  constexpr uint64_t kBound = 8 << 20;
  LoopbackServer server(Callbacks<Copies>(), In({.service = {.queue_high_bytes = 512 << 10}, .block_bytes_max = kBound}));
  const auto held = [&] { return server.OnShard(0, [](net::Engine& engine) { return engine.block_bytes(); }); };
  const std::string plenty(1 << 20, 'x');
  std::vector<Client> slow;
  uint64_t most = 0;
  for (int i = 0; i < 30; ++i) slow.emplace_back(server.port(), ClientOptions{.receive_buffer = 4096});
  // They send and never read, until the server takes no more of anybody.
  for (int round = 0; round < 20; ++round) {
    for (Client& client : slow) client.SendWhatFits(plenty);
    most = std::max(most, held());
    server.PassTime(5);
  }
  EXPECT_TRUE(server.Await([&] { return server.Count(EngineCount::kPressure) >= 1; }));
  // What a Poll brings of fast senders comes on top, until the end of its turn, when they are read no more.
  const uint64_t written = server.OnShard(0, [](net::Engine& engine) { return engine.shard()->buffers().block_bytes(); });
  EXPECT_LE(written, kBound / 2);
  std::printf("held at most %llu KB, written %llu KB\n", static_cast<unsigned long long>(most >> 10),
              static_cast<unsigned long long>(written >> 10));
  Client quick(server.port());
  EXPECT_EQ(quick.Exchange("hello", 5), "hello");
  EXPECT_EQ(server.live(), 31u) << "nobody was closed for it";
  for (Client& client : slow) client.Reset();
  server.Await([&] { return server.live() == 1 && held() == 0; });
  EXPECT_EQ(quick.Exchange("hello", 5), "hello");
}

}  // namespace
}  // namespace mooring::scenario
