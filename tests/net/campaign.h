// SPDX-License-Identifier: Apache-2.0
// Campaign: many trials, seed after seed, in processes of their own, so that a seed that aborts or hangs is named too.
//
// Threads:  one; forks `jobs` children, which share a page with it.
// Owns:     nothing beyond Run.
#ifndef MOORING_TESTS_NET_CAMPAIGN_H_
#define MOORING_TESTS_NET_CAMPAIGN_H_

#include <cstdint>
#include <optional>
#include <string>

#include "net/transport.h"
#include "tests/net/coverage.h"

namespace mooring::net {

class Campaign {
 public:
  struct Options {
    uint64_t first = 1;
    uint64_t seeds = 1;
    std::optional<TransportKind> transport = {};  // none: as each seed chooses
    unsigned jobs = 1;
    bool progress = false;  // a line a second
    bool verbose = false;   // the plan of each seed
  };
  struct Result {
    uint64_t done = 0;
    std::optional<uint64_t> failed;  // the lowest seed that did
    std::string how;                 // "findings", "died of signal 6", ...
    Coverage coverage;
    double seconds = 0;
    bool ok() const { return !failed.has_value() && how.empty(); }
  };

  explicit Campaign(const Options& options) : options_(options) {}
  // Stops at the first seed that fails. Findings go to stderr, progress to stdout.
  Result Run();

  // The commands that play one seed again.
  static std::string Replay(uint64_t seed, std::optional<TransportKind> transport);

 private:
  const Options options_;
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_CAMPAIGN_H_
