// SPDX-License-Identifier: Apache-2.0
// SplitMix64: pseudo-random words by index, so that nothing of a sequence is kept.
#ifndef MOORING_TOOLS_LOAD_SPLIT_MIX_H_
#define MOORING_TOOLS_LOAD_SPLIT_MIX_H_

#include <cstdint>

namespace mooring::tools::load {

// S. Vigna's splitmix64.c: the output function on the seed plus the index of the word times the golden gamma.
inline uint64_t SplitMix64(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_SPLIT_MIX_H_
