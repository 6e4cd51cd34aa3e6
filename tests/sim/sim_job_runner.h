// SPDX-License-Identifier: Apache-2.0
// SimJobRunner: BlockingPool's twin in the simulation. No threads: a job runs when the seed says.
//
// As many jobs as there would be threads are under way, in the order they came; each takes as long as the seed says,
// and of those whose time is up the seed takes any. The function itself is one step, and happens at that moment: for
// its shard, which hears of it by its answer alone, it might have begun and ended at any time since it was submitted.
//
// Threads:  one.
// Owns:     the jobs that have not run.
#ifndef MOORING_TESTS_SIM_SIM_JOB_RUNNER_H_
#define MOORING_TESTS_SIM_SIM_JOB_RUNNER_H_

#include <cstddef>
#include <cstdint>
#include <deque>

#include "core/clock.h"
#include "core/job_runner.h"
#include "tests/sim/choices.h"

namespace mooring::sim {

class SimJobRunner final : public core::JobRunner {
 public:
  struct Options {
    size_t threads = 4;        // as BlockingPool's
    size_t queue_max = 1024;   // behind those that are under way
    size_t longest_ms = 100;   // what a job takes, at most. Calm: they take no time
  };
  SimJobRunner(const Options& options, Choices* choices, core::Clock* clock)
      : options_(options), choices_(choices), clock_(clock) {}
  ~SimJobRunner() override;
  SimJobRunner(const SimJobRunner&) = delete;

  bool Submit(core::Job* job) override;
  bool Withdraw(core::Job* job) override;

  bool due() const { return NextDue() <= clock_->Now(); }
  core::Nanos NextDue() const;  // INT64_MAX: none is under way
  void RunOne();                // REQUIRES: due()

  size_t waiting() const { return jobs_.size(); }
  uint64_t run() const { return run_; }
  uint64_t refused() const { return refused_; }
  uint64_t withdrawn() const { return withdrawn_; }

 private:
  struct Waiting {
    core::Job* job;
    core::Nanos due;
  };
  void Begin();

  const Options options_;
  Choices* const choices_;
  core::Clock* const clock_;
  std::deque<Waiting> jobs_;  // the first `begun_` are under way
  size_t begun_ = 0;
  uint64_t run_ = 0;
  uint64_t refused_ = 0;
  uint64_t withdrawn_ = 0;
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_SIM_JOB_RUNNER_H_
