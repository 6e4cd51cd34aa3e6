// SPDX-License-Identifier: Apache-2.0
// Run: one run from the first connect to the report.
//
//   1. find the CPUs, share the connections and source addresses out, start a worker per shard
//   2. open all connections
//   3. closed loop: warm up, measure; hold: exchange, hold, exchange again; churn: warm up, measure
//   4. wait for the answers that are missing, close with FIN and wait for the server's
//   5. stop the workers, add up
//
// Each wait ends at the run's limit at the latest; what was not finished then is an error in the report.
//
// Threads:  the main thread, which sleeps nearly all the time.
#ifndef MOORING_TOOLS_LOAD_RUN_H_
#define MOORING_TOOLS_LOAD_RUN_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "net/transport.h"
#include "tools/load/options.h"
#include "tools/load/process_usage.h"
#include "tools/load/report.h"
#include "tools/load/worker.h"

namespace mooring::tools::load {

// How `options.connections` are shared out: by shard, with the source addresses of each.
std::vector<ShardLoad::Share> ShareOut(const Options& options, int shards);

class Run {
 public:
  Run(net::TransportProvider* provider, const Options& options) : provider_(provider), options_(options) {}

  // Fails when it cannot start: CPUs, memory, limits, no such process. A run that starts has a report.
  absl::StatusOr<Report> Execute();

 private:
  absl::Status StartWorkers();
  void OpenAll();
  void ClosedLoop();
  void Hold();
  void Churn();
  void CloseAll();
  void Finish();

  // Both show progress meanwhile. False: the limit came first, and `what` is said to be unfinished.
  bool WaitFor(const char* what, const std::function<bool()>& done);
  void SleepUntil(core::Nanos time);  // or until no connection is left
  void ShowProgress();
  uint64_t Sum(LoadCount which) const;
  uint64_t Awaited() const;
  uint64_t Live() const;
  void ForEach(const std::function<void(ShardLoad&)>& call);
  ProcessUsage Usage();  // of the server; zero when it is not watched, an error when it has ended

  net::TransportProvider* const provider_;
  const Options options_;
  core::MonotonicClock clock_;
  core::Nanos limit_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  Report report_;
  bool unfinished_ = false;
  core::Nanos last_shown_ = 0;
  uint64_t replied_shown_ = 0;
};

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_RUN_H_
