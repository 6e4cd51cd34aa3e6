// SPDX-License-Identifier: Apache-2.0
// Errors: all that is wrong with what was said, a line each: where, what is wrong, what is allowed.
//
// Threads:  one.
// Limits:   kErrorsMax lines of kErrorBytesMax bytes; how many more there are is said.
#ifndef MOORING_SERVER_CONFIG_ERRORS_H_
#define MOORING_SERVER_CONFIG_ERRORS_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace mooring::server::config {

class Errors {
 public:
  static constexpr size_t kErrorsMax = 50;
  static constexpr size_t kErrorBytesMax = 800;

  // `line`: of the file, by which they are sorted; 0: what was not said there goes first, in order.
  void Add(const std::string& where, const std::string& what, int line = 0);
  void Add(std::string whole, int line = 0);

  bool empty() const { return all_.empty(); }
  absl::Status status() const;  // InvalidArgument with all lines, or ok

 private:
  std::vector<std::pair<int, std::string>> all_;
};

}  // namespace mooring::server::config

#endif  // MOORING_SERVER_CONFIG_ERRORS_H_
