// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/loopback_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "core/timer_wheel.h"
#include "net/address.h"
#include "net/claim.h"

namespace mooring::scenario {
namespace {

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "LoopbackServer: %s\n", what.c_str());
  std::abort();
}

uint64_t FaultSeed() {
  const char* given = std::getenv("MOORING_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("MOORING_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

net::Address NameOf(int fd) {
  net::Address at;
  socklen_t size = net::Address::kSizeMax;
  EXPECT_EQ(getsockname(fd, at.get(), &size), 0);
  return at;
}

}  // namespace

LoopbackServer::LoopbackServer(ServiceFactory service, const LoopbackOptions& options) : options_(options) {
  const uint64_t fault_seed = options_.faults == Faults::kNone ? 0 : FaultSeed();
  if (options_.max_connections != 0) credit_ = std::make_unique<net::Credit>(options_.max_connections);
  for (int id = 0; id < options_.shards; ++id) {
    shards_.push_back(std::make_unique<ShardParts>());
    ShardParts& parts = *shards_.back();
    if (options_.faults != Faults::kNone) {
      parts.kernel = std::make_unique<FaultKernel>(options_.faults, fault_seed + static_cast<uint64_t>(id));
    }
    core::Kernel* kernel = parts.kernel != nullptr ? parts.kernel.get() : core::RealKernel();
    parts.provider = net::MakeProvider(kernel, options_.transport);
    parts.shard = std::make_unique<core::Shard>(
        core::Shard::Options{.id = static_cast<uint32_t>(id), .clock = &clock_});
    parts.engine = std::make_unique<net::Engine>(
        parts.shard.get(), net::Engine::Options{.connections_max = options_.connections_max + 1024,
                                                .shards = static_cast<uint32_t>(options_.shards),
                                                .credit = credit_.get(),
                                                .addresses = options_.addresses,
                                                .rate = options_.rate,
                                                .block_bytes_max = options_.block_bytes_max});
    core::ShardThread::Options thread;
    thread.name = "shard-" + std::to_string(id);
    thread.set_up = [this, &parts, service]() -> absl::Status {
      auto transport = parts.provider->Open(parts.shard.get(), parts.engine->events(),
                                            {.connections_max = options_.connections_max,
                                             .shards = static_cast<uint32_t>(options_.shards),
                                             .features_off = options_.features_off});
      if (!transport.ok()) return transport.status();
      parts.transport = *std::move(transport);
      parts.shard->SetPort(parts.transport.get());
      parts.engine->SetTransport(parts.transport.get());
      parts.handler = service();
      parts.engine->AddListener("loopback", parts.handler.get(), options_.service, options_.bounds);
      return absl::OkStatus();
    };
    thread.tear_down = [&parts] { parts.transport.reset(); };
    parts.thread = std::make_unique<core::ShardThread>(parts.shard.get(), std::move(thread));
  }
  std::vector<net::Engine*> engines;
  for (auto& parts : shards_) engines.push_back(parts->engine.get());
  for (auto& parts : shards_) parts->engine->SetPeers(engines);
  std::vector<core::Shard*> all;
  for (auto& parts : shards_) all.push_back(parts->shard.get());
  directory_ = std::make_unique<core::Shards>(std::move(all));
  for (auto& parts : shards_) {
    if (const absl::Status status = parts->thread->Start(); !status.ok()) Fail(std::string(status.message()));
  }
  for (auto& parts : shards_) parts->thread->Go();

  net::ClaimOptions claim_options;
  claim_options.shards = options_.shards;
  claim_options.backlog =
      options_.backlog != 0 ? options_.backlog : net::Backlog(options_.connections_max, 1, net::ReadSomaxconn());
  if (options_.user_timeout) claim_options.user_timeout_ms = options_.service.write_stall_s * 1000;
  claim_options.somaxconn = net::ReadSomaxconn();
  const net::Endpoint at = options_.inherited_fd >= 0 ? NameOf(options_.inherited_fd)
                                                      : *net::Address::Parse(options_.address + ":0");
  auto claim = options_.inherited_fd >= 0
                   ? net::Claim::Inherit(core::RealKernel(), options_.inherited_fd, at, claim_options)
                   : net::Claim::Take(core::RealKernel(), at, claim_options);
  if (!claim.ok()) Fail(std::string(claim.status().message()));
  port_ = claim->address().port();
  for (int id = 0; id < options_.shards; ++id) {
    OnShard(id, [fd = claim->Release(id), backlog = claim->backlog(), shared = claim->shared()](net::Engine& engine) {
      engine.Listen(0, fd, backlog, shared);
    });
  }
}

LoopbackServer::~LoopbackServer() {
  BeginDrain();
  CutAll();
  if (AwaitDrained()) {
    EXPECT_EQ(Causes(), Count(net::EngineCount::kReleased)) << "each connection has one cause, counted once";
    EXPECT_EQ(Cause(net::CloseCause::kNone), 0u);
    EXPECT_EQ(Count(net::EngineCount::kReleased),
              Count(net::EngineCount::kAccepted) + Count(net::EngineCount::kConnects));
    EXPECT_EQ(live(), 0u);
    for (int id = 0; id < shards(); ++id) {
      EXPECT_EQ(OnShard(id, [](net::Engine& engine) { return engine.retained_blocks(); }), 0u);
      const auto no_task = [](net::Engine& engine) { return engine.shard()->background().empty(); };
      EXPECT_TRUE(Await([&] { return OnShard(id, no_task); })) << "background tasks end when they are cancelled";
    }
    if (credit_ != nullptr) {
      // Given back at the end of a turn, which may not be over.
      EXPECT_TRUE(Await([this] { return credit_->left() == options_.max_connections; }));
    }
  }
  for (auto& parts : shards_) parts->thread->Stop();
  for (auto& parts : shards_) parts->thread->AwaitStopped();
  for (auto& parts : shards_) {
    parts->thread->Join();
    if (parts->kernel != nullptr) std::printf("faults: %s\n", parts->kernel->Describe().c_str());
  }
}

uint64_t LoopbackServer::Count(net::EngineCount which) const {
  uint64_t sum = 0;
  for (const auto& parts : shards_) sum += parts->engine->counters().Read(which);
  return sum;
}

uint64_t LoopbackServer::Refused(net::RefuseCause which) const {
  uint64_t sum = 0;
  for (const auto& parts : shards_) sum += parts->engine->refusals().Read(which);
  return sum;
}

uint64_t LoopbackServer::Stops(net::StopCause which) const {
  uint64_t sum = 0;
  for (const auto& parts : shards_) sum += parts->engine->stops().Read(which);
  return sum;
}

void LoopbackServer::SetMemoryPressure(int step) {
  for (int id = 0; id < shards(); ++id) {
    OnShard(id, [step](net::Engine& engine) { engine.SetMemoryPressure(step); });
  }
}

uint64_t LoopbackServer::Cause(net::CloseCause which) const {
  uint64_t sum = 0;
  for (const auto& parts : shards_) sum += parts->engine->causes().Read(which);
  return sum;
}

uint64_t LoopbackServer::Causes() const {
  uint64_t sum = 0;
  for (int cause = 0; cause < static_cast<int>(net::CloseCause::kCount); ++cause) {
    sum += Cause(static_cast<net::CloseCause>(cause));
  }
  return sum;
}

uint64_t LoopbackServer::live() const {
  uint64_t sum = 0;
  for (const auto& parts : shards_) sum += parts->engine->live_counter().Read();
  return sum;
}

uint64_t LoopbackServer::Bytes(alloc::Purpose purpose) const {
  uint64_t sum = 0;
  for (const auto& parts : shards_) sum += parts->shard->accounting().Bytes(purpose);
  return sum;
}

uint64_t LoopbackServer::TransportCount(std::string_view name) {
  uint64_t sum = 0;
  for (int id = 0; id < shards(); ++id) {
    sum += OnShard(id, [name](net::Engine& engine) {
      uint64_t found = UINT64_MAX;
      engine.transport()->Count([&](std::string_view each, uint64_t value) {
        if (each == name) found = value;
      });
      EXPECT_NE(found, UINT64_MAX) << "no counter " << name;
      return found;
    });
  }
  return sum;
}

uint64_t LoopbackServer::Injected(Fault which) const {
  uint64_t sum = 0;
  for (const auto& parts : shards_) {
    if (parts->kernel != nullptr) sum += parts->kernel->Injected(which);
  }
  return sum;
}

void LoopbackServer::Post(int shard, core::Mail mail) {
  while (!shards_[shard]->shard->Post(std::move(mail))) std::this_thread::yield();
}

void LoopbackServer::Frozen(int shard) {
  Fail("shard " + std::to_string(shard) + " has not finished its turn for " + std::to_string(kPatienceSeconds) + " s");
}

void LoopbackServer::PassTime(int64_t ms) {
  struct Tick {
    core::CallTimer timer;
    std::promise<void> done;
  };
  auto tick = std::make_shared<Tick>();
  tick->timer.argument = tick.get();
  tick->timer.call = [](void* argument) { static_cast<Tick*>(argument)->done.set_value(); };
  OnShard(0, [tick, ms](net::Engine& engine) {
    engine.shard()->wheel().Arm(&tick->timer, core::TimerKind::kFunction, engine.shard()->now_ms() + ms);
  });
  const auto patience = std::chrono::milliseconds(ms) + std::chrono::seconds(kPatienceSeconds);
  if (tick->done.get_future().wait_for(patience) != std::future_status::ready) Frozen(0);
}

bool LoopbackServer::Await(const std::function<bool()>& done, int patience_seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(patience_seconds);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) {
      ADD_FAILURE() << "waited for " << patience_seconds << " s in vain";
      return false;
    }
    PassTime(1);
  }
  return true;
}

void LoopbackServer::BeginDrain() {
  if (std::exchange(draining_, true)) return;
  for (int id = 0; id < shards(); ++id) {
    OnShard(id, [](net::Engine& engine) { engine.BeginDrain([] {}); });
  }
}

bool LoopbackServer::AwaitDrained() {
  return Await([this] {
    bool all = true;
    for (int id = 0; id < shards(); ++id) all &= OnShard(id, [](net::Engine& engine) { return engine.drained(); });
    return all;
  });
}

uint32_t LoopbackServer::CutAll() {
  uint32_t cut = 0;
  for (int id = 0; id < shards(); ++id) {
    cut += OnShard(id, [](net::Engine& engine) {
      engine.shard()->background().Cancel();
      return engine.CutAll();
    });
  }
  return cut;
}

}  // namespace mooring::scenario
