// SPDX-License-Identifier: Apache-2.0
#include "server/memory_guard.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace mooring::server {

int MemoryGuard::Look(uint64_t resident_bytes) {
  near_ = resident_bytes >= Percent(kWatchFromPercent);
  const auto at_least = [&](int step, uint64_t percent) {
    return resident_bytes >= Percent(step_ >= step ? percent - kLeaveBelowPercent : percent);
  };
  step_ = at_least(2, kShedAtPercent) ? 2 : at_least(1, kRefuseAtPercent) ? 1 : 0;
  return step_;
}

uint64_t ResidentBytes() {
  char text[128];
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t n = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (n <= 0) return 0;
  text[n] = 0;
  unsigned long long all = 0;
  unsigned long long resident = 0;
  if (std::sscanf(text, "%llu %llu", &all, &resident) != 2) return 0;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace mooring::server
