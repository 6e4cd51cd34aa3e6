// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_job_runner.h"

#include <algorithm>
#include <vector>

namespace mooring::sim {

SimJobRunner::~SimJobRunner() {
  for (const Waiting& waiting : jobs_) waiting.job->drop(waiting.job);
}

bool SimJobRunner::Submit(core::Job* job) {
  if (jobs_.size() - begun_ >= options_.queue_max) {
    ++refused_;
    return false;
  }
  jobs_.push_back({job, INT64_MAX});
  Begin();
  return true;
}

bool SimJobRunner::Withdraw(core::Job* job) {
  const auto at = std::find_if(jobs_.begin() + static_cast<std::ptrdiff_t>(begun_), jobs_.end(),
                               [job](const Waiting& waiting) { return waiting.job == job; });
  if (at == jobs_.end()) return false;
  jobs_.erase(at);
  ++withdrawn_;
  return true;
}

void SimJobRunner::Begin() {
  for (; begun_ < std::min(options_.threads, jobs_.size()); ++begun_) {
    // Half of them at once, so that they meet what happens in the same moment.
    const size_t ms = choices_->Chance(50) ? choices_->Between(0, options_.longest_ms) : 0;
    jobs_[begun_].due = clock_->Now() + static_cast<int64_t>(ms) * core::kNanosPerMs;
  }
}

core::Nanos SimJobRunner::NextDue() const {
  core::Nanos next = INT64_MAX;
  for (size_t i = 0; i < begun_; ++i) next = std::min(next, jobs_[i].due);
  return next;
}

void SimJobRunner::RunOne() {
  std::vector<size_t> due;
  for (size_t i = 0; i < begun_; ++i) {
    if (jobs_[i].due <= clock_->Now()) due.push_back(i);
  }
  const size_t at = due[choices_->Pick(due.size())];
  core::Job* const job = jobs_[at].job;
  jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(at));
  --begun_;
  ++run_;
  job->run(job);
  Begin();
}

}  // namespace mooring::sim
