// SPDX-License-Identifier: Apache-2.0
// Summary: every so often one line that says how the server is, also when nothing happens: that it stops is a sign, too.
//
//   ... info  summary state=serving active=812 total=90311 peak=1204 accepts_per_s=12.5 closes_per_s=11.9
//       bytes_in_per_s=81920 bytes_out_per_s=1048576 messages_per_s=640
//
// Rates are means since the line before. A message is a delivery to a service: a piece received, a line.
//
// Threads:  the control shard.
#ifndef MOORING_SERVER_WATCH_SUMMARY_H_
#define MOORING_SERVER_WATCH_SUMMARY_H_

#include <cstdint>

#include "core/clock.h"
#include "server/control.h"
#include "server/watch/totals.h"

namespace mooring::server::watch {

class Summary {
 public:
  Summary(Control* control, core::Nanos now) : control_(control), last_(now) {}
  // Once a second; [log] summary_s says how often there is a line.
  void Look(const Totals& totals, core::Nanos now);

  uint64_t peak() const { return peak_; }  // of what was active at a Look

 private:
  struct Counted {
    uint64_t accepts = 0, closes = 0, bytes_in = 0, bytes_out = 0, messages = 0;
  };

  Control* const control_;
  core::Nanos last_;
  uint64_t peak_ = 0;
  Counted before_;
};

}  // namespace mooring::server::watch

#endif  // MOORING_SERVER_WATCH_SUMMARY_H_
