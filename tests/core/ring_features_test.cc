// SPDX-License-Identifier: Apache-2.0
#include "core/ring_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>

namespace mooring::core {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kMemlock = 8 << 20;

std::string Why(int error, int disabled = -1, uint64_t memlock = kMemlock) {
  const absl::Status status = ExplainRingSetup(error, disabled, memlock);
  EXPECT_FALSE(status.ok());
  return std::string(status.message());
}

TEST(RingFeatures, SwitchedOffBySysctlNamesTheSysctlAndItsValue) {
  EXPECT_THAT(Why(EPERM, 2), AllOf(HasSubstr("kernel.io_uring_disabled = 2"),
                                   HasSubstr("sysctl -w kernel.io_uring_disabled=0"), Not(HasSubstr("group"))));
  EXPECT_THAT(Why(EPERM, 1), AllOf(HasSubstr("kernel.io_uring_disabled = 1"),
                                   HasSubstr("sysctl -w kernel.io_uring_disabled=0"), HasSubstr("io_uring_group")));
  EXPECT_EQ(ExplainRingSetup(EPERM, 1, kMemlock).code(), absl::StatusCode::kPermissionDenied);
}

TEST(RingFeatures, RefusedThoughNotSwitchedOffIsSeccomp) {
  for (int disabled : {0, -1}) {
    EXPECT_THAT(Why(EPERM, disabled), AllOf(HasSubstr("seccomp"), HasSubstr("--security-opt seccomp="),
                                            HasSubstr("io_uring_setup"), Not(HasSubstr("sysctl"))));
  }
}

TEST(RingFeatures, NoSuchCallNamesKernelAndSeccomp) {
  EXPECT_THAT(Why(ENOSYS), AllOf(HasSubstr("Linux 6.1 or"), HasSubstr("uname -r"), HasSubstr("seccomp")));
  EXPECT_EQ(ExplainRingSetup(ENOSYS, -1, kMemlock).code(), absl::StatusCode::kUnimplemented);
}

TEST(RingFeatures, NoMemoryNamesTheLimitAndThreeWaysToRaiseIt) {
  EXPECT_THAT(Why(ENOMEM), AllOf(HasSubstr("8192 KB"), HasSubstr("ulimit -l"), HasSubstr("LimitMEMLOCK="),
                                 HasSubstr("--ulimit memlock"), HasSubstr("--shards")));
  EXPECT_THAT(Why(ENOMEM, -1, RLIM_INFINITY), AllOf(HasSubstr("any amount"), Not(HasSubstr("KB"))));
}

TEST(RingFeatures, TooOldNamesTheVersion) { EXPECT_THAT(Why(EINVAL), AllOf(HasSubstr("too old"), HasSubstr("Linux 6.1 or"))); }

TEST(RingFeatures, NoDescriptorNamesTheLimit) {
  for (int error : {EMFILE, ENFILE}) EXPECT_THAT(Why(error), AllOf(HasSubstr("ulimit -n"), HasSubstr("LimitNOFILE=")));
}

TEST(RingFeatures, AnyOtherErrorIsNamed) { EXPECT_THAT(Why(EFAULT), HasSubstr("Bad address")); }

TEST(RingFeatures, ThisMachinesValuesAreReadForTheReason) { EXPECT_FALSE(ExplainRingSetup(EPERM).ok()); }

RingFeatures All() {
  return {.modern = true, .no_iowait = true, .registered_ring = true, .fd_install = true, .idle_poll = true};
}

TEST(RingFeatures, ForceOffTakesAwayWhatIsNamedAndNothingElse) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "modern no_iowait registered_ring fd_install idle_poll"},
      {"no_iowait", "modern registered_ring fd_install idle_poll"},
      {"registered_ring", "modern no_iowait fd_install idle_poll"},
      {"fd_install", "modern no_iowait registered_ring idle_poll"},
      {"idle_poll", "modern no_iowait registered_ring fd_install"},
      {"fd_install,no_iowait,registered_ring,idle_poll,", "modern"},
      {"modern", "no_iowait registered_ring"},  // the others are for direct descriptors
  };
  for (const auto& [off, left] : cases) {
    RingFeatures features = All();
    ASSERT_TRUE(ForceOff(off, &features).ok()) << off;
    EXPECT_EQ(features.ToString(), left) << off;
  }
  RingFeatures none;
  ASSERT_TRUE(ForceOff("no_iowait", &none).ok());  // off already
  EXPECT_EQ(none.ToString(), "none");
}

TEST(RingFeatures, UnknownNamesAreRefusedAndTheKnownOnesListed) {
  for (const char* off : {"bundles", "no_iowait,bundles", "no_iowait modern"}) {
    RingFeatures features = All();
    const absl::Status status = ForceOff(off, &features);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << off;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("modern"), HasSubstr("no_iowait"), HasSubstr("registered_ring"), HasSubstr("fd_install"),
                      HasSubstr("idle_poll")));
  }
}

}  // namespace
}  // namespace mooring::core
