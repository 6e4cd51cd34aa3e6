// SPDX-License-Identifier: Apache-2.0
// SimServer: a whole server below main(): shards, engines, transports and listeners, over the simulated kernel.
//
//   SimServer server(seed, {.shards = 2});
//   const std::string at = server.Listen(Callbacks<server::Echo>());
//   auto* peer = server.Connect(at);
//   peer->Send("abc");
//   server.world.RunUntilIdle();
//   EXPECT_EQ(peer->received(), "abc");
//
// When it goes it cuts what is left, and checks what has to be so after any test: each connection has one cause, every
// slot, frame and block is back, no deadline is armed, nothing is in flight that should not be.
//
// Threads:  one.
// Owns:     all of it. Peers are the kernel's.
#ifndef MOORING_TESTS_NET_SIM_SERVER_H_
#define MOORING_TESTS_NET_SIM_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/connection.h"
#include "net/credit.h"
#include "net/engine.h"
#include "net/handler.h"
#include "net/providers.h"
#include "net/task_service.h"
#include "net/transport.h"
#include "tests/sim/world.h"

namespace mooring::net {

// Makes a listener's handler, one for each shard.
using ServiceFactory = std::function<std::unique_ptr<Handler>()>;

template <class H, class... A>
ServiceFactory Callbacks(A... arguments) {
  return [=] { return std::make_unique<H>(arguments...); };
}
template <class F>
ServiceFactory Coroutine(F service) {
  return [=] { return std::make_unique<TaskService>(service); };
}

// MOORING_SEED, to replay one run, or `otherwise`. Tests print what they take.
uint64_t Seed(uint64_t otherwise);
bool SeedGiven();

class SimServer {
 public:
  struct Options {
    uint32_t shards = 1;
    TransportKind transport = TransportKind::kUring;
    sim::Mood mood = sim::Mood::kSeeded;
    sim::KernelAge age = sim::KernelAge::k6_18;
    uint32_t slots = 512;           // direct slots of a shard
    uint32_t connections_max = 0;   // slots of a shard's slab; 0: some more than direct ones
    int64_t credit = 0;             // connections of the process; 0: no cap
    AddressTable* addresses = nullptr;
    AcceptRate* rate = nullptr;
    uint64_t block_bytes_max = UINT64_MAX;  // of a shard
    int backlog = 16;
    unsigned sq_entries = 1024;
    unsigned cq_entries = 8192;
    core::Shard::Options shard = {};  // mailbox, frames, receive blocks
    sim::SimJobRunner::Options jobs = {};
    uint64_t steps_max = 20'000'000;
    sim::Decisions* decisions = nullptr;  // null: the seed's
  };
  explicit SimServer(uint64_t seed) : SimServer(seed, Options()) {}
  SimServer(uint64_t seed, const Options& options);
  ~SimServer();
  SimServer(const SimServer&) = delete;

  // The same service on all shards; where it listens.
  std::string Listen(const ServiceFactory& service, const ServiceOptions& options = {}, const ListenerBounds& bounds = {});
  // At a Unix path of its own: one socket, of which each shard has a descriptor. No file is made.
  std::string ListenUnix(const ServiceFactory& service, const ServiceOptions& options = {}, const ListenerBounds& bounds = {});
  // A profile for Engine::Connect.
  ListenerId AddProfile(const ServiceFactory& service, const ServiceOptions& options = {}, const ListenerBounds& bounds = {});
  // At what Listen has returned.
  sim::SimPeer* Connect(std::string_view at) { return world.kernel().Connect(at); }
  sim::SimPeer* ConnectFrom(std::string_view from, std::string_view at) { return world.kernel().Connect(at, from); }
  // Connected, accepted, its service started.
  sim::SimPeer* ConnectNow(std::string_view at);

  // Calls f inside a shard, between turns.
  template <class F>
  void OnShard(size_t i, F&& f) {
    core::Shard::Enter enter(&world.shard(i));
    f(*shards_[i].engine);
    world.shard(i).port()->Wake();
  }
  Engine& engine(size_t i = 0) { return *shards_[i].engine; }
  core::Shard& shard(size_t i = 0) { return world.shard(i); }
  size_t size() const { return shards_.size(); }

  // Sums over the shards.
  uint64_t Count(EngineCount which) const;
  uint64_t Cause(CloseCause which) const;
  uint64_t Causes() const;
  uint64_t Refused(RefuseCause which) const;
  uint64_t AcceptFailures(AcceptFailure which) const;
  uint64_t Stops(StopCause which) const;
  uint64_t StoppedMs(StopCause which) const;
  uint64_t TransportCount(std::string_view name) const;
  uint64_t TransportCountOr0(std::string_view name) const;  // 0 where the transport has no such counter
  uint32_t live() const;
  int64_t credit_left() const { return credit_ == nullptr ? INT64_MAX : credit_->left(); }

  // Unix paths go first, as a server withdraws its claims.
  void BeginDrain(const Engine::DrainOptions& drain = {});
  // On every shard, a listener by its number: the first that was added is 0. Its path goes first, too.
  void RetireListener(ListenerId id);
  void NotifyConnections(ListenerId id, uint32_t percent, int64_t spread_ms);
  bool drained() const;
  uint32_t CutAll();
  void SetMemoryPressure(int step);

  // Everybody is gone and time has passed: nothing is left over.
  void ExpectNothingLeft();
  // What is left over nevertheless, a line each. `outbound`: connections that were begun by Engine::Connect, where known.
  std::vector<std::string> Leftovers(std::optional<uint64_t> outbound = std::nullopt) const;

  // The process gives up: all that is under way stays so. Nothing can be asked of the server after it.
  void DestroyNow();

  sim::World world;

 private:
  struct Part {
    std::unique_ptr<Engine> engine;
    std::unique_ptr<Transport> transport;
    std::vector<std::unique_ptr<Handler>> handlers;
  };
  const Options options_;
  bool destroyed_ = false;
  std::unique_ptr<Credit> credit_;
  const std::unique_ptr<TransportProvider> provider_;
  std::vector<std::string> paths_;
  std::vector<Part> shards_;
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_SIM_SERVER_H_
