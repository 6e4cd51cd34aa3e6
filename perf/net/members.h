// SPDX-License-Identifier: Apache-2.0
// Members: a shard with open connections, over a transport that takes everything and costs nothing: what engine and queues
// cost, without the kernel's part.
//
// Threads:  one.
// Owns:     all of it.
#ifndef MOORING_PERF_NET_MEMBERS_H_
#define MOORING_PERF_NET_MEMBERS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/shard.h"
#include "net/address.h"
#include "net/engine.h"
#include "net/handler.h"
#include "net/transport.h"

namespace mooring::net {

// Takes all that is sent, in the Poll that follows.
class TakingTransport final : public Transport {
 public:
  TransportEvents* events = nullptr;

  void Send(ConnId id, const iovec* pieces, unsigned count, SendMode) override {
    int bytes = 0;
    for (unsigned i = 0; i < count; ++i) bytes += static_cast<int>(pieces[i].iov_len);
    sends_.emplace_back(id, bytes);
  }
  void Poll(core::Nanos, Sleeper* sleeper) override {
    sleeper->OnAwake();
    for (const auto& [id, bytes] : sends_) events->OnSend(id, bytes);
    sends_.clear();
    for (const ConnId id : std::exchange(releasing_, {})) events->OnReleased(id);
  }
  void Close(ConnId id) override { releasing_.push_back(id); }
  void Abort(ConnId id) override { releasing_.push_back(id); }

  std::string Describe() const override { return "takes all"; }
  int Watch(int, uint32_t, Watcher*) override { return 0; }
  void Unwatch(int) override {}
  void Wake() override {}
  void Listen(ListenerId, int, int, bool) override {}
  void SetAcceptMode(ListenerId, AcceptMode) override {}
  void RefuseNew(ListenerId) override {}
  void StopAccept(ListenerId, bool) override {}
  void Connect(ConnId, const Address&, const Address&) override {}
  void SetReading(ConnId, bool) override {}
  void Consumed(ConnId, uint32_t) override {}
  void ShutdownSend(ConnId) override {}
  void AskPeer(ConnId) override {}
  void AskOutQueue(ConnId) override {}
  bool ReadToEnd() const override { return true; }
  void Count(absl::FunctionRef<void(std::string_view, uint64_t)>) const override {}

 private:
  std::vector<std::pair<ConnId, int>> sends_;
  std::vector<ConnId> releasing_;
};

// A shard, and connections on it.
class Members final : private Handler {
 public:
  explicit Members(int64_t connections) {
    transport_.events = engine_.events();
    shard.SetPort(&transport_);
    engine_.SetTransport(&transport_);
    const ListenerId listener = engine_.AddListener("members", this, {});
    for (int64_t i = 0; i < connections; ++i) {
      engine_.events()->OnOpen(engine_.events()->OnAccept(listener, /*credit_taken=*/true));
    }
  }
  ~Members() override {
    engine_.CutAll();
    shard.RunTurn(0);
    shard.RunTurn(0);
  }
  Members(const Members&) = delete;

  std::vector<Connection*> open;

 private:
  void OnOpen(Connection& conn) override { open.push_back(&conn); }
  void OnData(Connection&, alloc::Lease) override {}

  core::ManualClock clock_;

 public:
  core::Shard shard{{.clock = &clock_}};

 private:
  core::Shard::Enter enter_{&shard};
  Engine engine_{&shard, {.connections_max = 200'000}};
  TakingTransport transport_;
};

}  // namespace mooring::net

#endif  // MOORING_PERF_NET_MEMBERS_H_
