// SPDX-License-Identifier: Apache-2.0
// Poison: tells AddressSanitizer which pool memory nobody holds, so that a use after release is reported there too.
//
// Nothing is left of it in other builds.
//
// Threads:  any, for memory that the caller owns.
#ifndef MOORING_ALLOC_POISON_H_
#define MOORING_ALLOC_POISON_H_

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)  // gcc
#define MOORING_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)  // clang
#define MOORING_ASAN 1
#endif
#endif

#ifdef MOORING_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace mooring::alloc {

// The shadow has a granularity of 8 bytes: REQUIRES both to be multiples of 8, or the last bytes stay usable.
inline void Poison([[maybe_unused]] const void* memory, [[maybe_unused]] size_t bytes) {
#ifdef MOORING_ASAN
  __asan_poison_memory_region(memory, bytes);
#endif
}

inline void Unpoison([[maybe_unused]] const void* memory, [[maybe_unused]] size_t bytes) {
#ifdef MOORING_ASAN
  __asan_unpoison_memory_region(memory, bytes);
#endif
}

}  // namespace mooring::alloc

#endif  // MOORING_ALLOC_POISON_H_
