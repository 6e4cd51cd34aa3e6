// SPDX-License-Identifier: Apache-2.0
// FaultPlan: which calls of the simulated kernel fail, how often, with what; from the kernel's own decisions.
//
//   FaultPlan faults(&world.kernel().choices(), FaultPlan::Running(), /*budget=*/20);
//   ... run ...
//   faults.Off();   // so that the run can end; what was broken stays so
//
// Each site has the errors that the real kernel gives there (RULES.md), and the simulated kernel makes of each what the
// real one does: ENOMEM loses no byte, ECONNRESET is one, ENFILE into a direct slot ends the connection. A calm kernel
// has no faults.
//
// Threads:  one.
// Owns:     nothing; while it lives the choices' faults are its own.
#ifndef MOORING_TESTS_SIM_FAULT_PLAN_H_
#define MOORING_TESTS_SIM_FAULT_PLAN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/choices.h"

namespace mooring::sim {

class FaultPlan {
 public:
  static constexpr size_t kSites = static_cast<size_t>(FaultSite::kCount);
  // Of a thousand calls, how many fail.
  struct Rates {
    Rates() = default;
    Rates(std::initializer_list<std::pair<FaultSite, unsigned>> given) {
      for (const auto& [site, rate] : given) per_mille[static_cast<size_t>(site)] = rate;
    }
    std::array<unsigned, kSites> per_mille = {};
  };
  // Everything that a server meets once it runs.
  static Rates Running();
  // Of these what no connection notices: every byte arrives all the same.
  static Rates Harmless();

  FaultPlan(Choices* choices, const Rates& rates, unsigned budget);
  ~FaultPlan() { choices_->SetFaults(nullptr); }
  FaultPlan(const FaultPlan&) = delete;

  void Off() { on_ = false; }
  void On() { on_ = true; }
  unsigned injected() const { return static_cast<unsigned>(injected_.size()); }
  unsigned injected(FaultSite site) const;
  std::string ToString() const;  // "receive ECONNRESET, accept EMFILE"

  // What may go wrong there.
  static std::span<const int> Errors(FaultSite site);
  static const char* Name(FaultSite site);

 private:
  int Ask(FaultSite site);

  Choices* const choices_;
  const Rates rates_;
  unsigned budget_;
  bool on_ = true;
  std::vector<std::pair<FaultSite, int>> injected_;
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_FAULT_PLAN_H_
