// SPDX-License-Identifier: Apache-2.0
// The whole stack over the simulated kernel: claim, ring, io_uring transport, engine and a service, under many seeds.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "net/address.h"
#include "net/claim.h"
#include "net/engine.h"
#include "net/uring/provider.h"
#include "server/echo.h"
#include "tests/sim/world.h"

namespace mooring::sim {
namespace {

class Stack {
 public:
  Stack(uint64_t seed, uint32_t shards, net::Handler* handler, net::ServiceOptions service = {},
        Mood mood = Mood::kSeeded)
      : world(seed, {.shards = shards, .mood = mood}), provider_(&world.kernel()) {
    std::vector<net::Engine*> peers;
    for (uint32_t i = 0; i < shards; ++i) {
      core::Shard::Enter enter(&world.shard(i));
      auto engine = std::make_unique<net::Engine>(
          &world.shard(i), net::Engine::Options{.connections_max = 256, .shards = shards, .credit = nullptr});
      auto transport = provider_.Open(&world.shard(i), engine->events(),
                                      {.connections_max = 256, .shards = shards, .features_off = {}});
      EXPECT_TRUE(transport.ok()) << transport.status();
      engine->SetTransport(transport->get());
      engine->AddListener("service", handler, service);
      world.shard(i).SetPort(transport->get());
      peers.push_back(engine.get());
      engines_.push_back(std::move(engine));
      transports_.push_back(*std::move(transport));
    }
    for (auto& engine : engines_) engine->SetPeers(peers);
    auto claim = net::Claim::Take(&world.kernel(), *net::Address::Parse("127.0.0.1:0"),
                                  {.shards = static_cast<int>(shards), .backlog = 16});
    EXPECT_TRUE(claim.ok()) << claim.status();
    address_ = claim->address().ToString();
    for (uint32_t i = 0; i < shards; ++i) {
      core::Shard::Enter enter(&world.shard(i));
      engines_[i]->Listen(0, claim->Release(static_cast<int>(i)), 16);
    }
  }
  ~Stack() {
    for (uint32_t i = 0; i < engines_.size(); ++i) {
      core::Shard::Enter enter(&world.shard(i));
      transports_[i].reset();
      engines_[i].reset();
    }
  }

  SimPeer* Connect() { return world.kernel().Connect(address_); }
  uint32_t live() const {
    uint32_t live = 0;
    for (const auto& engine : engines_) live += engine->live();
    return live;
  }
  // Drains every shard; false when that did not end within `ms`.
  bool Drain(int64_t ms) {
    unsigned drained = 0;
    for (uint32_t i = 0; i < engines_.size(); ++i) {
      EXPECT_TRUE(world.shard(i).Post([this, i, &drained] { engines_[i]->BeginDrain([&drained] { ++drained; }); }));
    }
    return world.RunUntil([&] { return drained == engines_.size(); }, ms);
  }

  World world;

 private:
  net::uring::UringProvider provider_;
  std::vector<std::unique_ptr<net::Engine>> engines_;
  std::vector<std::unique_ptr<net::Transport>> transports_;
  std::string address_;
};

std::string Text(int which, size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i)
    text[i] = static_cast<char>('a' + (i * 7 + i / 26 + static_cast<size_t>(which)) % 26);
  return text;
}

TEST(Stack, EchoesEveryByteThenCloses) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    server::Echo echo;
    Stack stack(seed, 2, &echo);
    std::vector<SimPeer*> peers;
    for (int i = 0; i < 12; ++i) {
      peers.push_back(stack.Connect());
      peers.back()->CloseOnEof();
      peers.back()->Send(Text(i, 100 + 5'000 * i));
      peers.back()->HalfClose();
    }
    stack.world.RunFor(2'000);
    for (int i = 0; i < 12; ++i) {
      ASSERT_EQ(peers[i]->received().size(), Text(i, 100 + 5'000 * i).size());
      ASSERT_EQ(peers[i]->received(), Text(i, 100 + 5'000 * i));
      ASSERT_TRUE(peers[i]->saw_fin());
      ASSERT_FALSE(peers[i]->saw_reset());
    }
    EXPECT_EQ(stack.live(), 0u);
  }
}

TEST(Stack, ADrainAnswersWhatWasReceivedAndResetsNobody) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    server::Echo echo;
    Stack stack(seed, 2, &echo);
    std::vector<SimPeer*> peers;
    for (int i = 0; i < 8; ++i) {
      peers.push_back(stack.Connect());
      peers.back()->CloseOnEof();
      peers.back()->Send(Text(i, 3'000));
    }
    stack.world.RunFor(10);
    for (SimPeer* peer : peers) ASSERT_EQ(peer->unacknowledged(), 0u);
    ASSERT_TRUE(stack.Drain(10'000));
    stack.world.RunFor(100);
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(peers[i]->received(), Text(i, 3'000));
      EXPECT_TRUE(peers[i]->saw_fin());
      EXPECT_FALSE(peers[i]->saw_reset());
    }
    EXPECT_EQ(stack.live(), 0u);
  }
}

TEST(Stack, PeersThatResetStallAndVanishAreForgotten) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    server::Echo echo;
    Stack stack(seed, 2, &echo, {.idle_timeout_s = 20, .write_stall_s = 10});
    for (int i = 0; i < 12; ++i) {
      SimPeer* peer = stack.Connect();
      peer->Send(Text(i, 10'000 * i));
      for (uint64_t step = (seed * 13 + 29 * i) % 150; step > 0 && stack.world.Step(); --step) {
      }
      switch (i % 4) {
        case 0: peer->Reset(); break;
        case 1: peer->Stall(); break;
        case 2: peer->Vanish(); break;
        default: peer->Close(); break;
      }
    }
    stack.world.RunFor(120'000);
    EXPECT_EQ(stack.live(), 0u);
  }
}

}  // namespace
}  // namespace mooring::sim
