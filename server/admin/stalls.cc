// SPDX-License-Identifier: Apache-2.0
#include "server/admin/stalls.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/turn_times.h"

namespace mooring::server::admin {
namespace {

double Ms(core::Nanos time) { return std::round(static_cast<double>(time) / 1e5) / 10; }  // to tenths

std::string NameOf(const Control& control, uint32_t work) {
  if (work < core::kService) return std::string(core::Name(static_cast<core::Work>(work)));
  const uint32_t id = work - core::kService;
  for (const ServedListener& each : control.listeners()) {
    if (each.id == id) return each.name;
  }
  return absl::StrCat("listener ", id);
}

}  // namespace

Json StallsOf(const Control& control, core::Nanos now) {
  const int64_t wall_s = time(nullptr);
  struct Stall {
    uint32_t shard;
    core::TurnTimes::Record record;
  };
  std::vector<Stall> stalls;
  Json shards = Json::array();
  for (const ShardView& view : control.shards()) {
    const core::TurnTimes& turns = std::as_const(*view.shard).turns();
    for (core::TurnTimes::Record& record : turns.Longest()) stalls.push_back({view.shard->id(), std::move(record)});
    const core::TurnTimes::Running running = turns.Now();
    Json at;
    if (running.working) {
      at["ms"] = Ms(std::max<core::Nanos>(0, now - running.began));
      at["at_work_on"] = NameOf(control, running.work);
    }
    shards.push_back({{"shard", view.shard->id()}, {"over_limit", turns.stalls()}, {"running", std::move(at)}});
  }
  std::sort(stalls.begin(), stalls.end(), [](const Stall& a, const Stall& b) { return a.record.took > b.record.took; });
  Json longest = Json::array();
  for (const Stall& each : stalls) {
    longest.push_back({{"shard", each.shard},
                       {"at", TimeText(wall_s - (now - each.record.began) / core::kNanosPerSecond)},
                       {"ms", Ms(each.record.took)},
                       {"ran", each.record.what}});
  }
  Json json;
  json["now"] = TimeText(wall_s);
  json["stalls"] = std::move(longest);
  json["shards"] = std::move(shards);
  return json;
}

}  // namespace mooring::server::admin
