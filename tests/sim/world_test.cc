// SPDX-License-Identifier: Apache-2.0
// Shards over the simulated kernel, with the smallest port that echoes.
#include "tests/sim/world.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <memory>
#include <string>

#include "core/event_port.h"
#include "core/ring.h"
#include "core/timer_wheel.h"
#include "tests/sim/machine.h"

namespace mooring::sim {
namespace {

// One listener, one-shot receives into its own memory, one send at a time; closes at the end of the stream.
class EchoPort final : public core::EventPort {
 public:
  EchoPort(SimKernel* kernel, uint16_t* port)
      : kernel_(kernel),
        machine_(kernel),
        hands_(&machine_, {.sq_entries = 32, .cq_entries = 256, .features_off = {}}, 64) {
    listener_ = hands_.Listen(port, 64);
    wake_fd_ = kernel->EventFd();
    hands_.MultishotAccept(listener_, Tag(kAccept, 0));
    io_uring_sqe* sqe = hands_.Sqe(IORING_OP_POLL_ADD, wake_fd_, Tag(kWake, 0), false);
    sqe->poll32_events = POLLIN;
    sqe->len = IORING_POLL_ADD_MULTI;
  }

  void Poll(core::Nanos wait, Sleeper* sleeper) override {
    hands_.ring().Enter(wait == 0 ? 0 : 1, wait);
    sleeper->OnAwake();
    ++polls;
    hands_.ring().Reap([this](const io_uring_cqe& cqe) { On(cqe); });
  }
  int Watch(int, uint32_t, Watcher*) override { return -ENOSYS; }
  void Unwatch(int) override {}
  void Wake() override { kernel_->Signal(wake_fd_); }

  uint64_t polls = 0;
  size_t open() const { return connections_.size(); }

 private:
  enum Op : uint64_t { kAccept, kWake, kReceive, kSend, kClose };
  static uint64_t Tag(Op op, int slot) { return op << 32 | static_cast<uint64_t>(slot); }
  struct Connection {
    std::string in = std::string(4096, '\0');
    std::string out;
  };

  void Receive(int slot) {
    Connection& connection = connections_[slot];
    io_uring_sqe* sqe = hands_.Sqe(IORING_OP_RECV, slot, Tag(kReceive, slot));
    sqe->addr = reinterpret_cast<uint64_t>(connection.in.data());
    sqe->len = static_cast<unsigned>(connection.in.size());
  }
  void On(const io_uring_cqe& cqe) {
    const int slot = static_cast<int>(cqe.user_data & 0xffffffff);
    switch (static_cast<Op>(cqe.user_data >> 32)) {
      case kAccept: Receive(cqe.res); return;
      case kWake:
      case kClose: return;
      case kReceive:
        if (cqe.res <= 0) {
          hands_.CloseSlot(slot, Tag(kClose, slot));
          connections_.erase(slot);
          return;
        }
        connections_[slot].out.assign(connections_[slot].in, 0, static_cast<size_t>(cqe.res));
        hands_.Send(slot, Tag(kSend, slot), connections_[slot].out, true);
        return;
      case kSend:
        if (cqe.res < 0) {
          Receive(slot);  // it says why
          return;
        }
        connections_[slot].out.erase(0, static_cast<size_t>(cqe.res));
        if (connections_[slot].out.empty()) {
          Receive(slot);
        } else {
          hands_.Send(slot, Tag(kSend, slot), connections_[slot].out, true);
        }
        return;
    }
  }

  struct Bare final : Machine {
    explicit Bare(SimKernel* k) : sim(k) {}
    core::Kernel* kernel() override { return sim; }
    std::unique_ptr<Client> Connect(uint16_t) override { return nullptr; }
    std::unique_ptr<Client> ConnectUnix(const std::string&) override { return nullptr; }
    void Unlink(const std::string&) override {}
    void Settle() override {}
    void AllowFullTable(core::Ring*) override {}
    void LimitDescriptors(bool) override {}
    SimKernel* const sim;
  };
  SimKernel* const kernel_;
  Bare machine_;
  std::map<int, Connection> connections_;  // outlives the ring, as the kernel law asks
  Hands hands_;
  int listener_ = -1;
  int wake_fd_ = -1;
};

struct EchoWorld {
  explicit EchoWorld(uint64_t seed, uint32_t shards = 1, Mood mood = Mood::kSeeded)
      : world(seed, {.shards = shards, .mood = mood}) {
    for (uint32_t i = 0; i < shards; ++i) {
      uint16_t port = 0;
      ports.push_back(std::make_unique<EchoPort>(&world.kernel(), &port));
      addresses.push_back("127.0.0.1:" + std::to_string(port));
      world.shard(i).SetPort(ports.back().get());
    }
  }
  World world;
  std::vector<std::unique_ptr<EchoPort>> ports;  // go before the world
  std::vector<std::string> addresses;
};

TEST(World, EchoesUnderEverySeed) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    EchoWorld echo(seed, /*shards=*/2);
    std::vector<SimPeer*> peers;
    for (int i = 0; i < 10; ++i) {
      SimPeer* peer = echo.world.kernel().Connect(echo.addresses[i % 2]);
      peer->Send(std::string(3000 + i, static_cast<char>('a' + i)));
      peer->HalfClose();
      peers.push_back(peer);
    }
    echo.world.RunUntilIdle();
    for (int i = 0; i < 10; ++i) {
      ASSERT_EQ(peers[i]->received(), std::string(3000 + i, static_cast<char>('a' + i)));
      ASSERT_TRUE(peers[i]->saw_fin());
    }
    EXPECT_EQ(echo.ports[0]->open() + echo.ports[1]->open(), 0u);
    EXPECT_EQ(echo.world.kernel().descriptors().open(), 6u) << "two rings, two listeners, two eventfds";
  }
}

TEST(World, PeersThatEndBadlyLeaveNothingOpen) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    EchoWorld echo(seed);
    for (int i = 0; i < 6; ++i) {
      SimPeer* peer = echo.world.kernel().Connect(echo.addresses[0]);
      peer->Send(std::string(20'000, 'x'));
      for (uint64_t step = seed % 40 + 7 * i; step > 0 && echo.world.Step(); --step) {
      }
      if (i % 2 == 0) peer->Close(); else peer->Reset();
    }
    echo.world.RunUntilIdle();
    EXPECT_EQ(echo.ports[0]->open(), 0u);
  }
}

TEST(World, AStalledPeerHoldsItsEchoAndNobodyElses) {
  EchoWorld echo(9, 1, Mood::kCalm);
  SimPeer* stalled = echo.world.kernel().Connect(echo.addresses[0]);
  stalled->Stall();
  stalled->Send(std::string(16 << 20, 's'));
  SimPeer* other = echo.world.kernel().Connect(echo.addresses[0]);
  other->Send("quick");
  echo.world.RunUntilIdle();
  EXPECT_EQ(other->received(), "quick");
  EXPECT_GT(stalled->unacknowledged(), 1u << 20) << "back-pressure reaches the writer";
  stalled->Resume();
  echo.world.RunUntilIdle();
  EXPECT_EQ(stalled->received().size(), 16u << 20);
}

TEST(World, TheClockMovesToTheNextDeadlineOnly) {
  EchoWorld echo(4);
  World& world = echo.world;
  struct Fired {
    std::vector<int64_t> at_ms;
    World* world;
  } fired = {{}, &world};
  core::Timer timer;
  {
    core::Shard::Enter enter(&world.shard(0));
    world.shard(0).wheel().SetExpire(
        core::TimerKind::kConnection,
        [](void* context, core::Timer*) {
          auto* to = static_cast<Fired*>(context);
          to->at_ms.push_back(to->world->now_ms());
        },
        &fired);
    world.shard(0).wheel().Arm(&timer, core::TimerKind::kConnection, world.now_ms() + 1500);
  }
  const int64_t start = world.now_ms();
  world.RunUntilIdle();
  EXPECT_EQ(world.now_ms(), start) << "idle does not pass time";
  const uint64_t polls = echo.ports[0]->polls;
  world.RunFor(1499);
  EXPECT_TRUE(fired.at_ms.empty());
  world.RunFor(3000);
  EXPECT_EQ(world.now_ms(), start + 4499);
  ASSERT_EQ(fired.at_ms.size(), 1u);
  EXPECT_EQ(fired.at_ms[0], start + 1500);
  EXPECT_LE(echo.ports[0]->polls - polls, 4u) << "a sleeping shard is not turned";
}

TEST(World, MailWakesASleepingShard) {
  EchoWorld echo(5, 2);
  echo.world.RunUntilIdle();
  bool delivered = false;
  EXPECT_TRUE(echo.world.shard(1).Post([&] {
    delivered = true;
    EXPECT_EQ(core::Shard::Current()->id(), 1u);
  }));
  echo.world.RunUntilIdle();
  EXPECT_TRUE(delivered);
}

TEST(World, RunUntilGivesUpAtItsTime) {
  EchoWorld echo(6);
  const int64_t start = echo.world.now_ms();
  EXPECT_FALSE(echo.world.RunUntil([] { return false; }, 250));
  EXPECT_EQ(echo.world.now_ms(), start + 250);
  SimPeer* peer = echo.world.kernel().Connect(echo.addresses[0]);
  peer->ReadSlowly(1, 10);
  peer->Send("slow");
  EXPECT_TRUE(echo.world.RunUntil([&] { return peer->received() == "slow"; }, 1000));
  EXPECT_LE(echo.world.now_ms(), start + 250 + 60);
}

TEST(WorldDeathTest, RunningInCirclesIsFound) {
  struct Restless final : core::EventPort {
    explicit Restless(SimKernel* k)
        : ring(*core::Ring::Open(k, {.sq_entries = 8, .cq_entries = 16, .features_off = {}})) {}
    void Poll(core::Nanos, Sleeper* sleeper) override {
      ring->Enter(0, 0);
      sleeper->OnAwake();
    }
    int Watch(int, uint32_t, Watcher*) override { return 0; }
    void Unwatch(int) override {}
    void Wake() override {}
    std::unique_ptr<core::Ring> ring;
  };
  EXPECT_DEATH(
      {
        World world(12, {.shards = 1, .steps_max = 1000});
        Restless port(&world.kernel());
        world.shard(0).SetPort(&port);
        world.RunUntilIdle();
      },
      "seed 12.*runs in circles");
}

}  // namespace
}  // namespace mooring::sim
