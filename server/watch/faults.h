// SPDX-License-Identifier: Apache-2.0
// Faults: the table of what is a fault when its counter rises, and the lines that say so.
//
//   ... error cannot accept: this process may open no more files cause=emfile count=12 total=12 do="raise ..."
//
// A counter that rises in everyday work (a peer that resets, a receive that starves) is none.
//
// Threads:  the control shard.
// Limits:   a line for each cause in ten seconds.
#ifndef MOORING_SERVER_WATCH_FAULTS_H_
#define MOORING_SERVER_WATCH_FAULTS_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "server/log.h"
#include "server/watch/fault_pace.h"
#include "server/watch/totals.h"

namespace mooring::server::watch {

struct Fault {
  std::string_view cause;    // [a-z_]+, no two alike
  Log::Level level;          // error: connections or data are lost; warning: they may be, or wait
  std::string_view message;  // what it means
  std::string_view mend;     // what to do
  uint64_t (*total)(const Totals& totals);
};
std::span<const Fault> Faults();

class FaultLines {
 public:
  explicit FaultLines(Log* log) : log_(log), paces_(Faults().size()) {}
  void Look(const Totals& totals, core::Nanos now);

 private:
  Log* const log_;
  std::vector<FaultPace> paces_;  // one for each of Faults()
  FaultPace log_pace_;            // of lines that the log itself has dropped
};

}  // namespace mooring::server::watch

#endif  // MOORING_SERVER_WATCH_FAULTS_H_
