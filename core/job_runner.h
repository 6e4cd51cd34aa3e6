// SPDX-License-Identifier: Apache-2.0
// JobRunner: where work goes that would block a shard: threads in a server, the seed's choice in the simulation.
//
// Threads:  Submit and Withdraw from any shard's turn; neither runs a job.
#ifndef MOORING_CORE_JOB_RUNNER_H_
#define MOORING_CORE_JOB_RUNNER_H_

namespace mooring::core {

// Lives until one of the two has been called, which is once: it may be gone when the call returns. Either answers the
// shard (core/answers.h). One that was withdrawn is called by neither.
struct Job {
  void (*run)(Job* self) = nullptr;
  void (*drop)(Job* self) = nullptr;  // the runner ends, and has not run it
  Job* next = nullptr;                // free for the use of the runner
};

class JobRunner {
 public:
  virtual ~JobRunner() = default;
  // False, and `job` stays the caller's, when too many wait already.
  virtual bool Submit(Job* job) = 0;
  // Nobody wants it any more: true when it had not begun; then it is the caller's again, and its place is free.
  virtual bool Withdraw(Job* /*job*/) { return false; }
};

}  // namespace mooring::core

#endif  // MOORING_CORE_JOB_RUNNER_H_
