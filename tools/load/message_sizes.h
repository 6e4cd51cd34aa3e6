// SPDX-License-Identifier: Apache-2.0
// MessageSizes: how large each message of a connection is: one of a few sizes.
//
// It is drawn by the connection and the message's number alone, so that the end of each echo is known without keeping
// anything, and every run has the same messages.
//
// Threads:  a value.
#ifndef MOORING_TOOLS_LOAD_MESSAGE_SIZES_H_
#define MOORING_TOOLS_LOAD_MESSAGE_SIZES_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "tools/load/split_mix.h"

namespace mooring::tools::load {

class MessageSizes {
 public:
  // REQUIRES: not empty.
  explicit MessageSizes(std::vector<uint32_t> bytes) : bytes_(std::move(bytes)), first_(bytes_.front()) {}

  uint32_t Of(uint64_t seed, uint32_t number) const {
    return mixed() ? bytes_[SplitMix64(~seed, number) % bytes_.size()] : first_;
  }
  uint32_t Largest() const { return *std::max_element(bytes_.begin(), bytes_.end()); }
  bool mixed() const { return bytes_.size() > 1; }

 private:
  std::vector<uint32_t> bytes_;
  uint32_t first_;
};

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_MESSAGE_SIZES_H_
