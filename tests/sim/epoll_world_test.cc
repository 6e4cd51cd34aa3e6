// SPDX-License-Identifier: Apache-2.0
// Shards that sleep in epoll over the simulated kernel, with the smallest edge-triggered port that echoes.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/event_port.h"
#include "tests/sim/world.h"

namespace mooring::sim {
namespace {

// A listener of all ports, level-triggered and exclusive; connections edge-triggered, read to the end of what is there (a
// short read is the end, as epoll(7) says), closed at the end of the stream.
class EchoPort final : public core::EventPort {
 public:
  EchoPort(SimKernel* kernel, int listener)
      : kernel_(kernel), epoll_(kernel->EpollCreate()), listener_(listener), wake_(kernel->EventFd()) {
    Add(listener_, EPOLLIN | EPOLLEXCLUSIVE);
    Add(wake_, EPOLLIN | EPOLLET);
  }
  ~EchoPort() {
    for (const auto& [fd, out] : connections_) kernel_->Close(fd);
    for (const int fd : {epoll_, listener_, wake_}) kernel_->Close(fd);
  }

  void Poll(core::Nanos wait, Sleeper* sleeper) override {
    epoll_event events[4];
    const int ready = kernel_->EpollWait(epoll_, events, 4, wait);
    sleeper->OnAwake();
    ++polls;
    for (int i = 0; i < ready; ++i) On(events[i].data.fd, events[i].events);
  }
  int Watch(int, uint32_t, Watcher*) override { return -ENOSYS; }
  void Unwatch(int) override {}
  void Wake() override { kernel_->Signal(wake_); }

  uint64_t polls = 0;
  uint64_t accepted = 0;
  size_t open() const { return connections_.size(); }

 private:
  struct Connection {
    std::string out;
    bool ended = false;
  };
  void Add(int fd, uint32_t events) {
    epoll_event event = {};
    event.events = events;
    event.data.fd = fd;
    EXPECT_EQ(kernel_->EpollControl(epoll_, EPOLL_CTL_ADD, fd, &event), 0);
  }
  void On(int fd, uint32_t events) {
    if (fd == wake_) {
      kernel_->TakeSignals(fd);
      return;
    }
    if (fd == listener_) {
      const int accepted_fd = kernel_->Accept(listener_);
      if (accepted_fd < 0) return;
      ++accepted;
      connections_[accepted_fd];
      Add(accepted_fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
      return;
    }
    const auto found = connections_.find(fd);
    ASSERT_NE(found, connections_.end()) << "an event of a closed descriptor";
    Connection& connection = found->second;
    char block[512];
    while ((events & EPOLLIN) != 0 && !connection.ended) {
      const int got = kernel_->Receive(fd, block, sizeof(block));
      if (got > 0) connection.out.append(block, static_cast<size_t>(got));
      if (got == 0 || (got < 0 && got != -EAGAIN)) connection.ended = true;
      if (got < static_cast<int>(sizeof(block)) && (events & EPOLLRDHUP) == 0) break;
    }
    while (!connection.out.empty()) {
      const iovec piece = {connection.out.data(), connection.out.size()};
      const int sent = kernel_->Send(fd, &piece, 1);
      if (sent == -EAGAIN) return;
      if (sent < 0) {
        connection.out.clear();
        connection.ended = true;
        break;
      }
      const bool is_short = static_cast<size_t>(sent) < connection.out.size();
      connection.out.erase(0, static_cast<size_t>(sent));
      if (is_short) return;  // an edge says when there is room
    }
    if (!connection.ended) return;
    EXPECT_EQ(kernel_->Close(fd), 0);
    connections_.erase(found);
  }

  SimKernel* const kernel_;
  const int epoll_;
  const int listener_;
  const int wake_;
  std::map<int, Connection> connections_;
};

struct EchoWorld {
  explicit EchoWorld(uint64_t seed, uint32_t shards = 1, bool unix = false)
      : world(seed, {.shards = shards}), address(unix ? "unix:/echo" : "127.0.0.1:7000") {
    SimKernel& kernel = world.kernel();
    sockaddr_storage at;
    const SimAddress parsed = SimAddress::Parse(address);
    const socklen_t size = parsed.ToSockaddr(parsed.family, &at);
    const int listener = kernel.Socket(parsed.family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    EXPECT_EQ(kernel.Bind(listener, reinterpret_cast<const sockaddr*>(&at), size), 0);
    EXPECT_EQ(kernel.Listen(listener, 64), 0);
    for (uint32_t i = 0; i < shards; ++i) {
      ports.push_back(std::make_unique<EchoPort>(&kernel, i == 0 ? listener : kernel.Duplicate(listener)));
      world.shard(i).SetPort(ports.back().get());
    }
  }
  World world;
  const std::string address;
  std::vector<std::unique_ptr<EchoPort>> ports;
};

TEST(EpollWorld, EchoesUnderEverySeed) {
  uint64_t accepted[2] = {};
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    EchoWorld echo(seed, /*shards=*/2, /*unix=*/seed % 2 == 0);
    std::vector<SimPeer*> peers;
    for (int i = 0; i < 10; ++i) {
      SimPeer* peer = echo.world.kernel().Connect(echo.address);
      peer->Send(std::string(3000 + i, static_cast<char>('a' + i)));
      peer->HalfClose();
      peers.push_back(peer);
    }
    echo.world.RunUntilIdle();
    for (int i = 0; i < 10; ++i) {
      ASSERT_EQ(peers[i]->received(), std::string(3000 + i, static_cast<char>('a' + i)));
      ASSERT_TRUE(peers[i]->saw_fin());
      ASSERT_FALSE(peers[i]->saw_reset());
    }
    EXPECT_EQ(echo.ports[0]->open() + echo.ports[1]->open(), 0u);
    EXPECT_EQ(echo.world.kernel().descriptors().open(), 6u) << "two epolls, eventfds and numbers of one listener";
    for (int i = 0; i < 2; ++i) accepted[i] += echo.ports[i]->accepted;
  }
  EXPECT_GT(accepted[0], 100u);
  EXPECT_GT(accepted[1], 100u) << "who does not sleep leaves the wake-up to the next";
}

TEST(EpollWorld, PeersThatEndBadlyLeaveNothingOpen) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    EchoWorld echo(seed, /*shards=*/1, /*unix=*/seed % 2 == 0);
    for (int i = 0; i < 6; ++i) {
      SimPeer* peer = echo.world.kernel().Connect(echo.address);
      peer->Send(std::string(20'000, 'x'));
      for (uint64_t step = seed % 40 + 7 * i; step > 0 && echo.world.Step(); --step) {
      }
      if (i % 2 == 0) peer->Close(); else peer->Reset();
    }
    echo.world.RunUntilIdle();
    EXPECT_EQ(echo.ports[0]->open(), 0u);
  }
}

TEST(EpollWorld, AStalledPeerIsGoneOnWithWhenItReads) {
  for (uint64_t seed = 9; seed < 13; ++seed) {
    EchoWorld echo(seed, /*shards=*/1, /*unix=*/seed % 2 == 0);
    SimPeer* stalled = echo.world.kernel().Connect(echo.address);
    stalled->Stall();
    stalled->Send(std::string(1 << 20, 's'));
    SimPeer* other = echo.world.kernel().Connect(echo.address);
    other->Send("quick");
    echo.world.RunUntilIdle();
    EXPECT_EQ(other->received(), "quick");
    stalled->Resume();
    echo.world.RunUntilIdle();
    EXPECT_EQ(stalled->received().size(), 1u << 20);
  }
}

TEST(EpollWorld, ASleepingShardIsWokenByMailAndNotTurnedOtherwise) {
  EchoWorld echo(5, 2);
  echo.world.RunUntilIdle();
  const uint64_t polls = echo.ports[0]->polls + echo.ports[1]->polls;
  const int64_t start = echo.world.now_ms();
  echo.world.RunFor(60'000);
  EXPECT_LE(echo.ports[0]->polls + echo.ports[1]->polls - polls, 2u);
  EXPECT_EQ(echo.world.now_ms(), start + 60'000);
  bool delivered = false;
  EXPECT_TRUE(echo.world.shard(1).Post([&] { delivered = true; }));
  echo.world.RunUntilIdle();
  EXPECT_TRUE(delivered);
}

}  // namespace
}  // namespace mooring::sim
