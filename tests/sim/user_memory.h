// SPDX-License-Identifier: Apache-2.0
// CopyToUser: how the simulated kernel writes to the memory of the code under test.
//
// The real kernel's writes are not instrumented. These are, so AddressSanitizer finds a write to memory that was freed or
// given back; memory that was lent to the operation is poisoned too, and is opened for the write only.
//
// Threads:  one.
#ifndef MOORING_TESTS_SIM_USER_MEMORY_H_
#define MOORING_TESTS_SIM_USER_MEMORY_H_

#include <cstddef>
#include <cstring>

#include "alloc/poison.h"

namespace mooring::sim {

inline void CopyToUser(void* to, const void* from, size_t bytes) {
  const bool lent = alloc::Lent(to, bytes);
  if (lent) alloc::Unpoison(to, bytes);
  std::memcpy(to, from, bytes);
  if (lent) alloc::Poison(to, bytes);
}

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_USER_MEMORY_H_
