// SPDX-License-Identifier: Apache-2.0
// HostTree: what the kernel says of this machine in /proc and /sys, below a root that tests can choose.
//
// Threads:  any; it keeps nothing open.
// Limits:   256 KB of a file are read; what is longer is cut there.
#ifndef MOORING_CORE_HOST_TREE_H_
#define MOORING_CORE_HOST_TREE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mooring::core {

class HostTree {
 public:
  // `root` stands before every path; empty: this machine.
  explicit HostTree(std::string root = {}) : root_(std::move(root)) {}

  // The file without the blanks and line ends around it. None where it cannot be read.
  std::optional<std::string> Read(const std::string& path) const;
  // A file with one unsigned number in it. None where there is anything else.
  std::optional<uint64_t> ReadNumber(const std::string& path) const;
  // The names in a folder, sorted; empty where there is none.
  std::vector<std::string> List(const std::string& path) const;

 private:
  const std::string root_;
};

// The whole of `text` as an unsigned decimal number.
std::optional<uint64_t> ParseNumber(std::string_view text);
// The pieces of `text` between blanks, tabs and line ends.
std::vector<std::string> Words(std::string_view text);

}  // namespace mooring::core

#endif  // MOORING_CORE_HOST_TREE_H_
