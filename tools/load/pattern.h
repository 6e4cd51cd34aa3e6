// SPDX-License-Identifier: Apache-2.0
// Pattern: the pseudo-random bytes that one connection sends, known by position, so that an echo can be checked.
//
// The byte at a position depends on the connection's seed and the position alone (SplitMix64 of the word it is in), so
// neither side is kept: what comes back is checked wherever its pieces begin and end. A byte that is lost, doubled,
// swapped or of another connection shows.
//
// Threads:  a value.
#ifndef MOORING_TOOLS_LOAD_PATTERN_H_
#define MOORING_TOOLS_LOAD_PATTERN_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mooring::tools::load {

class Pattern {
 public:
  explicit Pattern(uint64_t seed) : seed_(seed) {}

  // Writes the bytes of positions [position, position + size).
  void Fill(uint64_t position, char* out, size_t size) const;

  // How many of `bytes`, which began at `position`, are right before the first that is not; bytes.size() when all are.
  size_t Check(uint64_t position, std::string_view bytes) const;

 private:
  uint64_t seed_;
};

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_PATTERN_H_
