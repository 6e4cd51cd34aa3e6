// SPDX-License-Identifier: Apache-2.0
// BlockingPool: helper threads for jobs that sleep, few and only when they are needed.
//
// A thread is started when a job comes, all that there are have one, and there may be more; so a server that never
// blocks has none. They sleep rather than work, so they are not pinned: they may run on each CPU that the process may,
// whatever the thread that started them is tied to.
//
// Threads:  Submit, Withdraw and counts from any; made and destroyed by one, which blocks in the destructor for the jobs that
//           run.
// Owns:     its threads ("blocking-0", ... in top -H; no signal is delivered to them) and the jobs that wait.
// Limits:   Options.
#ifndef MOORING_CORE_BLOCKING_POOL_H_
#define MOORING_CORE_BLOCKING_POOL_H_

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "core/job_runner.h"

namespace mooring::core {

class BlockingPool final : public JobRunner {
 public:
  struct Options {
    // Some may be stuck for as long as a dead name server's time-out (resolv.conf(5): 5 s a try) and others still
    // serve. libuv starts as many.
    uint32_t threads = 4;
    // Jobs that wait. With jobs of 1 ms a full queue is a quarter of a second; beyond it, refusing is the better
    // answer.
    uint32_t queue_max = 1024;
    // Where they may run. Empty: where the thread that makes the pool may, so make it before that thread is pinned.
    std::vector<int> cpus = {};
  };
  struct Counts {
    uint64_t run = 0;      // taken from the queue
    uint64_t refused = 0;  // not taken into it
    uint64_t withdrawn = 0;
    uint32_t queued = 0;   // now
    uint32_t busy = 0;     // threads, now
    uint32_t threads = 0;  // started
  };

  BlockingPool() : BlockingPool(Options()) {}
  explicit BlockingPool(const Options& options);
  ~BlockingPool() override;  // End, and then waits for what runs however long it does

  // Takes no more jobs, drops those that wait, and waits for those that run, at most so long. False when some run on:
  // nothing ends a thread that sleeps in somebody else's call, so who cannot wait leaves by _exit(2).
  bool End(Nanos patience);

  // False when `queue_max` wait, or when there is no thread and none can be started.
  bool Submit(Job* job) override;
  bool Withdraw(Job* job) override;
  Counts counts() const;

 private:
  bool StartThread();  // under mutex_
  void Main(uint32_t number);

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable idle_;  // told while the pool ends
  Job* first_ = nullptr;  // in the order they came
  Job* last_ = nullptr;
  bool ending_ = false;
  Counts counts_;
  std::vector<std::thread> threads_;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_BLOCKING_POOL_H_
