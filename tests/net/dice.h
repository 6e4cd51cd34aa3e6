// SPDX-License-Identifier: Apache-2.0
// Dice: what a test of its own choice does next, from a source of decisions.
//
// Threads:  one.
#ifndef MOORING_TESTS_NET_DICE_H_
#define MOORING_TESTS_NET_DICE_H_

#include <cstdint>

#include "tests/sim/choices.h"

namespace mooring::net {

class Dice {
 public:
  explicit Dice(sim::Decisions* from) : from_(from) {}

  uint64_t Pick(uint64_t n) { return from_->Below(n); }
  uint64_t Between(uint64_t low, uint64_t high) { return low + Pick(high - low + 1); }
  bool Chance(unsigned percent) { return Pick(100) < percent; }

 private:
  sim::Decisions* const from_;
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_DICE_H_
