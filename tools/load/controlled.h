// SPDX-License-Identifier: Apache-2.0
// Controlled: a run that opens all connections, says so, and then does what it is told, line by line, to the last.
//
// Every answer is one JSON object on one line. Between commands nothing runs here: this thread waits for a line, the
// shards for the kernel.
//
// Threads:  the main thread.
#ifndef MOORING_TOOLS_LOAD_CONTROLLED_H_
#define MOORING_TOOLS_LOAD_CONTROLLED_H_

#include <iosfwd>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "net/transport.h"
#include "tools/load/command.h"
#include "tools/load/fleet.h"
#include "tools/load/options.h"
#include "tools/load/process_usage.h"
#include "tools/load/report.h"

namespace mooring::tools::load {

class Controlled {
 public:
  Controlled(net::TransportProvider* provider, const Options& options)
      : options_(options), fleet_(provider, options) {}

  // All errors of the session; fails when it cannot start. Ends when `in` ends, or `out` takes no more.
  absl::StatusOr<Report> Execute(std::istream* in, std::ostream* out);

 private:
  struct Counts {
    uint64_t replied = 0;
    uint64_t measured = 0;
    uint64_t measured_bytes = 0;
    uint64_t late = 0;
    uint64_t unsent = 0;
  };

  std::string OpenAll();
  std::string Obey(const Command& command);
  void DoRun(const Command& command, Report* report);
  void DoMessages(const Command& command, Report* report);
  void DoWake(Report* report);
  void CloseAll();

  // Posts the work and waits until it is done; what is not at `limit` is cut.
  void Start(const Work& work);
  void WaitForAnswers(core::Nanos limit);
  void WaitWhileAnswersCome();  // the same, until none has come for the grace
  Counts ReadCounts() const;
  void TakeErrors(Report* report);  // that came since the last call
  ProcessUsage Usage();             // of the server; zero when it is not watched, an error when it has ended

  const Options options_;
  Fleet fleet_;
  uint64_t works_ = 0;
  bool unfinished_ = false;
  bool server_ended_ = false;
  uint64_t server_rss_start_ = 0;
  double connecting_seconds_ = 0;
  Errors told_;   // errors of the fleet that a report has had already
  Report total_;  // all errors
};

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_CONTROLLED_H_
