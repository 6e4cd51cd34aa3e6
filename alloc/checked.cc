// SPDX-License-Identifier: Apache-2.0
#include "alloc/checked.h"

#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace mooring::alloc {

void FailCheck(std::string_view pool, uint64_t slot_bytes, uint64_t slot, const char* what) {
  std::fprintf(stderr, "checked: %.*s of %" PRIu64 " bytes: slot %" PRIu64 " %s\n", static_cast<int>(pool.size()),
               pool.data(), slot_bytes, slot, what);
  std::fflush(stderr);
  std::abort();
}

void ReportLeak(std::string_view pool, uint64_t slot_bytes, uint64_t count) {
  if (count == 0) return;
  std::fprintf(stderr, "checked: leak: %" PRIu64 " live in %.*s", count, static_cast<int>(pool.size()), pool.data());
  if (slot_bytes != 0) std::fprintf(stderr, " of %" PRIu64 " bytes", slot_bytes);
  std::fprintf(stderr, " when the pool goes\n");
  static std::atomic<bool> failing{false};
  if (failing.exchange(true)) return;
  std::atexit([] {
    std::fprintf(stderr, "checked: leaks were reported: failing\n");
    std::fflush(nullptr);
    std::_Exit(kLeakExitCode);
  });
}

}  // namespace mooring::alloc
