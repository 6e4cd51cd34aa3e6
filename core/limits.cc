// SPDX-License-Identifier: Apache-2.0
#include "core/limits.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "absl/status/status.h"

namespace mooring::core {

absl::StatusOr<DescriptorLimit> RaiseDescriptorLimit() {
  rlimit now{};
  if (getrlimit(RLIMIT_NOFILE, &now) != 0) return absl::ErrnoToStatus(errno, "getrlimit(RLIMIT_NOFILE)");
  rlimit raised = now;
  raised.rlim_cur = now.rlim_max;
  if (now.rlim_cur < now.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0) now = raised;
  return DescriptorLimit{.soft = now.rlim_cur, .hard = now.rlim_max};
}

void GrowDescriptorTable(uint64_t descriptors) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const uint64_t size = std::min({descriptors, uint64_t{limit.rlim_cur}, uint64_t{std::numeric_limits<int>::max()}});
  if (size == 0) return;
  const int highest = fcntl(0, F_DUPFD_CLOEXEC, static_cast<int>(size - 1));
  if (highest >= 0) close(highest);
}

}  // namespace mooring::core
