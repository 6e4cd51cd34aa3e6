// SPDX-License-Identifier: Apache-2.0
// mooringd on a machine whose administrator has switched io_uring off: kernel.io_uring_disabled.
//
// The value is of the whole machine, so it is changed for as short as a start takes, and put back on every way out: a
// guardian process does it when this one ends without having done so.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "server/runtime.h"
#include "tests/scenario/client.h"
#include "tests/server/daemon.h"

namespace mooring::server {
namespace {

using scenario::Client;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSysctl[] = "/proc/sys/kernel/io_uring_disabled";
constexpr char kAnyPorts[] = "--listen=echo=127.0.0.1:0,line=127.0.0.1:0";

// kernel.io_uring_disabled, changed until Restore.
class Disabled {
 public:
  // Empty `why()` when the value is in force.
  explicit Disabled(char value) {
    fd_ = open(kSysctl, O_RDWR | O_CLOEXEC);
    if (fd_ < 0 || pread(fd_, &before_, 1, 0) != 1) {
      why_ = std::string(kSysctl) + ": " + strerror(errno);
      return;
    }
    int alive[2];
    if (pipe2(alive, O_CLOEXEC) != 0) std::abort();
    guardian_ = fork();
    if (guardian_ == 0) Guard(alive[0], alive[1]);
    close(alive[0]);
    alive_ = alive[1];
    if (pwrite(fd_, &value, 1, 0) != 1) why_ = std::string(kSysctl) + " cannot be written: " + strerror(errno);
  }
  ~Disabled() { Restore(); }

  void Restore() {
    if (guardian_ > 0) {
      close(alive_);
      int status = 0;
      waitpid(std::exchange(guardian_, -1), &status, 0);
      EXPECT_EQ(status, 0) << "kernel.io_uring_disabled was not put back to " << before_;
    }
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  const std::string& why() const { return why_; }

 private:
  // Sees the end of its parent as the end of the pipe.
  [[noreturn]] void Guard(int alive, int other_end) {
    close(other_end);
    setsid();
    for (int signal : {SIGTERM, SIGINT, SIGHUP}) ::signal(signal, SIG_IGN);
    char byte;
    while (read(alive, &byte, 1) < 0) {
    }
    _exit(pwrite(fd_, &before_, 1, 0) == 1 ? 0 : 1);
  }

  int fd_ = -1;
  int alive_ = -1;
  pid_t guardian_ = -1;
  char before_ = '0';
  std::string why_;
};

std::string Value() {
  const int fd = open(kSysctl, O_RDONLY | O_CLOEXEC);
  char byte = '?';
  if (fd >= 0) {
    EXPECT_EQ(read(fd, &byte, 1), 1);
    close(fd);
  }
  return {byte};
}

class IoUringDisabled : public ::testing::Test {
 protected:
  // Serves by epoll, with the note in which `cause` is said; `disabled` ends as soon as that is seen.
  void ExpectEpoll(Daemon* daemon, Disabled* disabled, const std::string& cause) {
    const std::string plan = daemon->AwaitUpTo("try: ");
    disabled->Restore();
    EXPECT_EQ(Value(), before_);
    EXPECT_THAT(plan, AllOf(HasSubstr("\ntransport: epoll"), HasSubstr("\nnote: io_uring is not used, epoll serves: "),
                            HasSubstr(cause), HasSubstr("sysctl -w kernel.io_uring_disabled=0")));
    Client echo(daemon->AwaitPort("echo"));
    EXPECT_EQ(echo.Exchange("hello", 5), "hello");
    Client line(daemon->AwaitPort("line"));
    EXPECT_EQ(line.Exchange("hello\n", 3), "OK\n");
  }

  const std::string before_ = Value();
};

// 1: only for those without CAP_SYS_ADMIN, and not of the group that may.
TEST_F(IoUringDisabled, ForUsersWithoutPrivilegeAutoServesByEpoll) {
  Disabled disabled('1');
  if (!disabled.why().empty()) GTEST_SKIP() << disabled.why();
  Daemon::Options nobody;
  nobody.before_exec = [] { return setgroups(0, nullptr) == 0 && setgid(65534) == 0 && setuid(65534) == 0; };
  Daemon daemon({kAnyPorts}, nobody);
  ExpectEpoll(&daemon, &disabled, "(kernel.io_uring_disabled = 1)");
}

TEST_F(IoUringDisabled, ForAllAutoServesByEpollAndByNameItIsAnError) {
  Disabled disabled('2');
  if (!disabled.why().empty()) GTEST_SKIP() << disabled.why();
  Daemon named({kAnyPorts, "--transport=io_uring"});
  Daemon daemon({kAnyPorts});
  EXPECT_EQ(named.AwaitExit(), kExitFailedStart);
  EXPECT_THAT(named.err(), AllOf(HasSubstr("--transport=io_uring: "), HasSubstr("(kernel.io_uring_disabled = 2)"),
                                 HasSubstr("sysctl -w kernel.io_uring_disabled=0"), HasSubstr("--transport=epoll")));
  ExpectEpoll(&daemon, &disabled, "(kernel.io_uring_disabled = 2)");
}

// The test leaves the machine as it was even when it is killed.
TEST_F(IoUringDisabled, ValueIsPutBackWhenTheTestIsKilled) {
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    Disabled disabled('1');
    const char ok = disabled.why().empty() ? 1 : 0;
    if (write(ready[1], &ok, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char ok = 0;
  ASSERT_EQ(read(ready[0], &ok, 1), 1);
  close(ready[1]);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  // The guardian had the other end too: this ends with it.
  EXPECT_EQ(read(ready[0], &ok, 1), 0);
  close(ready[0]);
  if (ok == 0) GTEST_SKIP() << kSysctl << " cannot be written";
  EXPECT_EQ(Value(), before_);
}

}  // namespace
}  // namespace mooring::server
