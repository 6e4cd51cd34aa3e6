// SPDX-License-Identifier: Apache-2.0
// Schedule: when each message of an open loop is to go out. Message k has its time whatever became of the ones before.
//
// Times are start + (k + offset) / rate, each computed from k alone, so no rounding adds up; with a grain they are
// rounded up to a multiple of it, and what falls into one slot goes out together.
//
// Threads:  a value.
#ifndef MOORING_TOOLS_LOAD_SCHEDULE_H_
#define MOORING_TOOLS_LOAD_SCHEDULE_H_

#include <cstdint>

#include "core/clock.h"

namespace mooring::tools::load {

class Schedule {
 public:
  struct Options {
    core::Nanos start = 0;
    core::Nanos until = 0;  // no message has its time at or after it
    double rate = 1;        // messages a second, above 0
    double offset = 0;      // of the first one, in parts of the time between two: 0 to 1
    core::Nanos grain = 1;
  };

  Schedule() : Schedule(Options{}) {}
  explicit Schedule(const Options& options) : options_(options) {}

  core::Nanos TimeOf(uint64_t k) const;
  // How many messages have had their time at `now`.
  uint64_t DueBy(core::Nanos now) const;

 private:
  Options options_;
};

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_SCHEDULE_H_
