// SPDX-License-Identifier: Apache-2.0
#include "alloc/heap.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#ifdef MOORING_HEAP_MIMALLOC
#include <mimalloc.h>
#endif

namespace mooring::alloc {
namespace {

TEST(Heap, ServesMallocFromTheHeapItNames) {
  void* memory = std::calloc(1, 100);  // gcc 12 warns when the bytes of malloc are asked about
#ifdef MOORING_HEAP_MIMALLOC
  EXPECT_TRUE(mi_is_in_heap_region(memory));
  EXPECT_EQ(std::string_view(HeapName()).substr(0, 9), "mimalloc ");
#else
  EXPECT_EQ(std::string_view(HeapName()), "libc");
#endif
  std::free(memory);
}

}  // namespace
}  // namespace mooring::alloc
