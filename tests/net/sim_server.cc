// SPDX-License-Identifier: Apache-2.0
#include "tests/net/sim_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/address.h"
#include "net/claim.h"

namespace mooring::net {

bool SeedGiven() { return std::getenv("MOORING_SEED") != nullptr; }

uint64_t Seed(uint64_t otherwise) {
  const char* given = std::getenv("MOORING_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : otherwise;
}

SimServer::SimServer(uint64_t seed, const Options& options)
    : world(seed, {.shards = options.shards,
                   .mood = options.mood,
                   .age = options.age,
                   .steps_max = options.steps_max,
                   .decisions = options.decisions,
                   .shard = options.shard,
                   .jobs = options.jobs}),
      options_(options),
      provider_(MakeProvider(&world.kernel(), options.transport)) {
  if (options_.credit != 0) credit_ = std::make_unique<Credit>(options_.credit);
  shards_.resize(options_.shards);
  std::vector<Engine*> engines;
  for (uint32_t i = 0; i < options_.shards; ++i) {
    core::Shard::Enter enter(&world.shard(i));
    const uint32_t slab = options_.connections_max != 0 ? options_.connections_max : options_.slots + 64;
    shards_[i].engine = std::make_unique<Engine>(
        &world.shard(i),
        Engine::Options{.connections_max = slab,
                        .shards = options_.shards,
                        .credit = credit_.get(),
                        .addresses = options_.addresses,
                        .rate = options_.rate,
                        .block_bytes_max = options_.block_bytes_max});
    auto transport = provider_->Open(&world.shard(i), shards_[i].engine->events(),
                                    {.connections_max = options_.slots,
                                     .shards = options_.shards,
                                     .sq_entries = options_.sq_entries,
                                     .cq_entries = options_.cq_entries});
    if (!transport.ok()) world.kernel().choices().Fail("%s", transport.status().ToString().c_str());
    shards_[i].transport = *std::move(transport);
    world.shard(i).SetPort(shards_[i].transport.get());
    shards_[i].engine->SetTransport(shards_[i].transport.get());
    engines.push_back(shards_[i].engine.get());
  }
  for (Part& part : shards_) part.engine->SetPeers(engines);
}

SimServer::~SimServer() {
  if (destroyed_) return;
  CutAll();
  world.RunFor(10'000);  // long enough for the pools to have given back what they will
  ExpectNothingLeft();
  for (size_t i = 0; i < shards_.size(); ++i) {
    core::Shard::Enter enter(&world.shard(i));
    world.shard(i).locals().Clear();  // as a server's thread does at its end
    shards_[i].transport.reset();
  }
  for (const std::string& left : world.kernel().in_flight_at_exit()) {
    // The wake-up of a shard waits for ever; nothing else may.
    EXPECT_EQ(left.rfind("opcode 22 ", 0), 0u) << left;  // a read of its eventfd
  }
  for (Part& part : shards_) part.engine.reset();
}

ListenerId SimServer::AddProfile(const ServiceFactory& service, const ServiceOptions& options,
                                 const ListenerBounds& bounds) {
  ListenerId id = 0;
  for (size_t i = 0; i < shards_.size(); ++i) {
    core::Shard::Enter enter(&world.shard(i));
    shards_[i].handlers.push_back(service());
    id = shards_[i].engine->AddListener("sim", shards_[i].handlers.back().get(), options, bounds);
  }
  return id;
}

std::string SimServer::Listen(const ServiceFactory& service, const ServiceOptions& options, const ListenerBounds& bounds) {
  const ListenerId id = AddProfile(service, options, bounds);
  auto claim = Claim::Take(&world.kernel(), *Address::Parse("127.0.0.1:0"),
                           {.shards = static_cast<int>(options_.shards), .backlog = options_.backlog});
  if (!claim.ok()) world.kernel().choices().Fail("%s", claim.status().ToString().c_str());
  for (size_t i = 0; i < shards_.size(); ++i) {
    core::Shard::Enter enter(&world.shard(i));
    shards_[i].engine->Listen(id, claim->Release(static_cast<int>(i)), options_.backlog);
    world.shard(i).port()->Wake();
  }
  world.RunUntilIdle();
  return claim->address().ToString();
}

std::string SimServer::ListenUnix(const ServiceFactory& service, const ServiceOptions& options,
                                  const ListenerBounds& bounds) {
  const ListenerId id = AddProfile(service, options, bounds);
  sim::SimKernel& kernel = world.kernel();
  sockaddr_un at = {};
  at.sun_family = AF_UNIX;
  paths_.push_back(absl::StrCat("/sim/", id));
  paths_.back().copy(at.sun_path, sizeof(at.sun_path) - 1);
  const int backlog = options_.backlog * static_cast<int>(options_.shards);  // as Claim has it
  const int first = kernel.Socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (kernel.Bind(first, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) < 0 || kernel.Listen(first, backlog) < 0) {
    kernel.choices().Fail("cannot listen at %s", at.sun_path);
  }
  std::vector<int> sockets = {first};
  while (sockets.size() < shards_.size()) sockets.push_back(kernel.Duplicate(first));
  for (size_t i = 0; i < shards_.size(); ++i) {
    core::Shard::Enter enter(&world.shard(i));
    shards_[i].engine->Listen(id, sockets[i], backlog, /*shared=*/true);
    world.shard(i).port()->Wake();
  }
  world.RunUntilIdle();
  return absl::StrCat("unix:", paths_.back());
}

sim::SimPeer* SimServer::ConnectNow(std::string_view at) {
  sim::SimPeer* peer = Connect(at);
  world.RunUntilIdle();
  EXPECT_TRUE(peer->connected());
  return peer;
}

uint64_t SimServer::Count(EngineCount which) const {
  uint64_t sum = 0;
  for (const Part& part : shards_) sum += part.engine->counters().Read(which);
  return sum;
}

uint64_t SimServer::Cause(CloseCause which) const {
  uint64_t sum = 0;
  for (const Part& part : shards_) sum += part.engine->causes().Read(which);
  return sum;
}

uint64_t SimServer::Causes() const {
  uint64_t sum = 0;
  for (int cause = 0; cause < static_cast<int>(CloseCause::kCount); ++cause) sum += Cause(static_cast<CloseCause>(cause));
  return sum;
}

uint64_t SimServer::Refused(RefuseCause which) const {
  uint64_t sum = 0;
  for (const Part& part : shards_) sum += part.engine->refusals().Read(which);
  return sum;
}

uint64_t SimServer::AcceptFailures(AcceptFailure which) const {
  uint64_t sum = 0;
  for (const Part& part : shards_) sum += part.engine->accept_failures().Read(which);
  return sum;
}

uint64_t SimServer::Stops(StopCause which) const {
  uint64_t sum = 0;
  for (const Part& part : shards_) sum += part.engine->stops().Read(which);
  return sum;
}

uint64_t SimServer::StoppedMs(StopCause which) const {
  uint64_t sum = 0;
  for (const Part& part : shards_) sum += part.engine->stopped_ms().Read(which);
  return sum;
}

uint64_t SimServer::TransportCountOr0(std::string_view name) const {
  uint64_t sum = 0;
  for (const Part& part : shards_) {
    part.transport->Count([&](std::string_view each, uint64_t value) {
      if (each == name) sum += value;
    });
  }
  return sum;
}

uint64_t SimServer::TransportCount(std::string_view name) const {
  bool found = false;
  shards_[0].transport->Count([&](std::string_view each, uint64_t) { found |= each == name; });
  EXPECT_TRUE(found) << "no counter " << name;
  return TransportCountOr0(name);
}

uint32_t SimServer::live() const {
  uint32_t sum = 0;
  for (const Part& part : shards_) sum += part.engine->live();
  return sum;
}

void SimServer::BeginDrain(const Engine::DrainOptions& drain) {
  for (const std::string& path : paths_) world.kernel().network().Unlink(path);
  for (size_t i = 0; i < shards_.size(); ++i) {
    OnShard(i, [&](Engine& engine) { engine.BeginDrain(drain, [] {}); });
  }
}

void SimServer::RetireListener(ListenerId id) {
  const std::string path = absl::StrCat("/sim/", id);
  if (std::find(paths_.begin(), paths_.end(), path) != paths_.end()) world.kernel().network().Unlink(path);
  for (size_t i = 0; i < shards_.size(); ++i) {
    OnShard(i, [id](Engine& engine) { engine.RetireListener(id); });
  }
}

void SimServer::NotifyConnections(ListenerId id, uint32_t percent, int64_t spread_ms) {
  for (size_t i = 0; i < shards_.size(); ++i) {
    OnShard(i, [=](Engine& engine) { engine.NotifyConnections(id, percent, spread_ms); });
  }
}

bool SimServer::drained() const {
  bool all = true;
  for (const Part& part : shards_) all &= part.engine->drained();
  return all;
}

uint32_t SimServer::CutAll() {
  uint32_t cut = 0;
  for (size_t i = 0; i < shards_.size(); ++i) {
    OnShard(i, [&](Engine& engine) {
      cut += engine.CutAll();
      engine.shard()->background().Cancel();
    });
  }
  return cut;
}

void SimServer::ExpectNothingLeft() {
  for (const std::string& left : Leftovers()) ADD_FAILURE() << left;
}

void SimServer::SetMemoryPressure(int step) {
  for (size_t i = 0; i < shards_.size(); ++i) {
    OnShard(i, [&](Engine& engine) { engine.SetMemoryPressure(step); });
  }
}

std::vector<std::string> SimServer::Leftovers(std::optional<uint64_t> outbound) const {
  std::vector<std::string> left;
  const auto expect = [&left](const std::string& what, uint64_t is, uint64_t should) {
    if (is != should) left.push_back(absl::StrCat(what, ": ", is, ", not ", should));
  };
  const uint64_t released = Count(EngineCount::kReleased);
  expect("live connections", live(), 0);
  expect("causes (each connection has one, counted once)", Causes(), released);
  expect("connections without a cause", Cause(CloseCause::kNone), 0);
  const uint64_t connects = Count(EngineCount::kConnects);
  expect("connections released", released, Count(EngineCount::kAccepted) + connects);
  if (outbound.has_value()) expect("connects", connects, *outbound);
  expect("stale completions", TransportCountOr0("stale"), 0);
  expect("close errors", TransportCountOr0("close_errors"), 0);
  if (credit_ != nullptr) expect("credit", static_cast<uint64_t>(credit_->left()), static_cast<uint64_t>(options_.credit));
  for (size_t i = 0; i < shards_.size(); ++i) {
    core::Shard& shard = *shards_[i].engine->shard();
    const std::string of = absl::StrCat(" of shard ", i);
    expect("retained blocks" + of, shards_[i].engine->retained_blocks(), 0);
    expect("live counter" + of, shards_[i].engine->live_counter().Read(), 0);
    expect("frames" + of, shard.frames().live(), 0);
    expect("blocks" + of, shard.buffers().blocks_live(), 0);
    expect("blocks of shared bytes" + of, shard.buffers().shared_live(), 0);
    uint64_t published = 0;
    bool publishes = false;
    shards_[i].transport->Count([&](std::string_view name, uint64_t value) {
      publishes |= name == "group_published";
      if (name == "group_published") published += value;
      if (name == "receives" || name == "receive_dropped") published -= value;
    });
    const uint32_t receive_live = shard.buffers().receive_live();
    if (publishes) {
      expect("receive blocks" + of + " (all but the published ones are back)", receive_live, published);
    } else {
      expect("receive blocks" + of + " (all but a spare one are back)", receive_live, std::min(receive_live, 1u));
    }
    expect("jobs without an answer" + of, shard.answers()->outstanding(), 0);
    expect("timers armed" + of, shard.wheel().armed(), 0);
    if (!shard.wheel().Validate()) left.push_back("the timer wheel" + of + " is not in order");
  }
  return left;
}

void SimServer::DestroyNow() {
  destroyed_ = true;
  for (size_t i = 0; i < shards_.size(); ++i) {
    core::Shard::Enter enter(&world.shard(i));
    world.shard(i).locals().Clear();  // as a server's thread does at its end
    shards_[i].transport.reset();
  }
  for (Part& part : shards_) part.engine.reset();
}

}  // namespace mooring::net
