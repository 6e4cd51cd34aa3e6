// SPDX-License-Identifier: Apache-2.0
// The watchdog of a process that hangs, is stopped, and is left alone: each a child of this one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "core/clock.h"
#include "server/watch/watchdog.h"
#include "tests/server/watch/watch_bed.h"

namespace mooring::server::watch {
namespace {

void Sleep(int64_t ms) {
  timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1'000'000};
  while (nanosleep(&left, &left) != 0) {}
}

class WatchedProcess : public testing::Test {
 protected:
  // A shard of the child is in a turn of the service "web" until it is told; the watchdog looks at it each second.
  // `starved`: it would run, and gets next to nothing of a CPU.
  void Start(uint32_t abort_s, bool starved = false) {
    signal(SIGPIPE, SIG_IGN);  // a child that has ended before its time is a failure, not the end
    ASSERT_EQ(pipe(looked_), 0);
    ASSERT_EQ(pipe(release_), 0);
    ASSERT_EQ(pipe(said_), 0);
    child_ = fork();
    ASSERT_GE(child_, 0);
    if (child_ == 0) RunChild(abort_s, starved);
    close(looked_[1]);
    close(release_[0]);
    close(said_[1]);
  }
  ~WatchedProcess() override {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    for (const int fd : {looked_[0], release_[1], said_[0]}) close(fd);
  }
  // Of so many seconds; how many there were.
  int Looks(int wanted) {
    int looks = 0;
    for (char byte; looks < wanted && read(looked_[0], &byte, 1) == 1;) ++looks;
    return looks;
  }
  void Release() { ASSERT_EQ(write(release_[1], "x", 1), 1); }
  int End() {
    int status = -1;
    EXPECT_EQ(waitpid(child_, &status, 0), child_);
    child_ = -1;
    return status;
  }
  std::string Said() {
    std::string all;
    char bytes[4096];
    for (ssize_t n; (n = read(said_[0], bytes, sizeof(bytes))) > 0;) all.append(bytes, static_cast<size_t>(n));
    return all;
  }
  pid_t child_ = -1;

 private:
  // This thread runs only when nobody else wants its CPU.
  static void Starve() {
    const sched_param none = {};
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0) _exit(4);
  }
  // Threads that begin from here on share one CPU with one that never rests.
  static void KeepOneCpuBusy() {
    cpu_set_t here;
    sched_getaffinity(0, sizeof(here), &here);
    for (int cpu = 0, left = 1; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &here) && left-- <= 0) CPU_CLR(cpu, &here);
    }
    if (sched_setaffinity(0, sizeof(here), &here) != 0) _exit(5);
    std::thread([] {
      for (volatile uint64_t i = 0;;) {
        const uint64_t next = i + 1;
        i = next;
      }
    }).detach();
  }
  [[noreturn]] void RunChild(uint32_t abort_s, bool starved) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit none = {};
    setrlimit(RLIMIT_CORE, &none);
    dup2(said_[1], STDERR_FILENO);
    close(said_[1]);
    core::MonotonicClock clock;
    WatchedShard watched(&clock, 0);
    FakeControl control;
    control.settings_now.runtime.watchdog_abort_s = abort_s;
    control.shards_now = {{.shard = &watched.shard, .engine = &watched.engine, .transport = &watched.transport, .cpu = -1,
                           .handlers = {}}};
    control.listeners_now = {
        {.name = "web", .service = "http", .endpoint = *net::Endpoint::Parse("127.0.0.1:80"), .id = watched.web, .open = true}};
    std::atomic<bool> over = false;
    if (starved) KeepOneCpuBusy();
    std::thread hangs([&] {
      core::Shard::Enter enter(&watched.shard);
      watched.shard.turns().Begin(clock.Now());
      watched.shard.turns().SetThread(gettid());
      watched.shard.turns().Doing(core::kService + watched.web);
      if (starved) {
        Starve();
        fcntl(release_[0], F_SETFL, O_NONBLOCK);
      }
      char byte;
      while (read(release_[0], &byte, 1) != 1) {
        if (!starved) _exit(2);
      }
      watched.shard.turns().End(clock.Now());
      over.store(true);
    });
    while (!watched.shard.turns().Now().working) Sleep(1);
    Watchdog dog(&control);
    while (!over.load()) {
      dog.Look(clock.Now());
      if (write(looked_[1], "x", 1) != 1) _exit(3);
      Sleep(1000);
    }
    hangs.join();
    _exit(0);
  }

  int looked_[2] = {-1, -1}, release_[2] = {-1, -1}, said_[2] = {-1, -1};
};

TEST_F(WatchedProcess, OfAShardThatHangsEndsWithACoreAndSaysWhichServiceItWas) {
  Start(/*abort_s=*/1);
  const int status = End();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
  EXPECT_EQ(Said(), "fake: shard 0 has been in one turn for 1 s, in web: aborting; watchdog_abort = 0 switches this off\n");
}

// Nobody reads its stderr any more: it ends all the same.
TEST_F(WatchedProcess, EndsAlsoWhereStderrIsFull) {
  Start(/*abort_s=*/2);
  ASSERT_EQ(Looks(1), 1);
  const std::string path = "/proc/" + std::to_string(child_) + "/fd/2";
  const int filler = open(path.c_str(), O_WRONLY | O_NONBLOCK);
  ASSERT_GE(filler, 0);
  const std::string much(4096, '.');
  while (write(filler, much.data(), much.size()) > 0) {}
  close(filler);
  const int status = End();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
}

TEST_F(WatchedProcess, ThatWasStoppedForLongerThanATurnMayTakeGoesOn) {
  Start(/*abort_s=*/2);
  ASSERT_EQ(Looks(1), 1);
  ASSERT_EQ(kill(child_, SIGSTOP), 0);
  ASSERT_EQ(waitpid(child_, nullptr, WUNTRACED), child_);
  Sleep(4000);
  ASSERT_EQ(kill(child_, SIGCONT), 0);
  Release();
  EXPECT_EQ(End(), 0);
  EXPECT_EQ(Said(), "");
}

TEST_F(WatchedProcess, GoesOnWhereAShardOnlyWaitsForACpu) {
  Start(/*abort_s=*/1, /*starved=*/true);
  EXPECT_EQ(Looks(5), 5);
  EXPECT_EQ(kill(child_, 0), 0);
  kill(child_, SIGKILL);
  EXPECT_EQ(WTERMSIG(End()), SIGKILL);
  EXPECT_EQ(Said(), "");
}

TEST_F(WatchedProcess, GoesOnWhereTheWatchdogIsOff) {
  Start(/*abort_s=*/0);
  EXPECT_EQ(Looks(4), 4);
  Release();
  EXPECT_EQ(End(), 0);
}

}  // namespace
}  // namespace mooring::server::watch
