// SPDX-License-Identifier: Apache-2.0
// mooringd where io_uring is refused: under a seccomp filter, as containers have it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "core/kernel.h"
#include "net/uring/provider.h"
#include "server/runtime.h"
#include "tests/scenario/client.h"
#include "tests/server/daemon.h"
#include "tests/server/deny.h"

namespace mooring::server {
namespace {

using scenario::Client;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kAnyPorts[] = "--listen=echo=127.0.0.1:0,line=127.0.0.1:0";

struct Denied {
  const char* name;
  int calls[4];
  int error;
  const char* cause;
};
void PrintTo(const Denied& denied, std::ostream* out) { *out << denied.name; }

const Denied kDenied[] = {
    {"SetupByPermission", {SYS_io_uring_setup, -1}, EPERM, "refused by a seccomp filter"},
    {"SetupAsIfThereWereNone", {SYS_io_uring_setup, -1}, ENOSYS, "no io_uring, or a seccomp filter hides it"},
    {"AllThreeByPermission",
     {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, -1}, EPERM, "refused by a seccomp filter"},
    // Profiles that name only some of the calls.
    {"EnterOnly", {SYS_io_uring_enter, -1}, EPERM, "io_uring"},
    {"RegisterOnly", {SYS_io_uring_register, -1}, EPERM, "io_uring"},
};

class Fallback : public ::testing::TestWithParam<Denied> {
 protected:
  static Daemon::Options Under(const Denied& denied) {
    Daemon::Options options;
    options.before_exec = [&denied] { return Deny(denied.calls, denied.error); };
    return options;
  }
};

TEST_P(Fallback, AutoServesByEpollAndSaysWhyInOneLine) {
  Daemon daemon({kAnyPorts, "--shards=2"}, Under(GetParam()));
  const std::string plan = daemon.AwaitUpTo("try: ");
  EXPECT_THAT(plan, HasSubstr("\ntransport: epoll"));
  EXPECT_THAT(plan, HasSubstr("(the epoll transport)"));
  const size_t at = plan.find("\nnote: ");
  ASSERT_NE(at, std::string::npos) << plan;
  const std::string note = plan.substr(at + 1, plan.find('\n', at + 1) - at - 1);
  EXPECT_THAT(note, AllOf(HasSubstr("io_uring is not used, epoll serves"), HasSubstr(GetParam().cause),
                          HasSubstr("--transport=epoll")));
  EXPECT_EQ(plan.find("\nnote: io_uring", at + 1), std::string::npos) << "once: " << plan;

  Client echo(daemon.AwaitPort("echo"));
  EXPECT_EQ(echo.Exchange("hello", 5), "hello");
  Client line(daemon.AwaitPort("line"));
  EXPECT_EQ(line.Exchange("hello\nhello\n", 6), "OK\nOK\n");
  daemon.Signal(SIGTERM);
  EXPECT_EQ(echo.ReceiveToFin(), "");
  EXPECT_EQ(line.ReceiveToFin(), "");
  echo.Close();
  line.Close();
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished) << daemon.err();
}

TEST_P(Fallback, IoUringAskedForByNameFailsTheStart) {
  for (const char* transport : {"io_uring", "io_uring-base"}) {
    Daemon daemon({kAnyPorts, std::string("--transport=") + transport}, Under(GetParam()));
    EXPECT_EQ(daemon.AwaitExit(), kExitFailedStart);
    EXPECT_EQ(std::count(daemon.err().begin(), daemon.err().end(), '\n'), 1) << daemon.err();
    EXPECT_THAT(daemon.err(), AllOf(HasSubstr(std::string("mooringd: --transport=") + transport + ": "),
                                    HasSubstr(GetParam().cause), HasSubstr("--transport=auto"),
                                    HasSubstr("--transport=epoll")));
  }
}

TEST_P(Fallback, EpollAskedForByNameHasNothingToExplain) {
  Daemon daemon({kAnyPorts, "--transport=epoll"}, Under(GetParam()));
  EXPECT_THAT(daemon.AwaitUpTo("try: "), AllOf(HasSubstr("\ntransport: epoll"), Not(HasSubstr("io_uring"))));
  Client echo(daemon.AwaitPort("echo"));
  EXPECT_EQ(echo.Exchange("hello", 5), "hello");
}

INSTANTIATE_TEST_SUITE_P(Seccomp, Fallback, ::testing::ValuesIn(kDenied),
                         [](const auto& info) { return std::string(info.param.name); });

// The other way round: what is there is used, and nothing is explained.
TEST(Mooringd, WhereIoUringWorksAutoUsesIt) {
  const auto best = net::uring::ProbeUring(core::RealKernel());
  if (!best.ok()) GTEST_SKIP() << "no io_uring here: " << best.status();
  Daemon daemon({kAnyPorts});
  EXPECT_THAT(daemon.AwaitUpTo("try: "), AllOf(HasSubstr("\ntransport: io_uring"), Not(HasSubstr("is not used"))));
}

}  // namespace
}  // namespace mooring::server
