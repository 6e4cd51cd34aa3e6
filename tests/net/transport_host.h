// SPDX-License-Identifier: Apache-2.0
// TransportHost: a small engine above a transport on the real kernel, which keeps what comes and can echo it; and the
// suite of tests that every transport passes.
//
// Threads:  one, which also plays the peers (non-blocking sockets on 127.0.0.1).
#ifndef MOORING_TESTS_NET_TRANSPORT_HOST_H_
#define MOORING_TESTS_NET_TRANSPORT_HOST_H_

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "alloc/slab.h"
#include "core/kernel.h"
#include "core/shard.h"
#include "net/claim.h"
#include "net/providers.h"
#include "net/transport.h"
#include "net/uring/provider.h"

namespace mooring::net {

inline std::string Pattern(size_t bytes, unsigned seed = 1) {
  std::string out(bytes, '\0');
  uint32_t state = seed * 2654435761u + 1;
  for (char& c : out) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return out;
}

// A peer: a plain non-blocking socket.
class Peer {
 public:
  explicit Peer(const Address& to) : fd_(socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const int result = connect(fd_, to.get(), to.size());
    EXPECT_TRUE(result == 0 || errno == EINPROGRESS) << errno;
  }
  explicit Peer(int fd) : fd_(fd) {}
  Peer(Peer&& other) noexcept : fd_(std::exchange(other.fd_, -1)), in(std::move(other.in)), end(other.end) {}
  ~Peer() { Shut(); }
  int fd() const { return fd_; }
  void Shut() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  void Reset() {
    const linger now = {1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    Shut();
  }
  size_t Write(const std::string& bytes, size_t from = 0) {
    const ssize_t n = send(fd_, bytes.data() + from, bytes.size() - from, MSG_NOSIGNAL);
    return n > 0 ? static_cast<size_t>(n) : 0;
  }
  // Takes what is there; `end` becomes 0 at FIN, an errno at an error.
  void Read() {
    char buffer[65536];
    while (!end.has_value()) {
      const ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
      if (n > 0) in.append(buffer, static_cast<size_t>(n));
      if (n == 0) end = 0;
      if (n < 0 && errno == EAGAIN) return;
      if (n < 0) end = errno;
    }
  }
  bool Connected() {
    pollfd p = {fd_, POLLOUT, 0};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
  }

 private:
  int fd_;

 public:
  std::string in;
  std::optional<int> end;
};

struct Conn {
  alloc::SlabHandle handle;
  alignas(8) unsigned char area[32] = {};
  std::deque<alloc::Lease> out;  // echo
  std::string in;
  bool open = false, sending = false, hold = false, released = false;
  std::optional<int> receive_end, connect_result, out_queue;
  std::vector<int> sends;
  int shutdowns = 0;
  std::optional<Address> peer;
};

// The time, and what a test has skipped of it.
class SkippingClock final : public core::Clock {
 public:
  core::Nanos Now() override { return clock_.Now() + skipped_; }
  void Skip(core::Nanos by) { skipped_ += by; }

 private:
  core::MonotonicClock clock_;
  core::Nanos skipped_ = 0;
};

class TransportHost final : public TransportEvents {
 public:
  explicit TransportHost(TransportKind kind, TransportOptions options = {.connections_max = 256},
                         core::Kernel* kernel = core::RealKernel())
      : shard_({.id = 0, .clock = &clock_}), conns_(4096, alloc::Purpose::kConnections, &shard_.accounting()) {
    core::Shard::Enter enter(&shard_);
    auto opened = MakeProvider(kernel, kind)->Open(&shard_, this, options);
    EXPECT_TRUE(opened.ok()) << opened.status().ToString();
    transport_ = *std::move(opened);
    shard_.SetPort(transport_.get());
  }
  ~TransportHost() {
    core::Shard::Enter enter(&shard_);
    transport_.reset();
    conns_.LeaveLive();  // a test may end with its connections open
  }

  Address Listen(ListenerId id, int backlog = 16, const char* at = "127.0.0.1:0") {
    auto claim = Claim::Take(core::RealKernel(), *Address::Parse(at), {.shards = 1, .backlog = backlog});
    EXPECT_TRUE(claim.ok()) << claim.status().ToString();
    transport_->Listen(id, claim->Release(0), backlog, /*shared=*/false);
    transport_->SetAcceptMode(id, mode);
    return claim->address();
  }

  // Turns until `done` or two seconds have passed.
  template <class F>
  bool Until(F done) {
    const core::Nanos end = clock_.Now() + 2 * core::kNanosPerSecond;
    while (!done()) {
      if (clock_.Now() > end) return false;
      shard_.RunTurn(core::kNanosPerMs);
    }
    return true;
  }
  void Turns(int n) {
    for (int i = 0; i < n; ++i) shard_.RunTurn(0);
  }

  // What peer and server say to each other until the peer has `bytes` bytes or is at its end.
  bool UntilPeerHas(Peer& peer, size_t bytes) {
    return Until([&] {
      peer.Read();
      return peer.in.size() >= bytes || peer.end.has_value();
    });
  }
  bool UntilPeerEnds(Peer& peer) { return UntilPeerHas(peer, SIZE_MAX); }

  // Until what the peer has got is also known to be sent, so that the next Send, or Close, is allowed.
  bool UntilSent(ConnId id) {
    return Until([&] { return !Find(id)->sending; });
  }

  Conn* Find(ConnId id) { return conns_.Find(id); }
  Conn& operator[](size_t i) { return *conns_.Find(accepted[i]); }

  void Echo(Conn& c) {
    if (c.sending || c.out.empty()) return;
    iovec pieces[Transport::kGatherMax];
    unsigned count = 0;
    for (alloc::Lease& lease : c.out) {
      if (count == Transport::kGatherMax) break;
      pieces[count++] = {lease.data(), lease.size()};
    }
    c.sending = true;
    transport_->Send(c.handle, pieces, count, c.sends.empty() || c.sends.back() > 0 ? SendMode::kTry : SendMode::kWait);
  }

  uint64_t Counter(std::string_view name) {
    uint64_t found = UINT64_MAX;
    transport_->Count([&](std::string_view n, uint64_t v) {
      if (n == name) found = v;
    });
    EXPECT_NE(found, UINT64_MAX) << name;
    return found;
  }

  // TransportEvents.
  ConnId OnAccept(ListenerId, bool credit) override {
    credits_spent += credit;
    if (refuse) return kNoConn;
    Conn* c = conns_.Acquire();
    accepted.push_back(c->handle);
    most_live = std::max(most_live, accepted.size() - static_cast<size_t>(released));
    return c->handle;
  }
  void OnOpen(ConnId id) override { Find(id)->open = true; }
  bool TakeCredit(ListenerId) override { return credit > 0 && credit-- > 0; }
  void ReturnCredit(ListenerId) override { ++credit; }
  void OnAcceptError(ListenerId, int error) override { accept_errors.push_back(error); }
  void OnAcceptStopped(ListenerId) override { ++stopped; }
  void OnConnect(ConnId id, int result) override { Find(id)->connect_result = result; }
  void* Area(uint32_t slot, uint32_t generation) override {
    Conn* c = conns_.FindLow(slot, generation);
    return c == nullptr ? nullptr : c->area;
  }
  void OnReceive(ConnId id, alloc::Lease data) override {
    Conn& c = *Find(id);
    EXPECT_FALSE(c.receive_end.has_value());
    if (!c.hold) c.in.append(data.view());
    if (echo || c.hold) c.out.push_back(std::move(data));
    if (echo) Echo(c);
    if (on_receive) on_receive(id);
  }
  void OnReceiveEnd(ConnId id, int result) override {
    EXPECT_FALSE(Find(id)->receive_end.has_value());
    Find(id)->receive_end = result;
    if (close_at_end) transport_->Close(id);
  }
  void OnSend(ConnId id, int result) override {
    Conn& c = *Find(id);
    c.sending = false;
    c.sends.push_back(result);
    if (!echo) return;
    if (result < 0) return c.out.clear();
    size_t left = static_cast<size_t>(result);
    while (left > 0) {
      const uint32_t n = static_cast<uint32_t>(std::min<size_t>(left, c.out.front().size()));
      c.out.front().RemovePrefix(n);
      left -= n;
      if (c.out.front().empty()) c.out.pop_front();
    }
    Echo(c);
  }
  void OnShutdown(ConnId id) override { ++Find(id)->shutdowns; }
  void OnPeer(ConnId id, const Address& peer) override { Find(id)->peer = peer; }
  void OnOutQueue(ConnId id, int result) override {
    Find(id)->out_queue = result;
    if (on_out_queue) on_out_queue(id);
  }
  void OnReleased(ConnId id) override {
    ++released;
    released_sends = Find(id)->sends;
    conns_.Release(Find(id));
  }

  SkippingClock clock_;
  core::Shard shard_;
  alloc::Slab<Conn> conns_;
  std::unique_ptr<Transport> transport_;

  AcceptMode mode = AcceptMode::kRoomy;
  bool echo = true, refuse = false, close_at_end = false;
  int credit = 0, credits_spent = 0, stopped = 0, released = 0;
  size_t most_live = 0;  // of the accepted ones
  std::vector<ConnId> accepted;
  std::vector<int> accept_errors;
  std::vector<int> released_sends;  // of the last one released
  std::function<void(ConnId)> on_receive, on_out_queue;  // called last
};

// A connected peer with its server side accepted.
inline Peer Connected(TransportHost& host, const Address& at) {
  const size_t before = host.accepted.size();
  Peer peer(at);
  EXPECT_TRUE(host.Until([&] { return host.accepted.size() > before && host[before].open; }));
  return peer;
}

// Every transport that there is. One that this kernel has not skips its tests.
inline constexpr TransportKind kTestedKinds[] = {TransportKind::kUring, TransportKind::kUringBase,
                                                TransportKind::kEpoll};

inline bool Available(TransportKind kind) {
  if (kind == TransportKind::kEpoll) return true;
  const auto best = uring::ProbeUring(core::RealKernel());
  return best.ok() && (*best == TransportKind::kUring || kind == TransportKind::kUringBase);
}

class TransportSuite : public ::testing::TestWithParam<TransportKind> {
 protected:
  void SetUp() override {
    if (!Available(GetParam())) GTEST_SKIP() << "SKIPPED: this kernel has no " << Name(GetParam());
  }
};

inline std::string KindName(const ::testing::TestParamInfo<TransportKind>& kind) {
  std::string name(Name(kind.param));
  std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
  return name;
}

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_TRANSPORT_HOST_H_
