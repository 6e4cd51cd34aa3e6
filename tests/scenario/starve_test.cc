// SPDX-License-Identifier: Apache-2.0
// One peer that sends as fast as it can does not starve the others. It is io_uring's default that it does: a multishot
// receive of Linux before 6.10 goes on with its socket for as long as there is something to receive.
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scale.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"

namespace mooring::scenario {
namespace {

using std::chrono::steady_clock;

constexpr char kFlood = '!';   // the first byte of the one whose bytes are thrown away
constexpr char kMirror = '?';  // ... of the one whose bytes come back

// Three turns of the flooder's, of as many blocks as a kernel may deliver of one connection at a time. Modern takes one,
// epoll two, base a few single blocks.
constexpr uint64_t kFloodMax = 3 * net::Transport::kKernelBatch * 16384;

// What the service has taken from the flooder, and how much that was when it last heard of somebody else.
std::atomic<uint64_t> flooded{0};
std::atomic<uint64_t> flooded_before_others{0};

core::Task<> EchoAndFlood(net::Connection& conn) {
  while (auto data = co_await conn.Read({.max_bytes = 16384})) {
    const std::string_view bytes = *data;
    if (bytes[0] == kFlood || bytes[0] == kMirror) {
      flooded.fetch_add(bytes.size(), std::memory_order_relaxed);
    } else {
      flooded_before_others = flooded.load();
    }
    if (bytes[0] == kFlood) continue;
    conn.Write(bytes);
    if (const bool room = co_await conn.Writable(); !room) co_return;
  }
}

// Sends nothing but `byte`, never waiting longer than it must, and reads what comes back, until it is told to end.
class Flooder {
 public:
  Flooder(uint16_t port, char byte) : client_(port), thread_([this, byte] { Run(std::string(256 << 10, byte)); }) {}
  ~Flooder() {
    ending_ = true;
    thread_.join();
    client_.Reset();
  }

 private:
  void Run(const std::string& bytes) {
    std::string back(256 << 10, '\0');
    while (!ending_) {
      const size_t sent = client_.SendWhatFits(bytes);
      const ssize_t received = recv(client_.fd(), back.data(), back.size(), MSG_DONTWAIT);
      if (sent == 0 && received <= 0) std::this_thread::yield();
    }
  }

  Client client_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

// Peers that each send a message, wait for it to come back, and send the next.
class PingPong {
 public:
  PingPong(uint16_t port, int peers) : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    for (int i = 0; i < peers; ++i) {
      peers_.push_back({.client = Client(port)});
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.u32 = static_cast<uint32_t>(i);
      epoll_ctl(epoll_, EPOLL_CTL_ADD, peers_.back().client.fd(), &event);
    }
  }
  ~PingPong() { close(epoll_); }

  // True when each has had `rounds` answers; false, and the test has failed, when nobody had one for a test's patience
  // or when the whole took ten times that.
  bool Run(int rounds) {
    left_ = static_cast<int>(peers_.size());
    begin_ = steady_clock::now();
    for (Peer& peer : peers_) {
      peer.rounds = rounds;
      Ask(&peer);
    }
    epoll_event events[256];
    while (left_ > 0) {
      const int n = epoll_wait(epoll_, events, 256, kPatienceSeconds * 1000);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0 || steady_clock::now() - begin_ > std::chrono::seconds(10 * kPatienceSeconds)) {
        ADD_FAILURE() << left_ << " of " << peers_.size() << " peers wait in vain";
        return false;
      }
      for (int i = 0; i < n; ++i) {
        if (!Answer(&peers_[events[i].data.u32])) return false;
      }
    }
    seconds_ = std::chrono::duration<double>(steady_clock::now() - begin_).count();
    return true;
  }

  void Print(const char* what) {
    std::sort(latencies_us_.begin(), latencies_us_.end());
    const size_t n = latencies_us_.size();
    std::printf("%s: %.0f exchanges/s; us: median %lld, 99 %% %lld, most %lld; flood while one waited: %llu KB\n", what,
                static_cast<double>(n) / seconds_, static_cast<long long>(latencies_us_[n / 2]),
                static_cast<long long>(latencies_us_[n * 99 / 100]), static_cast<long long>(latencies_us_[n - 1]),
                static_cast<unsigned long long>(flood_most_ >> 10));
    latencies_us_.clear();
    flood_most_ = 0;
  }

  double seconds() const { return seconds_; }

 private:
  static constexpr std::string_view kMessage = "over the water\n";

  struct Peer {
    Client client;
    int rounds = 0;
    size_t received = 0;
    steady_clock::time_point asked = {};
    uint64_t flooded_before = 0;
  };

  void Ask(Peer* peer) {
    peer->received = 0;
    peer->asked = steady_clock::now();
    peer->flooded_before = flooded.load(std::memory_order_relaxed);
    EXPECT_EQ(peer->client.SendWhatFits(kMessage), kMessage.size());
  }

  bool Answer(Peer* peer) {
    char bytes[64];
    const ssize_t n = recv(peer->client.fd(), bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0 || std::string_view(bytes, static_cast<size_t>(n)) != kMessage.substr(peer->received).substr(0, n)) {
      ADD_FAILURE() << "not what was sent: " << n;
      return false;
    }
    peer->received += static_cast<size_t>(n);
    if (peer->received < kMessage.size()) return true;
    latencies_us_.push_back(
        std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - peer->asked).count());
    flood_most_ = std::max(flood_most_, flooded.load(std::memory_order_relaxed) - peer->flooded_before);
    if (--peer->rounds > 0) {
      Ask(peer);
    } else {
      --left_;
    }
    return true;
  }

  const int epoll_;
  std::vector<Peer> peers_;
  int left_ = 0;
  steady_clock::time_point begin_ = {};
  double seconds_ = 0;
  std::vector<int64_t> latencies_us_;
  uint64_t flood_most_ = 0;
};

class Starve : public ScenarioOf<char> {};

TEST_P(Starve, OnePeersFloodLeavesAThousandOthersServed) {
  LoopbackServer server(Coroutine(EchoAndFlood), In());
  PingPong peers(server.port(), Scaled(1000));
  constexpr int kRounds = 20;
  flooded = 0;
  ASSERT_TRUE(peers.Run(kRounds));
  peers.Print("alone");
  Flooder flooder(server.port(), Param());
  ASSERT_TRUE(server.Await([] { return flooded > 4 << 20; }));
  const uint64_t before = flooded;
  ASSERT_TRUE(peers.Run(kRounds));
  const uint64_t during = flooded - before;
  peers.Print("beside the flood");
  std::printf("flood: %.0f MB/s\n", static_cast<double>(during) / 1e6 / peers.seconds());
  EXPECT_GT(during, 0u) << "the flooder was not served either";
  // It had not ended or stalled meanwhile.
  EXPECT_TRUE(server.Await([&] { return flooded > before + during; }));
}
INSTANTIATE_TEST_SUITE_P(Worlds, Starve, testing::Combine(EveryWorld(), testing::Values(kFlood, kMirror)),
                         WorldAnd(+[](char first) { return first == kFlood ? "Discarded" : "Echoed"; }));

class Queued : public Scenario {};

// The shard is held in a turn until a flood and a message of everybody else wait for it: what counts is the order in
// which it gets to see them. Half of the messages came before the flood, for Linux 6.1 delivers the newest first.
TEST_P(Queued, FloodDoesNotGoBeforeEverybodyElse) {
  LoopbackServer server(Coroutine(EchoAndFlood), In());
  Client flooder(server.port());
  std::vector<Client> others;
  for (int i = 0; i < 200; ++i) {
    others.emplace_back(server.port());
    ASSERT_EQ(others.back().Exchange("hello", 5), "hello");
  }
  flooded = 0;
  // Its window is open wide: the kernel takes more from one that has been read for a while.
  const std::string plenty(1 << 20, kFlood);
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(flooder.Send(plenty));
  ASSERT_TRUE(server.Await([] { return flooded == 16 << 20; }));

  std::promise<void> held, gate;
  std::thread holder([&] {
    server.OnShard(0, [&](net::Engine&) {
      held.set_value();
      gate.get_future().wait();
    });
  });
  held.get_future().wait();
  for (size_t i = 0; i < others.size() / 2; ++i) EXPECT_TRUE(others[i].Send("hello"));
  uint64_t queued = 0;
  while (const size_t sent = flooder.SendWhatFits(plenty)) queued += sent;
  for (size_t i = others.size() / 2; i < others.size(); ++i) EXPECT_TRUE(others[i].Send("hello"));
  gate.set_value();
  holder.join();
  for (Client& other : others) ASSERT_EQ(other.Receive(5), "hello");
  ASSERT_TRUE(server.Await([&] { return flooded == (16 << 20) + queued; }));
  const uint64_t before = flooded_before_others - (16 << 20);
  std::printf("of %llu KB of flood, %llu KB were taken before the last of the others was heard\n",
              static_cast<unsigned long long>(queued >> 10), static_cast<unsigned long long>(before >> 10));
  ASSERT_GT(queued, kFloodMax + (512 << 10)) << "too little to tell";
  EXPECT_LE(before, kFloodMax);
}
INSTANTIATE_TEST_SUITE_P(Worlds, Queued, PlainWorlds(), WorldName());

}  // namespace
}  // namespace mooring::scenario
