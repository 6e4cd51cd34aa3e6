// SPDX-License-Identifier: Apache-2.0
// NoPort: a port that never waits, so that a turn costs what the shard's part of it does; and Yield, the shortest wait.
//
// Threads:  one.
#ifndef MOORING_PERF_CORE_NO_PORT_H_
#define MOORING_PERF_CORE_NO_PORT_H_

#include <coroutine>
#include <cstdint>

#include "core/event_port.h"
#include "core/shard.h"

namespace mooring::core {

class NoPort final : public EventPort {
 public:
  void Poll(Nanos, Sleeper* sleeper) override { sleeper->OnAwake(); }
  int Watch(int, uint32_t, Watcher*) override { return 0; }
  void Unwatch(int) override {}
  void Wake() override {}
};

// To the end of the run queue.
struct Yield {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> task) { Shard::Current()->MakeRunnable(task); }
  void await_resume() const noexcept {}
};

}  // namespace mooring::core

#endif  // MOORING_PERF_CORE_NO_PORT_H_
