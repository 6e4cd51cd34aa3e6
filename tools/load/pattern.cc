// SPDX-License-Identifier: Apache-2.0
#include "tools/load/pattern.h"

#include <algorithm>
#include <cstring>

#include "tools/load/split_mix.h"

namespace mooring::tools::load {

void Pattern::Fill(uint64_t position, char* out, size_t size) const {
  while (size > 0) {
    const uint64_t word = SplitMix64(seed_, position / 8);
    const size_t skip = position % 8;
    const size_t n = std::min(size, 8 - skip);
    std::memcpy(out, reinterpret_cast<const char*>(&word) + skip, n);
    out += n;
    position += n;
    size -= n;
  }
}

size_t Pattern::Check(uint64_t position, std::string_view bytes) const {
  size_t done = 0;
  while (done < bytes.size()) {
    const uint64_t word = SplitMix64(seed_, position / 8);
    const size_t skip = position % 8;
    const size_t n = std::min(bytes.size() - done, 8 - skip);
    const char* want = reinterpret_cast<const char*>(&word) + skip;
    if (std::memcmp(want, bytes.data() + done, n) != 0) {
      while (*want == bytes[done]) ++want, ++done;
      return done;
    }
    done += n;
    position += n;
  }
  return done;
}

}  // namespace mooring::tools::load
