// SPDX-License-Identifier: Apache-2.0
// DescriptorTable and DirectTable: the two places where a number names an open file.
//
// Descriptors of the simulated process begin at 1,000, so that one that strays into a real system call, or a real one
// that strays in here, is found at once.
//
// Threads:  one.
#ifndef MOORING_TESTS_SIM_DESCRIPTORS_H_
#define MOORING_TESTS_SIM_DESCRIPTORS_H_

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "tests/sim/sim_file.h"

namespace mooring::sim {

class DescriptorTable {
 public:
  static constexpr int kFirst = 1000;

  // The lowest free number, or -EMFILE.
  int Install(FileRef file) {
    if (Full()) return -EMFILE;
    const size_t index = Lowest();
    if (index == files_.size()) files_.emplace_back();
    files_[index] = std::move(file);
    ++open_;
    return kFirst + static_cast<int>(index);
  }
  bool Full() { return Lowest() >= limit_; }
  FileRef Get(int fd) const {
    const size_t index = static_cast<size_t>(fd) - kFirst;
    return fd >= kFirst && index < files_.size() ? files_[index] : nullptr;
  }
  int Close(int fd) {
    if (Get(fd) == nullptr) return -EBADF;
    const size_t index = static_cast<size_t>(fd) - kFirst;
    const FileRef closing = std::exchange(files_[index], nullptr);
    lowest_ = std::min(lowest_, index);
    --open_;
    return 0;
  }
  size_t open() const { return open_; }
  void set_limit(size_t limit) { limit_ = limit; }  // RLIMIT_NOFILE

 private:
  size_t Lowest() {
    while (lowest_ < files_.size() && files_[lowest_] != nullptr) ++lowest_;
    return lowest_;
  }
  std::vector<FileRef> files_;
  size_t lowest_ = 0;  // no free one below
  size_t open_ = 0;
  size_t limit_ = 1 << 20;
};

// A ring's registered files. A slot that was closed is the next one handed out (io_uring/filetable.h, alloc_hint).
class DirectTable {
 public:
  void Resize(size_t slots) { files_.resize(slots); }
  size_t size() const { return files_.size(); }
  size_t used() const { return used_; }
  FileRef Get(unsigned slot) const { return slot < files_.size() ? files_[slot] : nullptr; }

  // The slot, or -ENFILE; `file` is let go then.
  int Install(FileRef file) {
    for (size_t i = 0; i < files_.size(); ++i) {
      const size_t slot = (hint_ + i) % files_.size();
      if (files_[slot] != nullptr) continue;
      files_[slot] = std::move(file);
      hint_ = slot + 1;
      ++used_;
      return static_cast<int>(slot);
    }
    return -ENFILE;
  }
  int Close(unsigned slot) {
    if (Get(slot) == nullptr) return -EBADF;
    const FileRef closing = std::exchange(files_[slot], nullptr);
    hint_ = slot;
    --used_;
    return 0;
  }
  void Clear() {
    const std::vector<FileRef> closing = std::exchange(files_, {});
    used_ = hint_ = 0;
  }

 private:
  std::vector<FileRef> files_;
  size_t hint_ = 0;
  size_t used_ = 0;
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_DESCRIPTORS_H_
