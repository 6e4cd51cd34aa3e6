// SPDX-License-Identifier: Apache-2.0
// Resident: what the kernel says is in memory, for tests of the give-back promise.
//
// Threads:  any.
#ifndef MOORING_TESTS_ALLOC_RESIDENT_H_
#define MOORING_TESTS_ALLOC_RESIDENT_H_

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace mooring::alloc {

inline constexpr uintptr_t kTestPageBytes = 4096;

// VmRSS. The kernel sums it from per-CPU parts and may be off by some dozen pages a CPU.
inline int64_t ResidentBytes() {
  long size = 0;
  long resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return -1;
  const int read = std::fscanf(file, "%ld %ld", &size, &resident);
  std::fclose(file);
  return read == 2 ? int64_t{resident} * static_cast<int64_t>(kTestPageBytes) : -1;
}

// Memory of one kind, taken piece by piece from one mapping: which of its pages are resident, which ought to be.
class PageMap {
 public:
  void Add(const void* piece, size_t bytes) {
    const auto begin = reinterpret_cast<uintptr_t>(piece);
    begin_ = std::min(begin_, begin / kTestPageBytes);
    end_ = std::max(end_, (begin + bytes - 1) / kTestPageBytes + 1);
  }
  void AddLive(const void* piece, size_t bytes) {
    const auto begin = reinterpret_cast<uintptr_t>(piece);
    live_.resize(end_ - begin_);
    for (uintptr_t page = begin / kTestPageBytes; page <= (begin + bytes - 1) / kTestPageBytes; ++page) {
      live_[page - begin_] = true;
    }
  }

  struct Count {
    size_t pages = 0;
    size_t live = 0;
    size_t resident = 0;
    size_t resident_not_live = 0;
    size_t live_not_resident = 0;
  };
  Count Look() {
    live_.resize(end_ - begin_);
    std::vector<unsigned char> resident(end_ - begin_);
    Count count;
    count.pages = resident.size();
    if (mincore(reinterpret_cast<void*>(begin_ * kTestPageBytes), resident.size() * kTestPageBytes, resident.data()) !=
        0) {
      count.resident_not_live = count.pages + 1;  // no test can take that for success
      return count;
    }
    for (size_t page = 0; page < resident.size(); ++page) {
      const bool in = (resident[page] & 1) != 0;
      count.live += live_[page];
      count.resident += in;
      count.resident_not_live += in && !live_[page];
      count.live_not_resident += !in && live_[page];
    }
    return count;
  }

 private:
  uintptr_t begin_ = ~uintptr_t{0};
  uintptr_t end_ = 0;
  std::vector<bool> live_;
};

}  // namespace mooring::alloc

#endif  // MOORING_TESTS_ALLOC_RESIDENT_H_
