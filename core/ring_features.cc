// SPDX-License-Identifier: Apache-2.0
#include "core/ring_features.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mooring::core {
namespace {

struct Name {
  const char* name;
  bool RingFeatures::*member;
};
constexpr Name kNames[] = {
    {"modern", &RingFeatures::modern},
    {"no_iowait", &RingFeatures::no_iowait},
    {"registered_ring", &RingFeatures::registered_ring},
    {"fd_install", &RingFeatures::fd_install},
    {"idle_poll", &RingFeatures::idle_poll},
};

}  // namespace

std::string RingFeatures::ToString() const {
  std::string out;
  for (const Name& name : kNames) {
    if (this->*name.member) absl::StrAppend(&out, out.empty() ? "" : " ", name.name);
  }
  return out.empty() ? "none" : out;
}

absl::Status ForceOff(const std::string& off, RingFeatures* found) {
  for (absl::string_view part : absl::StrSplit(off, ',', absl::SkipEmpty())) {
    bool known = false;
    for (const Name& name : kNames) {
      if (part != name.name) continue;
      found->*name.member = false;
      known = true;
    }
    if (!known) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", part,
                       "' is not a ring feature that can be switched off; known are modern, no_iowait, "
                       "registered_ring, fd_install, idle_poll"));
    }
  }
  if (!found->modern) found->fd_install = found->idle_poll = false;  // they are for direct descriptors
  return absl::OkStatus();
}

absl::Status ExplainRingSetup(int error, int disabled, uint64_t memlock) {
  switch (error) {
    case EPERM:
      if (disabled > 0) {
        return absl::PermissionDeniedError(
            absl::StrCat("io_uring is switched off on this machine (kernel.io_uring_disabled = ", disabled,
                         "); as root: sysctl -w kernel.io_uring_disabled=0",
                         disabled == 1 ? ", or put this user's group id into kernel.io_uring_group" : ""));
      }
      return absl::PermissionDeniedError(
          "io_uring is refused by a seccomp filter (containers' default profiles do that); allow io_uring_setup, "
          "io_uring_enter and io_uring_register in the profile, e.g. docker run --security-opt seccomp=PROFILE.json");
    case ENOSYS:
      return absl::UnimplementedError(
          "this kernel has no io_uring, or a seccomp filter hides it; run Linux 6.1 or newer (uname -r tells), and in "
          "a container allow io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile");
    case ENOMEM:
      return absl::ResourceExhaustedError(absl::StrCat(
          "no memory for an io_uring: since Linux 6.14 its queues count as locked memory, of which this user may have ",
          memlock == RLIM_INFINITY ? "any amount" : absl::StrCat(memlock / 1024, " KB"),
          "; raise it with ulimit -l unlimited, LimitMEMLOCK=infinity (systemd) or "
          "--ulimit memlock=-1 (docker), or use fewer --shards"));
    case EINVAL:
      return absl::FailedPreconditionError(
          "this kernel's io_uring is too old (it refused SINGLE_ISSUER with DEFER_TASKRUN, which 6.1 has); run Linux "
          "6.1 or newer");
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(
          "no file descriptor is left for an io_uring; raise the limit with ulimit -n or LimitNOFILE= (systemd)");
    default:
      return absl::InternalError(absl::StrCat("io_uring_setup failed: ", strerror(error)));
  }
}

absl::Status ExplainRingSetup(int error) {
  int disabled = -1;
  if (FILE* file = std::fopen("/proc/sys/kernel/io_uring_disabled", "re")) {
    if (std::fscanf(file, "%d", &disabled) != 1) disabled = -1;
    std::fclose(file);
  }
  rlimit memlock = {};
  getrlimit(RLIMIT_MEMLOCK, &memlock);
  return ExplainRingSetup(error, disabled, memlock.rlim_cur);
}

}  // namespace mooring::core
