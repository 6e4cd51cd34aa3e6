// SPDX-License-Identifier: Apache-2.0
#include "alloc/heap.h"

#ifdef MOORING_HEAP_MIMALLOC
#include <mimalloc.h>

#include <cstdio>
#endif

namespace mooring::alloc {

const char* HeapName() {
#ifdef MOORING_HEAP_MIMALLOC
  static const auto name = [] {
    struct {
      char text[32];
    } out;
    const int version = mi_version();  // 209 is 2.0.9
    std::snprintf(out.text, sizeof(out.text), "mimalloc %d.%d.%d", version / 100, version / 10 % 10, version % 10);
    return out;
  }();
  return name.text;
#else
  return "libc";
#endif
}

}  // namespace mooring::alloc
