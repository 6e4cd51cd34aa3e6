// SPDX-License-Identifier: Apache-2.0
#include "tests/net/outbound.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/shard.h"
#include "net/connect.h"
#include "tests/net/trial_services.h"

namespace mooring::net {
namespace {

constexpr std::string_view kListener = "127.0.0.1:9000";
constexpr std::string_view kNobody = "127.0.0.1:9001";

}  // namespace

struct Outbound::Caller final : Handler {
  Caller(Outbound* owner, bool is_good) : outbound(owner), good(is_good) {}
  Dialer& dialer() {
    OfShard& shard = outbound->shards_[core::Shard::Current()->id()];
    return good ? *shard.good : *shard.bad;
  }
  void OnOpen(Connection& conn) override {
    ++outbound->opened_;
    dialer().OnOpen(conn);
    conn.Write(kGreeting);
  }
  void OnData(Connection& conn, alloc::Lease data) override { conn.Write(std::move(data)); }
  void OnClose(Connection& conn, CloseCause cause) override {
    ++outbound->closed_;
    dialer().OnClose(conn, cause);
  }
  Outbound* const outbound;
  const bool good;
};

Outbound::Outbound(SimServer* server, const ServiceOptions& options, Findings* findings)
    : server_(server), findings_(findings), options_(options) {
  listener_ = server->world.kernel().ListenAsPeer(kListener);
  profile_ = server->AddProfile([this] { return std::make_unique<Caller>(this, true); }, options);
  profile_bad_ = server->AddProfile([this] { return std::make_unique<Caller>(this, false); }, options);
  for (size_t i = 0; i < server->size(); ++i) {
    OfShard shard;
    shard.good = std::make_unique<Dialer>(
        &server->engine(i), Dialer::Options{.profile = profile_, .target = *Address::Parse(kListener), .in_flight_max = 3});
    shard.bad = std::make_unique<Dialer>(
        &server->engine(i), Dialer::Options{.profile = profile_bad_, .target = *Address::Parse(kNobody)});
    shards_.push_back(std::move(shard));
  }
}

void Outbound::Dial(Dice& dice) {
  const size_t shard = dice.Pick(shards_.size());
  const bool good = dice.Chance(80);
  const unsigned then = static_cast<unsigned>(dice.Pick(20));
  if (dice.Chance(40)) {
    const core::Nanos patience = then < 3 ? core::kNanosPerMs : 10 * core::kNanosPerSecond;
    server_->OnShard(shard, [&](Engine& engine) {
      (void)engine.shard()->background().Spawn(Call(this, good, patience));  // false: no memory
    });
    return;
  }
  server_->OnShard(shard, [&](Engine&) {
    Connection* conn = (good ? shards_[shard].good : shards_[shard].bad)->Open();
    if (conn == nullptr) return;  // at a bound: a full slab, or enough under way
    ++dialled_;
    if (then == 0) conn->Close();  // changed its mind
    if (then == 1) conn->Abort();
  });
}

// The greeter, as a task that owns its connection.
core::Task<> Outbound::Call(Outbound* self, bool good, core::Nanos patience) {
  struct Calling {  // also when there is no memory
    explicit Calling(Outbound* of) : self(of) { ++self->calling_; }
    ~Calling() { --self->calling_; }
    Outbound* const self;
  };
  std::optional<Calling> calling(self);
  const Address to = *Address::Parse(good ? kListener : kNobody);
  auto up = co_await Connect(to, {.deadline = patience, .bounds = self->options_});
  calling.reset();
  const bool no_slot = up.failure == ConnectFailure::kNoRoom;
  if (!no_slot) {
    ++self->dialled_;
    ++self->closed_;  // this task will have let go of it
  }
  if (up.failure == ConnectFailure::kConnect || up.failure == ConnectFailure::kDeadline) ++self->owned_failed_;
  if (!up) co_return;
  ++self->opened_;
  ++self->owned_;
  up->Write(kGreeting);
  for (;;) {
    auto data = co_await up->Read({.max_bytes = 4000});
    if (!data) co_return;
    up->Write(up->Keep(data));
    if (const bool room = co_await up->Writable(); !room) co_return;
  }
}

std::vector<sim::SimPeer*> Outbound::TakeAccepted() {
  std::vector<sim::SimPeer*> peers;
  while (sim::SimPeer* peer = server_->world.kernel().TakeAccepted(listener_)) peers.push_back(peer);
  return peers;
}

void Outbound::CheckBooks() {
  if (closed_ != dialled_) {
    findings_->Add("outbound", absl::StrCat(dialled_, " connects, and ", closed_, " were said to be closed"));
  }
  if (calling_ != 0) findings_->Add("outbound", absl::StrCat(calling_, " tasks connect still"));
  uint64_t failed = owned_failed_;
  for (const OfShard& shard : shards_) {
    failed += shard.good->failed() + shard.bad->failed();
    if (shard.good->in_flight() + shard.bad->in_flight() != 0) findings_->Add("outbound", "a connect is under way still");
    for (const auto& [error, count] : shard.bad->failures()) {
      if (error == 0) findings_->Add("outbound", "a connect failed without an error");
    }
  }
  if (failed != server_->Cause(CloseCause::kConnectFailed)) {
    findings_->Add("outbound", absl::StrCat(failed, " connects failed, and ", server_->Cause(CloseCause::kConnectFailed),
                                            " connections have that cause"));
  }
  if (opened_ != server_->Count(EngineCount::kConnected)) {
    findings_->Add("outbound", absl::StrCat(opened_, " were opened, ", server_->Count(EngineCount::kConnected), " connected"));
  }
}

}  // namespace mooring::net
