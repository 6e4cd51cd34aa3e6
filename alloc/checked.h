// SPDX-License-Identifier: Apache-2.0
// Checked: the build whose pools find double returns at once and leaks at exit (--config=checked; asan has it too).
//
// A double return ends the process where it happens, with the pool and the slot. A leak is what is still live when a pool
// is destroyed: it is reported then, with a count per pool, and fails the process when that exits, as a leak found by a
// sanitizer does. In other builds kChecked is false, and nothing of it is left in the code.
//
// Limits:   a second return is found as such while the slot is free. Once the slot has a new owner it takes that away
//           from it, and the owner's own return is the one that is reported.
// Threads:  any.
#ifndef MOORING_ALLOC_CHECKED_H_
#define MOORING_ALLOC_CHECKED_H_

#include <cstdint>
#include <string_view>

namespace mooring::alloc {

#ifdef MOORING_CHECKED
inline constexpr bool kChecked = true;
#else
inline constexpr bool kChecked = false;
#endif

// How a process that has leaked exits.
inline constexpr int kLeakExitCode = 70;

// "checked: frames of 48 bytes: slot 7 <what>", then abort.
[[noreturn]] void FailCheck(std::string_view pool, uint64_t slot_bytes, uint64_t slot, const char* what);

// The pool is being destroyed. Nothing when count is 0; slot_bytes 0: of several sizes.
void ReportLeak(std::string_view pool, uint64_t slot_bytes, uint64_t count);

}  // namespace mooring::alloc

#endif  // MOORING_ALLOC_CHECKED_H_
