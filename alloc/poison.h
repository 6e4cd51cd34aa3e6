// SPDX-License-Identifier: Apache-2.0
// Poison: tells AddressSanitizer which pool memory nobody may touch, so that a wrong use is reported there too.
//
// Two kinds. Memory that nobody holds: Poison, Unpoison. Memory that an operation in flight owns and writes to (kernel
// law): Lend it with the operation, Reclaim it with its last completion. Between the two, reading or writing it is
// reported, and so is giving it back to its pool. The kernel is not instrumented and writes regardless; the simulated one
// asks Lent() first, so that it is still caught when it writes to memory that nobody has lent to it.
//
// What a send in flight reads can't be poisoned, since its owner may read it too; the simulated kernel takes a digest of
// it when the send is submitted and compares when it ends.
//
// Nothing is left of all this in other builds.
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

#ifdef MOORING_ASAN

// The shadow has a granularity of 8 bytes: REQUIRES both to be multiples of 8, or the last bytes stay usable.
inline void Poison(const void* memory, size_t bytes) { __asan_poison_memory_region(memory, bytes); }
inline void Unpoison(const void* memory, size_t bytes) { __asan_unpoison_memory_region(memory, bytes); }

// The same for what an operation in flight owns. REQUIRES: not lent yet; Reclaim names what Lend did.
void Lend(const void* memory, size_t bytes);
void Reclaim(const void* memory);
bool Lent(const void* memory, size_t bytes);  // all of it, by one Lend

// Ends the process if any of it is lent.
void CheckNotLent(const void* memory, size_t bytes);

#else

inline void Poison(const void*, size_t) {}
inline void Unpoison(const void*, size_t) {}
inline void Lend(const void*, size_t) {}
inline void Reclaim(const void*) {}
inline bool Lent(const void*, size_t) { return false; }
inline void CheckNotLent(const void*, size_t) {}

#endif

}  // namespace mooring::alloc

#endif  // MOORING_ALLOC_POISON_H_
