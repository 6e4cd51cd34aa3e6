// SPDX-License-Identifier: Apache-2.0
// Heap: the process heap behind the slabs, which is mimalloc except in sanitizer builds.
//
// Linking this target makes mimalloc the allocator of malloc, new and the C++ runtime. The data plane does not use it
// after warm-up; flags, start-up and logging do.
//
// Threads:  any.
#ifndef MOORING_ALLOC_HEAP_H_
#define MOORING_ALLOC_HEAP_H_

namespace mooring::alloc {

// "mimalloc 2.0.9" or "libc", for the plan that a server prints at start.
const char* HeapName();

}  // namespace mooring::alloc

#endif  // MOORING_ALLOC_HEAP_H_
