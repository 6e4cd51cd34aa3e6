// SPDX-License-Identifier: Apache-2.0
// Watchdog: shards that do not turn.
//
// A turn that took watchdog_warn or longer was counted by its shard (core/turn_times.h) and gets a line here; so does one
// that still goes on at the second look. One that goes on for watchdog_abort ends the process with a core: nobody of that
// shard is served any more, and a process that is started again serves all. Time is counted in looks, so what stops the
// whole process (SIGSTOP, a debugger, a suspended machine) stops the watchdog's clock, too. A thread that only waits for a
// CPU hangs in nothing: of such a second its CPU time counts. (100 shards on one CPU all take seconds for a turn when all
// have work, and an abort would make nobody faster.) What it cannot know: whether a tool that runs one thread at a time (a
// debugger in non-stop mode, valgrind) holds a shard up; there it belongs off.
//
// Not watched: the control shard, which does the looking (the service manager's watchdog is for that), shards that have ended
// their turns, and what a program does before it serves (OnShardStart): that may load for as long as it likes.
//
// Threads:  the control shard.
// Limits:   a line for turns that are over in ten seconds, with the longest of the last; a line for each that goes on.
#ifndef MOORING_SERVER_WATCH_WATCHDOG_H_
#define MOORING_SERVER_WATCH_WATCHDOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "server/control.h"
#include "server/watch/fault_pace.h"
#include "server/watch/thread_cpu.h"

namespace mooring::server::watch {

class Watchdog {
 public:
  explicit Watchdog(Control* control) : control_(control) { TellLimits(); }  // so that the first second counts, too
  virtual ~Watchdog() = default;

  // Once a second. One that comes in less than half a second after the one before counts no time: a late ticker catches up.
  void Look(core::Nanos now);

 protected:
  // Says why, on stderr too, and aborts. Tests look on instead.
  virtual void Abort(uint32_t shard, const std::string& work, uint32_t seconds);
  virtual std::optional<ThreadCpu> CpuOf(const core::Shard& shard) { return ReadThreadCpu(shard.turns().thread()); }

 private:
  struct Watched {
    uint64_t turn = 0;
    core::Nanos hung = 0;  // since the look that found it in this turn first
    std::optional<core::Nanos> used = {};  // ThreadCpu::used at the last look at it in this turn
    bool said = false;
  };

  void TellLimits();
  void LookAtTurnsThatGoOn(core::Nanos now);
  core::Nanos Counts(const core::Shard& shard, Watched* watched);
  void LookAtTurnsThatAreOver(core::Nanos now);

  Control* const control_;
  std::vector<Watched> watched_;      // one for each shard
  std::vector<uint64_t> stalls_said_;  // likewise
  FaultPace pace_;
  core::Nanos last_ = 0;
  bool looked_ = false;
};

}  // namespace mooring::server::watch

#endif  // MOORING_SERVER_WATCH_WATCHDOG_H_
