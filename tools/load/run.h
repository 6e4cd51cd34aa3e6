// SPDX-License-Identifier: Apache-2.0
// Run: one run from the first connect to the report.
//
//   1. start the fleet
//   2. open all connections
//   3. closed loop: warm up, measure; hold: exchange, hold, exchange again; churn: warm up, measure
//   4. wait for the answers that are missing, close with FIN and wait for the server's
//   5. add up
//
// Each wait ends at the run's limit at the latest; what was not finished then is an error in the report.
//
// Threads:  the main thread, which sleeps nearly all the time.
#ifndef MOORING_TOOLS_LOAD_RUN_H_
#define MOORING_TOOLS_LOAD_RUN_H_

#include <functional>

#include "absl/status/statusor.h"
#include "net/transport.h"
#include "tools/load/fleet.h"
#include "tools/load/options.h"
#include "tools/load/process_usage.h"
#include "tools/load/report.h"

namespace mooring::tools::load {

class Run {
 public:
  Run(net::TransportProvider* provider, const Options& options) : options_(options), fleet_(provider, options) {}

  // Fails when it cannot start: CPUs, memory, limits, no such process. A run that starts has a report.
  absl::StatusOr<Report> Execute();

 private:
  void OpenAll();
  void ClosedLoop();
  void Hold();
  void Churn();
  void CloseAll();
  void Finish();

  // False: the limit came first, and `what` is said to be unfinished.
  bool WaitFor(const char* what, const std::function<bool()>& done);
  void SleepUntil(core::Nanos time);  // or until no connection is left
  ProcessUsage Usage();  // of the server; zero when it is not watched, an error when it has ended

  const Options options_;
  Fleet fleet_;
  core::Nanos limit_ = 0;
  Report report_;
};

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_RUN_H_
