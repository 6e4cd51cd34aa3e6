// SPDX-License-Identifier: Apache-2.0
// Shards that run at once and ask each other for what their connections want.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/shard.h"
#include "core/sleep.h"
#include "core/submit_to.h"
#include "net/post.h"
#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scale.h"
#include "tests/scenario/scenario.h"

namespace mooring::scenario {
namespace {

using core::Shard;
using net::Connection;

constexpr int kShards = 2;
constexpr int kLines = 40;

class Across : public Scenario {};
INSTANTIATE_TEST_SUITE_P(Worlds, Across, EveryWorld(), WorldName());

uint32_t Other() { return 1 - Shard::Current()->id(); }

std::string Reversed(std::string text) {
  std::reverse(text.begin(), text.end());
  return text;
}

// The other shard posts to the connection, and then answers its task: mail of one sender comes in order.
core::Task<> AskTheOther(Connection& conn) {
  for (;;) {
    auto line = co_await conn.ReadLine();
    if (!line) co_return;
    auto fn = [text = std::string(*line), id = conn.id()]() -> core::Task<std::string> {
      if (text.size() % 2 == 0) co_await core::Sleep(core::kNanosPerMs);
      const bool posted = net::Post(id, [](Connection& back) { back.Write("posted "); });
      co_return posted ? Reversed(text) : "refused";
    };
    auto answered = co_await core::SubmitTo(Other(), std::move(fn));
    if (!answered.ok()) co_return;
    conn.Write(*answered);
    conn.Write("\n");
  }
}

TEST_P(Across, EveryLineIsPostedToAndAnsweredByTheOtherShard) {
  LoopbackServer server(Coroutine(AskTheOther), In({.shards = kShards}));
  std::vector<Client> clients;
  const auto clients_max = static_cast<size_t>(Scaled(60));
  while (clients.size() < clients_max) clients.emplace_back(server.port());
  std::string expected;
  for (int i = 0; i < kLines; ++i) {
    const std::string text(static_cast<size_t>(i % 50 + 1), static_cast<char>('a' + i % 26));
    for (Client& client : clients) ASSERT_TRUE(client.Send(text + "z\n"));
    expected += "posted z" + text + "\n";
  }
  for (Client& client : clients) {
    ASSERT_EQ(client.Receive(expected.size()), expected);
    client.ShutdownWrite();
  }
  for (Client& client : clients) EXPECT_EQ(client.ReceiveToFin(), "");
  EXPECT_EQ(server.Count(net::EngineCount::kPostsStale), 0u);
}

core::Task<> WaitForTheOther(Connection& conn) {
  conn.Write("waits");
  auto fn = [text = std::string("nobody will see it any more")]() -> core::Task<std::string> {
    co_await core::Sleep(3600 * core::kNanosPerSecond);
    co_return text;
  };
  auto answered = co_await core::SubmitTo(Other(), std::move(fn));
  if (!answered.ok()) conn.Write("cancelled");
}

TEST_P(Across, WhoWaitsForTheOtherShardIsCut) {
  LoopbackServer server(Coroutine(WaitForTheOther), In({.shards = kShards}));
  std::vector<Client> clients;
  while (clients.size() < 50) clients.emplace_back(server.port());
  for (Client& client : clients) ASSERT_EQ(client.Receive(5), "waits");
  server.BeginDrain();
  server.CutAll();
  EXPECT_TRUE(server.AwaitDrained());
}

}  // namespace
}  // namespace mooring::scenario
