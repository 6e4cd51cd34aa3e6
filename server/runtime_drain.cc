// SPDX-License-Identifier: Apache-2.0
// Runtime: drain: the end of a server, or of one of its listeners, without losing anybody.
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/runtime.h"

namespace mooring::server {

absl::Status Runtime::Drain() {
  if (state_ != ServerState::kServing) return absl::FailedPreconditionError("the server is draining already");
  StartDrain("POST /drain");
  return absl::OkStatus();
}

void Runtime::StartDrain(const char* reason) {
  const DrainSettings& drain = settings_.drain;
  state_ = ServerState::kDelaying;
  log().Say(Log::Level::kInfo, "draining; a second signal ends at once",
            {{"reason", std::string_view(reason)},
             {"delay_s", uint64_t{drain.delay_s}},
             {"spread_s", uint64_t{drain.spread_s}},
             {"deadline_s", uint64_t{drain.deadline_s}}});
  const int64_t at_most_ms = (int64_t{drain.delay_s} + drain.deadline_s) * 1000 + kSecondDeadlineMs + kLastWordsMs;
  options_.notify.Stopping("draining", at_most_ms).IgnoreError();
  if (drain.delay_s == 0) return BeginDrain();
  deadline_.call = [](void* self) { static_cast<Runtime*>(self)->BeginDrain(); };
  control_->wheel().Arm(&deadline_, core::TimerKind::kFunction, control_->now_ms() + int64_t{drain.delay_s} * 1000);
}

void Runtime::BeginDrain() {
  state_ = ServerState::kDraining;
  drain_began_ = control_->now();
  for (size_t i = 0; i < causes_before_.size(); ++i) {
    for (auto& data : shards_) causes_before_[i] += data->engine().causes().Read(static_cast<net::CloseCause>(i));
  }
  for (Served& served : served_) served.claim->Withdraw();
  const int64_t spread_ms = int64_t{settings_.drain.spread_s} * 1000;
  OnEach([this, spread_ms](DataShard& data) {
    const uint32_t id = data.shard().id();
    data.engine().BeginDrain(net::Engine::DrainOptions{.spread_ms = spread_ms}, [this, id] { OnPartDrained(id); },
                             [this, &data] { data.shard().PostAlways(control_.get(), [this] { OnShardServed(); }); });
  });
  deadline_.call = [](void* self) { static_cast<Runtime*>(self)->Cut(); };
  control_->wheel().Cancel(&deadline_);
  control_->wheel().Arm(&deadline_, core::TimerKind::kFunction,
                        control_->now_ms() + int64_t{settings_.drain.deadline_s} * 1000);
}

void Runtime::OnShardServed() {
  if (--shards_unserved_ > 0) return;
  OnEach([this](DataShard& data) {
    core::Scope& background = data.shard().background();
    struct Last {
      Runtime* runtime;
      uint32_t shard;
    };
    background.Cancel();
    auto* const last = new Last{this, data.shard().id()};
    background.OnEmpty(
        [](void* argument) {
          const std::unique_ptr<Last> owned(static_cast<Last*>(argument));
          owned->runtime->OnPartDrained(owned->shard);
        },
        last);
  });
}

void Runtime::OnPartDrained(uint32_t shard) {
  if (--parts_left_[shard] > 0) return;
  shards_[shard]->shard().PostAlways(control_.get(), [this] { OnShardDrained(); });
}

void Runtime::OnShardDrained() {
  if (--shards_left_ > 0) return;
  control_->wheel().Cancel(&deadline_);
  std::string causes;
  for (size_t i = 1; i < causes_before_.size(); ++i) {
    uint64_t ended = 0;
    for (auto& data : shards_) ended += data->engine().causes().Read(static_cast<net::CloseCause>(i));
    ended -= causes_before_[i];
    if (ended != 0) absl::StrAppend(&causes, causes.empty() ? "" : " ", net::Name(static_cast<net::CloseCause>(i)), "=", ended);
  }
  const double seconds = static_cast<double>(control_->now() - drain_began_) / core::kNanosPerSecond;
  log().Say(Log::Level::kInfo, exit_code_ == kExitCut ? "drained; the deadline cut some connections" : "drained",
            {{"seconds", seconds}, {"cut", cut_}, {"ended", std::string_view(causes)}, {"exit_code", int64_t{exit_code_}}});
  EndControl();
}

// The admin interface goes last: it was there to watch.
void Runtime::EndControl() {
  control_engine_->BeginDrain(net::Engine::DrainOptions(), [this] { control_->Stop(); });
  deadline_.call = [](void* self) { static_cast<Runtime*>(self)->control_engine_->CutAll(); };
  control_->wheel().Arm(&deadline_, core::TimerKind::kFunction, control_->now_ms() + kLastWordsMs);
}

void Runtime::Cut() {
  exit_code_ = kExitCut;
  OnEach([this](DataShard& data) {
    const uint32_t cut = data.engine().CutAll();
    data.shard().background().Cancel();
    data.shard().PostAlways(control_.get(), [this, cut] { cut_ += cut; });
  });
  deadline_.call = [](void* self) {
    Log& log = static_cast<Runtime*>(self)->log();
    log.Say(Log::Level::kError, "a service did not end when it was cancelled; ending without it");
    log.Settle(kSettleMs);
    _exit(kExitCut);
  };
  control_->wheel().Arm(&deadline_, core::TimerKind::kFunction, control_->now_ms() + kSecondDeadlineMs);
}

// The progress line: left, by listener and state. Counters are read, so it costs the same however many there are.
void Runtime::ReportDrain() {
  if (shards_left_ == 0) return;
  std::string by;
  uint64_t all = 0;
  for (const Served& served : served_) {
    for (size_t i = 0; i < static_cast<size_t>(net::ConnectionState::kCount); ++i) {
      const auto state = static_cast<net::ConnectionState>(i);
      uint64_t in = 0;
      for (auto& data : shards_) {
        const net::ListenerCounters* counters = data->engine().CountersOf(served.number);
        if (counters != nullptr) in += counters->in(state);
      }
      if (in == 0) continue;
      all += in;
      absl::StrAppend(&by, by.empty() ? "" : " ", served.settings.name, "_", net::Name(state), "=", in);
    }
  }
  if (all == 0) return;
  log().Say(Log::Level::kInfo, "still draining", {{"left", all}, {"by", std::string_view(by)}});
  options_.notify.Say(absl::StrCat("draining, ", all, " connections left")).IgnoreError();
}

// Of one listener.

Runtime::Served* Runtime::Find(const std::string& listener) {
  const auto found = std::find_if(served_.begin(), served_.end(), [&](const Served& each) { return each.settings.name == listener; });
  return found == served_.end() ? nullptr : &*found;
}

absl::Status Runtime::DrainListener(const std::string& name) {
  Served* const served = Find(name);
  if (served == nullptr) return absl::NotFoundError(absl::StrCat("there is no listener '", name, "'"));
  if (state_ == ServerState::kDraining) return absl::FailedPreconditionError("the server is draining already");
  if (!served->open) return absl::FailedPreconditionError(absl::StrCat("'", name, "' is drained already; a reload opens it again"));
  if (reloading_) {
    after_reload_.push_back([this, name] { DrainListener(name).IgnoreError(); });
    return absl::OkStatus();
  }
  served->open = false;
  served->claim->Withdraw();
  log().Say(Log::Level::kInfo, "draining a listener", {{"listener", std::string_view(name)}});
  const int64_t spread_ms = int64_t{settings_.drain.spread_s} * 1000;
  auto leaving = std::make_shared<Leaving>(LeavingOf(*served));
  ExpectForgotten(served->handler);
  OnEach([this, leaving, spread_ms](DataShard& data) {
    RetireOn(data, leaving);
    data.engine().NotifyConnections(leaving->number, 100, spread_ms);  // also those that come out of its queue
  });
  return absl::OkStatus();
}

absl::Status Runtime::DrainConnections(const std::string& listener, uint32_t percent) {
  Served* const served = Find(listener);
  if (served == nullptr) return absl::NotFoundError(absl::StrCat("there is no listener '", listener, "'"));
  if (state_ == ServerState::kDraining) return absl::FailedPreconditionError("the server is draining already");
  if (!served->open) return absl::FailedPreconditionError(absl::StrCat("'", listener, "' is drained already"));
  if (reloading_) {
    after_reload_.push_back([this, listener, percent] { DrainConnections(listener, percent).IgnoreError(); });
    return absl::OkStatus();
  }
  log().Say(Log::Level::kInfo, "draining connections of a listener",
            {{"listener", std::string_view(listener)}, {"percent", uint64_t{percent}}});
  const int64_t spread_ms = int64_t{settings_.drain.spread_s} * 1000;
  OnEach([number = served->number, percent, spread_ms](DataShard& data) {
    data.engine().NotifyConnections(number, percent, spread_ms);
  });
  return absl::OkStatus();
}

}  // namespace mooring::server
