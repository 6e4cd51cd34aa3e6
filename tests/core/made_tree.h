// SPDX-License-Identifier: Apache-2.0
// MadeTree: a folder of files that stands for a machine's /proc and /sys; removed at the end.
#ifndef MOORING_TESTS_CORE_MADE_TREE_H_
#define MOORING_TESTS_CORE_MADE_TREE_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/host_tree.h"

namespace mooring::core {

class MadeTree {
 public:
  MadeTree() {
    const char* const base = std::getenv("TEST_TMPDIR");
    root_ = std::string(base == nullptr ? "/tmp" : base) + "/tree.XXXXXX";
    if (mkdtemp(root_.data()) == nullptr) std::abort();
  }
  ~MadeTree() { std::filesystem::remove_all(root_); }
  MadeTree(const MadeTree&) = delete;

  MadeTree& Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
    return *this;
  }
  MadeTree& Remove(const std::string& path) {
    std::filesystem::remove_all(root_ + path);
    return *this;
  }
  const std::string& root() const { return root_; }
  HostTree host() const { return HostTree(root_); }

 private:
  std::string root_;
};

}  // namespace mooring::core

#endif  // MOORING_TESTS_CORE_MADE_TREE_H_
