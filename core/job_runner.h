// SPDX-License-Identifier: Apache-2.0
// JobRunner: where work goes that would block a shard: threads in a server, the seed's choice in the simulation.
//
// Threads:  Submit from any shard's turn.
#ifndef MOORING_CORE_JOB_RUNNER_H_
#define MOORING_CORE_JOB_RUNNER_H_

namespace mooring::core {

// Lives until `run` has been called, which is once; `run` answers its shard by mail.
struct Job {
  void (*run)(Job* self) = nullptr;
  Job* next = nullptr;  // free for the use of the runner
};

class JobRunner {
 public:
  virtual ~JobRunner() = default;
  // False, and `job` is not run, when too many wait already.
  virtual bool Submit(Job* job) = 0;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_JOB_RUNNER_H_
