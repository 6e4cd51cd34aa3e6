// SPDX-License-Identifier: Apache-2.0
// HandRunner: a job runner that runs jobs when it is told to, on the thread that says so.
//
// Threads:  one.
// Owns:     the jobs that it has not run; it drops them in the end.
#ifndef MOORING_TESTS_CORE_HAND_RUNNER_H_
#define MOORING_TESTS_CORE_HAND_RUNNER_H_

#include <cstddef>
#include <deque>

#include "core/job_runner.h"

namespace mooring::core {

class HandRunner final : public JobRunner {
 public:
  ~HandRunner() override {
    while (!jobs.empty()) Drop();
  }
  bool Submit(Job* job) override {
    if (jobs.size() >= queue_max) return false;
    jobs.push_back(job);
    return true;
  }
  bool Withdraw(Job* job) override { return gives_back && std::erase(jobs, job) == 1; }
  void Run() {
    Job* const job = jobs.front();
    jobs.pop_front();
    job->run(job);
  }
  void Drop() {
    Job* const job = jobs.front();
    jobs.pop_front();
    job->drop(job);
  }
  std::deque<Job*> jobs;
  size_t queue_max = 8;
  bool gives_back = false;
};

}  // namespace mooring::core

#endif  // MOORING_TESTS_CORE_HAND_RUNNER_H_
