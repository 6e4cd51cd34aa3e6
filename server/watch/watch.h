// SPDX-License-Identifier: Apache-2.0
// Watch: what the control shard looks at once a second, and what it then says in the log.
//
//   Watch watch(&control);       // when all shards have begun to serve
//   ... once a second: watch.OnSecond();
//
// Threads:  the control shard, in its turn.
// Limits:   O(shards * figures) a second; the accept queues are asked for every ten seconds.
#ifndef MOORING_SERVER_WATCH_WATCH_H_
#define MOORING_SERVER_WATCH_WATCH_H_

#include "server/control.h"
#include "server/watch/faults.h"
#include "server/watch/queue_faults.h"
#include "server/watch/summary.h"
#include "server/watch/watchdog.h"

namespace mooring::server::watch {

class Watch {
 public:
  explicit Watch(Control* control);
  void OnSecond();

 private:
  Control* const control_;
  Summary summary_;
  FaultLines faults_;
  QueueFaults queue_faults_;
  Watchdog watchdog_;
};

}  // namespace mooring::server::watch

#endif  // MOORING_SERVER_WATCH_WATCH_H_
