// SPDX-License-Identifier: Apache-2.0
// Stalls: /debug/stalls: the longest recent turns of all shards and what ran in them, and what each shard is at.
//
//   {"now": "...", "stalls": [{"shard": 1, "at": "...", "ms": 131.2, "ran": "http, mail"}, ...],
//    "shards": [{"shard": 0, "over_limit": 0, "running": null},
//               {"shard": 1, "over_limit": 2, "running": {"ms": 4200.1, "at_work_on": "http"}}]}
//
// It reads what shards leave where any thread may look (core/turn_times.h), so it says what a shard hangs in that
// answers nothing any more.
//
// Threads:  the control shard.
// Limits:   TurnTimes::kLongest records of each shard.
#ifndef MOORING_SERVER_ADMIN_STALLS_H_
#define MOORING_SERVER_ADMIN_STALLS_H_

#include "core/clock.h"
#include "server/admin/answers.h"
#include "server/control.h"

namespace mooring::server::admin {

// `now` is of the shards' clock.
Json StallsOf(const Control& control, core::Nanos now);

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_STALLS_H_
