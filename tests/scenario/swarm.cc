// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/swarm.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"

namespace mooring::scenario {
namespace {

constexpr size_t kPeriod = 65521;  // a prime, so that no block size hides a shift
constexpr size_t kPieceMax = 64 << 10;

const std::string& Pattern() {
  static const std::string pattern = [] {
    std::mt19937_64 random(20250101);
    std::string bytes(kPeriod + kPieceMax, '\0');
    for (size_t i = 0; i < kPeriod; ++i) bytes[i] = static_cast<char>(random());
    for (size_t i = kPeriod; i < bytes.size(); ++i) bytes[i] = bytes[i - kPeriod];
    return bytes;
  }();
  return pattern;
}

struct Peer {
  int fd = -1;
  uint64_t sent = 0;
  uint64_t received = 0;
  bool wants_out = true;
};

class Run {
 public:
  Run(uint16_t port, const SwarmOptions& options) : options_(options), random_(options.seed), port_(port) {}

  SwarmResult Go() {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    peers_.resize(static_cast<size_t>(options_.connections));
    for (size_t i = 0; i < peers_.size(); ++i) {
      peers_[i].fd = Dial(port_, {});
      if (peers_[i].fd < 0) {
        ++result_.not_connected;
        continue;
      }
      Register(i, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
      ++open_;
    }
    epoll_event events[256];
    while (open_ > 0) {
      const int n = epoll_wait(epoll_, events, 256, kPatienceSeconds * 1000);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        result_.patient = false;
        break;
      }
      for (int i = 0; i < n; ++i) Serve(events[i].data.u32, events[i].events);
    }
    for (Peer& peer : peers_) {
      if (peer.fd >= 0) close(peer.fd);
    }
    close(epoll_);
    return result_;
  }

 private:
  void Register(size_t i, int operation, uint32_t events) {
    epoll_event event = {};
    event.events = events;
    event.data.u32 = static_cast<uint32_t>(i);
    epoll_ctl(epoll_, operation, peers_[i].fd, &event);
  }

  void End(size_t i, int* count) {
    ++*count;
    close(peers_[i].fd);
    peers_[i].fd = -1;
    --open_;
  }

  size_t Chunk() { return 1 + random_() % options_.chunk_max; }

  void Serve(uint32_t i, uint32_t events) {
    Peer& peer = peers_[i];
    if (peer.fd < 0) return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
      char chunk[kPieceMax];
      const ssize_t n = recv(peer.fd, chunk, std::min(Chunk(), sizeof(chunk)), MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN) return End(i, &result_.resets);
      if (n == 0) return End(i, peer.received == options_.bytes_each ? &result_.finished : &result_.early_ends);
      if (n > 0) {
        const std::string_view expected = StreamBytes(options_.seed, i, peer.received, static_cast<size_t>(n));
        if (std::memcmp(chunk, expected.data(), static_cast<size_t>(n)) != 0) return End(i, &result_.wrong);
        peer.received += static_cast<uint64_t>(n);
      }
    }
    if ((events & EPOLLOUT) && peer.sent < options_.bytes_each) {
      const size_t n = std::min<uint64_t>({Chunk(), options_.bytes_each - peer.sent, kPieceMax});
      const std::string_view bytes = StreamBytes(options_.seed, i, peer.sent, n);
      const ssize_t sent = send(peer.fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) return End(i, &result_.resets);
      if (sent > 0) peer.sent += static_cast<uint64_t>(sent);
      if (peer.sent == options_.bytes_each) {
        shutdown(peer.fd, SHUT_WR);
        Register(i, EPOLL_CTL_MOD, EPOLLIN);
      }
    }
  }

  const SwarmOptions options_;
  std::mt19937_64 random_;
  const uint16_t port_;
  int epoll_ = -1;
  int open_ = 0;
  std::vector<Peer> peers_;
  SwarmResult result_;
};

}  // namespace

std::string_view StreamBytes(uint64_t seed, uint32_t stream, uint64_t at, size_t n) {
  const uint64_t begin = (seed * 31 + stream * 7919ull + at) % kPeriod;
  return std::string_view(Pattern()).substr(begin, n);
}

SwarmResult RunSwarm(uint16_t port, const SwarmOptions& options) { return Run(port, options).Go(); }

}  // namespace mooring::scenario
