// SPDX-License-Identifier: Apache-2.0
// ShardThread: the thread that runs a shard's turns, pinned to its CPU.
//
// Rings must be made by the thread that uses them, and a start-up that fails on one shard must leave nothing running;
// so set-up happens on the thread, reports a status, and turns begin only when the owner says Go.
//
// Shards wake each other through their ports. So none may be torn down before all have left their turns: stop all, wait
// for all, then join them.
//
//   Start (set-up runs on the thread) ─ok─> Go (turns) ─Stop─> AwaitStopped ─> Join (teardown runs on the thread)
//                                     └error─> Join
//
// Threads:  the owner's; `shard` outlives this.
// Owns:     the thread.
#ifndef MOORING_CORE_SHARD_THREAD_H_
#define MOORING_CORE_SHARD_THREAD_H_

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "core/shard.h"

namespace mooring::core {

class ShardThread {
 public:
  struct Options {
    int cpu = -1;                            // -1: not pinned
    std::string name = {};                   // 15 characters at most, as top -H and perf show it
    // With Shard::Current() set, before the first turn and after the last.
    std::function<absl::Status()> set_up = {};
    std::function<void()> tear_down = {};
  };

  ShardThread(Shard* shard, Options options) : shard_(shard), options_(std::move(options)) {}
  ~ShardThread();  // REQUIRES: joined, or never started

  absl::Status Start();  // waits for the set-up
  void Go();
  void Stop();           // asks the shard to stop, if it runs; may be called again
  void AwaitStopped();   // until the last turn is over
  void Join();           // Stop, AwaitStopped, teardown; may be called again

 private:
  enum Phase : int { kIdle, kSetUp, kGo, kStopped, kTearDown };
  void Enter(Phase phase);
  void Main();

  Shard* const shard_;
  const Options options_;
  absl::Status status_;
  std::atomic<int> phase_{kIdle};
  std::thread thread_;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_SHARD_THREAD_H_
