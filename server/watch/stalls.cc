// SPDX-License-Identifier: Apache-2.0
#include "server/watch/stalls.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/turn_times.h"

namespace mooring::server::watch {
namespace {

int64_t WallMs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

std::string WorkName(const Control& control, uint32_t work) {
  if (work < core::kService) return std::string(core::Name(static_cast<core::Work>(work)));
  const uint32_t id = work - core::kService;
  if (id >= net::Engine::kOwnedProfile) return "outbound";
  for (const ServedListener& listener : control.listeners()) {
    if (listener.id == id) return listener.name;
  }
  return absl::StrCat("listener ", id);
}

std::vector<Stall> StallsOf(const Control& control, core::Nanos now, int64_t wall_ms) {
  std::vector<Stall> all;
  const auto wall = [&](core::Nanos then) { return wall_ms - (now - then) / core::kNanosPerMs; };
  for (const ShardView& view : control.shards()) {
    const uint32_t id = view.shard->id();
    const core::TurnTimes::Running running = view.shard->turns().Now();
    if (running.working && now - running.began >= core::kNanosPerMs) {
      all.push_back({.shard = id, .began_wall_ms = wall(running.began), .took = now - running.began, .goes_on = true,
                     .ran = WorkName(control, running.work)});
    }
    for (core::TurnTimes::Record& record : view.shard->turns().Longest()) {
      all.push_back({.shard = id, .began_wall_ms = wall(record.began), .took = record.took, .ran = std::move(record.what)});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Stall& a, const Stall& b) { return a.took > b.took; });
  return all;
}

std::vector<Stall> StallsOf(const Control& control) {
  core::MonotonicClock clock;
  return StallsOf(control, clock.Now(), WallMs());
}

}  // namespace mooring::server::watch
