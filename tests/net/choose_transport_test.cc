// SPDX-License-Identifier: Apache-2.0
#include "net/choose_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <liburing.h>

#include <cerrno>

#include "core/uapi.h"
#include "net/uring/provider.h"
#include "tests/core/forwarding_kernel.h"

namespace mooring::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Bent final : public core::ForwardingKernel {
 public:
  int RingSetup(unsigned entries, io_uring_params* params, io_uring* ring) override {
    ++setups;
    if (setup_error != 0) return setup_error;
    const int result = ForwardingKernel::RingSetup(entries, params, ring);
    params->features &= ~features_hidden;
    return result;
  }
  int RingEnter(io_uring* ring, unsigned to_submit, unsigned min_complete, unsigned flags,
                __kernel_timespec* timeout) override {
    if (enter_error != 0) return enter_error;
    return ForwardingKernel::RingEnter(ring, to_submit, min_complete, flags, timeout);
  }
  int RingRegister(io_uring* ring, unsigned opcode, void* arg, unsigned count) override {
    if (register_error != 0) return register_error;
    return ForwardingKernel::RingRegister(ring, opcode, arg, count);
  }
  void RingExit(io_uring* ring) override {
    ++exits;
    ForwardingKernel::RingExit(ring);
  }

  int setup_error = 0;
  int enter_error = 0;
  int register_error = 0;
  unsigned features_hidden = 0;
  int setups = 0;
  int exits = 0;
};

std::string ErrorOf(Bent* kernel, TransportKind asked) {
  const auto choice = ChooseTransport(kernel, asked);
  return choice.ok() ? "(no error)" : std::string(choice.status().message());
}

TEST(ChooseTransport, NamesAreThoseOfTheKindsAndAuto) {
  EXPECT_EQ(*ParseTransport("auto"), std::nullopt);
  for (TransportKind kind : kTransportKinds) EXPECT_EQ(*ParseTransport(Name(kind)), kind);
  for (const char* wrong : {"", "Auto", "io_uring ", "uring", "epol"}) {
    const auto parsed = ParseTransport(wrong);
    ASSERT_FALSE(parsed.ok()) << wrong;
    EXPECT_EQ(parsed.status().message(), std::string("'") + wrong + "' is not a transport; known are auto, io_uring, "
                                         "io_uring-base, epoll");
  }
}

TEST(ChooseTransport, AutoTakesTheBestThatThisKernelHas) {
  Bent kernel;
  const auto best = uring::ProbeUring(&kernel);
  if (!best.ok()) GTEST_SKIP() << "no io_uring here: " << best.status();
  const auto choice = ChooseTransport(&kernel, std::nullopt);
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->provider->kind(), *best);
  EXPECT_EQ(choice->note, "");
  EXPECT_EQ(kernel.setups, kernel.exits) << "the rings it tried with are gone";
}

// Each refusal is told apart, in one line, with what to type.
TEST(ChooseTransport, AutoFallsBackToEpollAndSaysWhy) {
  const struct {
    int error;
    const char* cause;
    const char* remedy;
  } refusals[] = {
      {EPERM, "refused by a seccomp filter", "allow io_uring_setup"},
      {ENOSYS, "no io_uring, or a seccomp filter hides it", "uname -r"},
      {EINVAL, "too old", "run Linux"},
      {EACCES, "io_uring_setup failed: Permission denied", ""},  // a security module
  };
  for (const auto& refusal : refusals) {
    Bent kernel;
    kernel.setup_error = -refusal.error;
    const auto choice = ChooseTransport(&kernel, std::nullopt);
    ASSERT_TRUE(choice.ok()) << choice.status();
    EXPECT_EQ(choice->provider->kind(), TransportKind::kEpoll);
    EXPECT_THAT(choice->note, AllOf(HasSubstr("io_uring is not used, epoll serves: "), HasSubstr(refusal.cause),
                                    HasSubstr(refusal.remedy), HasSubstr("--transport=epoll"), Not(HasSubstr("\n"))));
  }
}

// A filter that lets only some of the calls through is found out before a shard depends on them.
TEST(ChooseTransport, RefusedEnterOrRegisterIsARefusal) {
  for (const bool enter : {true, false}) {
    for (const int error : {EPERM, ENOSYS}) {
      Bent kernel;
      if (const auto best = uring::ProbeUring(&kernel); !best.ok()) GTEST_SKIP() << best.status();
      (enter ? kernel.enter_error : kernel.register_error) = -error;
      const auto choice = ChooseTransport(&kernel, std::nullopt);
      ASSERT_TRUE(choice.ok()) << choice.status();
      EXPECT_EQ(choice->provider->kind(), TransportKind::kEpoll);
      EXPECT_THAT(choice->note, HasSubstr(enter ? "io_uring_enter is refused" : "io_uring_register is refused"));
    }
  }
}

TEST(ChooseTransport, WantOfMemoryOrDescriptorsIsNoReasonForEpoll) {
  const struct {
    int error;
    const char* remedy;
  } wants[] = {{ENOMEM, "ulimit -l"}, {EMFILE, "ulimit -n"}, {ENFILE, "ulimit -n"}};
  for (const auto& want : wants) {
    Bent kernel;
    kernel.setup_error = -want.error;
    const auto choice = ChooseTransport(&kernel, std::nullopt);
    ASSERT_FALSE(choice.ok());
    EXPECT_THAT(std::string(choice.status().message()), AllOf(HasSubstr(want.remedy), Not(HasSubstr("\n"))));
  }
}

TEST(ChooseTransport, WhatIsAskedForByNameIsNotReplaced) {
  for (TransportKind asked : {TransportKind::kUring, TransportKind::kUringBase}) {
    for (const int error : {EPERM, ENOSYS, EINVAL, ENOMEM}) {
      Bent kernel;
      kernel.setup_error = -error;
      EXPECT_THAT(ErrorOf(&kernel, asked),
                  AllOf(HasSubstr("--transport=" + std::string(Name(asked)) + ": "), HasSubstr("--transport=auto"),
                        HasSubstr("--transport=epoll"), Not(HasSubstr("\n"))));
    }
  }
}

TEST(ChooseTransport, EpollAskedForByNameTouchesNoRing) {
  Bent kernel;
  kernel.setup_error = -EPERM;
  const auto choice = ChooseTransport(&kernel, TransportKind::kEpoll);
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->provider->kind(), TransportKind::kEpoll);
  EXPECT_EQ(choice->note, "");
  EXPECT_EQ(kernel.setups, 0);
}

TEST(ChooseTransport, BeforeLinux614ItIsBase) {
  Bent kernel;
  kernel.features_hidden = core::uapi::kFeatRwAttr;
  if (const auto best = uring::ProbeUring(&kernel); !best.ok()) GTEST_SKIP() << best.status();
  for (const std::optional<TransportKind> asked : {std::optional<TransportKind>(), {TransportKind::kUringBase}}) {
    const auto choice = ChooseTransport(&kernel, asked);
    ASSERT_TRUE(choice.ok()) << choice.status();
    EXPECT_EQ(choice->provider->kind(), TransportKind::kUringBase);
    EXPECT_EQ(choice->note, "");
  }
  EXPECT_THAT(ErrorOf(&kernel, TransportKind::kUring),
              AllOf(HasSubstr("--transport=io_uring: "), HasSubstr("6.14"), HasSubstr("--transport=io_uring-base")));
}

TEST(ChooseTransport, BaseIsToBeHadOnNewerKernelsToo) {
  Bent kernel;
  if (const auto best = uring::ProbeUring(&kernel); !best.ok()) GTEST_SKIP() << "no io_uring here: " << best.status();
  const auto choice = ChooseTransport(&kernel, TransportKind::kUringBase);
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->provider->kind(), TransportKind::kUringBase);
}

}  // namespace
}  // namespace mooring::net
