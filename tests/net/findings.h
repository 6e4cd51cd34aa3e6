// SPDX-License-Identifier: Apache-2.0
// Findings: what a trial found wrong, each under the name of the check that saw it.
//
// Threads:  one.
#ifndef MOORING_TESTS_NET_FINDINGS_H_
#define MOORING_TESTS_NET_FINDINGS_H_

#include <string>
#include <vector>

namespace mooring::net {

class Findings {
 public:
  void Add(const std::string& check, const std::string& what) {
    if (lines_.size() < kLinesMax) lines_.push_back(check + ": " + what);
  }
  bool none() const { return lines_.empty(); }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  static constexpr size_t kLinesMax = 20;  // the first tell most
  std::vector<std::string> lines_;
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_FINDINGS_H_
