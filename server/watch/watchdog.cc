// SPDX-License-Identifier: Apache-2.0
#include "server/watch/watchdog.h"

#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/turn_times.h"
#include "server/watch/stalls.h"

namespace mooring::server::watch {
namespace {

constexpr core::Nanos kLook = core::Seconds(1);
constexpr core::Nanos kLeastTick = core::Millis(500);
constexpr int64_t kLastLineMs = 500;

std::optional<core::Nanos> Used(const std::optional<ThreadCpu>& cpu) {
  return cpu ? std::optional(cpu->used) : std::nullopt;
}

double Ms(core::Nanos took) { return static_cast<double>(took / 1000) / 1000; }

}  // namespace

void Watchdog::Look(core::Nanos now) {
  if (looked_ && now - last_ < kLeastTick) return;
  looked_ = true;
  last_ = now;
  watched_.resize(control_->shards().size());
  stalls_said_.resize(control_->shards().size());
  TellLimits();
  LookAtTurnsThatAreOver(now);
  LookAtTurnsThatGoOn(now);
}

void Watchdog::TellLimits() {
  const uint32_t warn_ms = control_->settings().runtime.watchdog_warn_ms;
  for (const ShardView& view : control_->shards()) {
    view.shard->turns().SetLimit(warn_ms == 0 ? core::TurnTimes::kNoLimit : core::Millis(warn_ms));
  }
}

void Watchdog::LookAtTurnsThatGoOn(core::Nanos now) {
  const RuntimeSettings& settings = control_->settings().runtime;
  for (size_t i = 0; i < watched_.size(); ++i) {
    const core::Shard& shard = *control_->shards()[i].shard;
    Watched& watched = watched_[i];
    const core::TurnTimes::Running running = shard.turns().Now();
    if (!running.working || running.turn != watched.turn || running.work == core::kStart) {
      watched = {.turn = running.turn, .used = running.working ? Used(CpuOf(shard)) : std::nullopt};
      continue;
    }
    watched.hung += Counts(shard, &watched);
    if (!watched.said && settings.watchdog_warn_ms != 0 && watched.hung >= core::Millis(settings.watchdog_warn_ms)) {
      watched.said = true;
      control_->log().Say(Log::Level::kWarning, "a turn goes on: its shard serves nobody else meanwhile",
                          {{"shard", uint64_t{shard.id()}},
                           {"ms", Ms(now - running.began)},
                           {"ran", std::string_view(WorkName(*control_, running.work))},
                           {"do", "a service must not block: use core::Blocking, or co_await"}});
    }
    if (settings.watchdog_abort_s != 0 && watched.hung >= core::Seconds(settings.watchdog_abort_s)) {
      Abort(shard.id(), WorkName(*control_, running.work), settings.watchdog_abort_s);
    }
  }
}

// What this look counts of the second behind it.
core::Nanos Watchdog::Counts(const core::Shard& shard, Watched* watched) {
  const std::optional<ThreadCpu> cpu = CpuOf(shard);
  if (!cpu) return kLook;
  const core::Nanos before = std::exchange(watched->used, cpu->used).value_or(0);
  if (!cpu->runnable) return kLook;
  const core::Nanos used = cpu->used - before;
  return used >= kLook / 2 ? kLook : used;
}

void Watchdog::LookAtTurnsThatAreOver(core::Nanos now) {
  uint64_t total = 0;
  for (const ShardView& view : control_->shards()) total += view.shard->turns().stalls();
  const uint64_t count = pace_.Due(total, now);
  if (count == 0) return;
  std::optional<core::TurnTimes::Record> longest;
  uint32_t of = 0;
  for (size_t i = 0; i < stalls_said_.size(); ++i) {
    const core::Shard& shard = *control_->shards()[i].shard;
    const uint64_t stalls = shard.turns().stalls();
    if (std::exchange(stalls_said_[i], stalls) == stalls) continue;
    std::optional<core::TurnTimes::Record> last = shard.turns().LastStall();
    if (!last || (longest && longest->took >= last->took)) continue;
    longest = std::move(last);
    of = shard.id();
  }
  if (!longest) return;
  control_->log().Say(Log::Level::kWarning, "turns took too long: their shard served nobody else meanwhile",
                      {{"cause", "turn_stalled"},
                       {"count", count},
                       {"total", total},
                       {"shard", uint64_t{of}},
                       {"ms", Ms(longest->took)},
                       {"ran", std::string_view(longest->what)},
                       {"do", "a service must not block: use core::Blocking, or co_await; /debug/stalls has more"}});
}

void Watchdog::Abort(uint32_t shard, const std::string& work, uint32_t seconds) {
  control_->log().Say(Log::Level::kError, "a turn does not end: the process ends, with a core",
                      {{"shard", uint64_t{shard}},
                       {"s", uint64_t{seconds}},
                       {"ran", std::string_view(work)},
                       {"do", "the core shows where the shard hangs; watchdog_abort = 0 switches this off"}});
  control_->log().Settle(kLastLineMs);
  const std::string line = absl::StrCat(control_->program().name, ": shard ", shard, " has been in one turn for ", seconds,
                                        " s, in ", work, ": aborting; watchdog_abort = 0 switches this off\n");
  // stderr may be a pipe that nobody reads.
  pollfd room = {STDERR_FILENO, POLLOUT, 0};
  if (poll(&room, 1, kLastLineMs) == 1) {
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
  }
  std::abort();
}

}  // namespace mooring::server::watch
