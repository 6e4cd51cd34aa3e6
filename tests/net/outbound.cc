// SPDX-License-Identifier: Apache-2.0
#include "tests/net/outbound.h"

#include <utility>

#include "absl/strings/str_cat.h"
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
    : server_(server), findings_(findings) {
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
  server_->OnShard(shard, [&](Engine&) {
    Connection* conn = (good ? shards_[shard].good : shards_[shard].bad)->Open();
    if (conn == nullptr) return;  // at a bound: a full slab, or enough under way
    ++dialled_;
    if (then == 0) conn->Close();  // changed its mind
    if (then == 1) conn->Abort();
  });
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
  uint64_t failed = 0;
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
