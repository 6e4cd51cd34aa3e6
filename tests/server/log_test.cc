// SPDX-License-Identifier: Apache-2.0
#include "server/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace mooring::server {
namespace {

using std::chrono::steady_clock;
using Level = Log::Level;
using Format = LogSettings::Format;

// Tells when a file that was open for writing has been closed.
class Closed {
 public:
  explicit Closed(const std::string& path) { EXPECT_GE(inotify_add_watch(fd_, path.c_str(), IN_CLOSE_WRITE), 0); }
  ~Closed() { close(fd_); }
  // How soon depends on the machine.
  bool Await() const {
    pollfd event = {fd_, POLLIN, 0};
    return poll(&event, 1, 30'000) == 1;
  }

 private:
  const int fd_ = inotify_init1(IN_CLOEXEC);
};

std::string ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

// Lines without the times, which are the machine's.
std::string WithoutTimes(const std::string& text) {
  std::istringstream lines(text);
  std::string all;
  for (std::string line; std::getline(lines, line);) all += (line.size() > 25 ? line.substr(25) : "short: " + line) + "\n";
  return all;
}

class LogTest : public testing::Test {
 protected:
  LogTest() : path_(testing::TempDir() + "/log." + std::to_string(getpid())), moved_(path_ + ".1") { Forget(); }
  ~LogTest() override { Forget(); }
  void Forget() {
    unlink(path_.c_str());
    unlink(moved_.c_str());
  }

  static std::unique_ptr<Log> Open(const LogSettings& settings) {
    auto log = Log::Open(settings);
    EXPECT_TRUE(log.ok()) << log.status();
    return log.ok() ? *std::move(log) : nullptr;
  }
  std::unique_ptr<Log> Open() { return Open({.file = path_}); }
  int Pipe() {
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    return open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  }

  const std::string path_;
  const std::string moved_;
};

TEST_F(LogTest, WritesLinesInOrderAndSoon) {
  auto log = Open();
  log->Say(Level::kInfo, "one", {{"x", "y"}});
  log->Say(Level::kError, "two");
  ASSERT_TRUE(log->Settle(30'000));
  EXPECT_EQ(log->written(), 2u);
  EXPECT_EQ(WithoutTimes(ContentOf(path_)), "info  one x=y\nerror two\n");
  EXPECT_EQ(log->dropped(), 0u);
}

TEST_F(LogTest, HasTheTimeOfTheMachine) {
  auto log = Open();
  timespec before = {}, after = {};
  clock_gettime(CLOCK_REALTIME, &before);
  log->Say(Level::kInfo, "x");
  clock_gettime(CLOCK_REALTIME, &after);
  ASSERT_TRUE(log->Settle(30'000));
  const auto text = [](const timespec& at) {
    tm parts = {};
    gmtime_r(&at.tv_sec, &parts);
    char day[32], all[64];
    strftime(day, sizeof(day), "%FT%T", &parts);
    std::snprintf(all, sizeof(all), "%s.%03ldZ", day, at.tv_nsec / 1'000'000);
    return std::string(all);
  };
  const std::string said = ContentOf(path_).substr(0, 24);
  EXPECT_GE(said, text(before));
  EXPECT_LE(said, text(after));
}

TEST_F(LogTest, SaysNothingBelowItsLevel) {
  auto log = Open({.file = path_, .level = Level::kWarning});
  for (const Level level : {Level::kDebug, Level::kInfo, Level::kWarning, Level::kError}) log->Say(level, "x");
  log.reset();
  EXPECT_EQ(WithoutTimes(ContentOf(path_)), "warn  x\nerror x\n");
}

TEST_F(LogTest, WritesWhatIsQueuedAtItsEnd) {
  auto log = Open();
  for (int i = 0; i < 1000; ++i) log->Say(Level::kInfo, "x");
  log.reset();
  const std::string content = ContentOf(path_);
  EXPECT_EQ(std::count(content.begin(), content.end(), '\n'), 1000);
}

TEST_F(LogTest, SettleWaitsForWhatIsQueued) {
  auto log = Open();
  for (int i = 0; i < 500; ++i) log->Say(Level::kInfo, "x");
  ASSERT_TRUE(log->Settle(30'000));
  EXPECT_EQ(log->written(), 500u);
}

TEST_F(LogTest, OpensItsPathAnewWhenLogrotateHasMovedTheFile) {
  auto log = Open();
  log->Say(Level::kInfo, "old");
  ASSERT_TRUE(log->Settle(30'000));
  ASSERT_EQ(rename(path_.c_str(), moved_.c_str()), 0);
  log->Say(Level::kInfo, "between");
  ASSERT_TRUE(log->Settle(30'000));
  ASSERT_TRUE(log->Reopen().ok());
  log->Say(Level::kInfo, "new");
  ASSERT_TRUE(log->Settle(30'000));
  EXPECT_EQ(WithoutTimes(ContentOf(moved_)), "info  old\ninfo  between\n");
  EXPECT_EQ(WithoutTimes(ContentOf(path_)), "info  new\n");
}

// Else a deleted file keeps its blocks of the disk until the next line.
TEST_F(LogTest, LetsTheOldFileGoWithoutALineToWrite) {
  auto log = Open();
  log->Say(Level::kInfo, "old");
  ASSERT_TRUE(log->Settle(30'000));
  ASSERT_EQ(rename(path_.c_str(), moved_.c_str()), 0);
  const Closed closed(moved_);
  ASSERT_TRUE(log->Reopen().ok());
  EXPECT_TRUE(closed.Await());
}

TEST_F(LogTest, GoesOnInTheOldFileWhereTheNewOneCannotBeOpenedAndSaysSo) {
  auto log = Open();
  EXPECT_FALSE(log->Change({.file = path_ + "/no", .format = Format::kJson}).ok());
  log->Say(Level::kInfo, "still text");
  ASSERT_TRUE(log->Settle(30'000));
  EXPECT_EQ(WithoutTimes(ContentOf(path_)),
            "error the log goes on where it was why=\"cannot write the log '" + path_ +
                "/no': Not a directory; name a file that this user may append to, or - for stdout\"\ninfo  still text\n");
}

TEST_F(LogTest, ChangesFileFormatAndLevelWhileItRuns) {
  auto log = Open();
  log->Say(Level::kInfo, "first");
  ASSERT_TRUE(log->Settle(30'000));
  ASSERT_TRUE(log->Change({.file = moved_, .format = Format::kJson, .level = Level::kError}).ok());
  log->Say(Level::kInfo, "too low");
  log->Say(Level::kError, "second");
  ASSERT_TRUE(log->Settle(30'000));
  ASSERT_TRUE(log->Reopen().ok());  // the new path
  EXPECT_EQ(WithoutTimes(ContentOf(path_)), "info  first\n");
  EXPECT_NE(ContentOf(moved_).find("\"level\":\"error\",\"message\":\"second\"}\n"), std::string::npos) << ContentOf(moved_);
  EXPECT_EQ(ContentOf(moved_).find("too low"), std::string::npos);
}

TEST_F(LogTest, LinesSaidDuringRotationsAreAllThereAndWhole) {
  auto log = Open();
  constexpr int kThreads = 3, kEach = 2000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (uint64_t i = 0; i < kEach; ++i) log->Say(Level::kInfo, "line", {{"i", i}, {"text", std::string_view("a b")}});
    });
  }
  std::string all;
  const auto take = [&](const std::string& path) { all += ContentOf(path); };
  for (int i = 0; i < 20; ++i) {
    // The moved file is read once the log has let it go.
    ASSERT_EQ(rename(path_.c_str(), moved_.c_str()), 0);
    const Closed closed(moved_);
    ASSERT_TRUE(log->Reopen().ok());
    log->Say(Level::kInfo, "turn");
    ASSERT_TRUE(closed.Await());
    take(moved_);
    unlink(moved_.c_str());
  }
  for (std::thread& each : threads) each.join();
  ASSERT_TRUE(log->Settle(30'000));
  take(path_);
  uint64_t lines = 0;
  std::istringstream said(WithoutTimes(all));
  for (std::string line; std::getline(said, line); ++lines) {
    ASSERT_TRUE(line == "info  turn" || (line.starts_with("info  line i=") && line.ends_with(" text=\"a b\""))) << line;
  }
  EXPECT_EQ(lines, log->written());
  EXPECT_EQ(log->written() + log->dropped(), kThreads * kEach + 20u);
}

TEST_F(LogTest, AFullDiskCostsLinesThatAreCounted) {
  testing::internal::CaptureStderr();
  {
    auto log = Open({.file = "/dev/full"});
    for (int i = 0; i < 200; ++i) log->Say(Level::kInfo, "x");
    ASSERT_TRUE(log->Settle(30'000));
    EXPECT_EQ(log->dropped(), 200u);
    EXPECT_EQ(log->written(), 0u);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(LogTest, AFileThatHangsCostsLinesAndNoTimeNotEvenAtTheEnd) {
  const int reader = Pipe();
  auto log = Open();
  const std::string text(1000, 'x');
  auto longest = steady_clock::duration::zero();
  for (int i = 0; i < 5000; ++i) {
    const auto begun = steady_clock::now();
    log->Say(Level::kInfo, "x", {{"text", std::string_view(text)}});
    longest = std::max(longest, steady_clock::now() - begun);
  }
  EXPECT_LT(longest, std::chrono::seconds(5));
  EXPECT_GT(log->dropped(), 3000u);
  EXPECT_FALSE(log->Settle(0));
  // Another file now does not wait for the one that hangs either.
  EXPECT_TRUE(log->Change({.file = moved_}).ok());
  EXPECT_TRUE(log->Change({.file = moved_}).ok());
  const auto begun = steady_clock::now();
  log.reset();
  EXPECT_LT(steady_clock::now() - begun, std::chrono::seconds(20));
  close(reader);
}

// As `mooringd >&-` has it: what gets number 1 later is no place for lines.
TEST_F(LogTest, AClosedStdoutCostsLinesAndNobodyElseGetsThem) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  GTEST_SKIP() << "ThreadSanitizer allows no threads behind a fork of a process that has had some";
#endif
#endif
  std::fflush(stdout);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(STDOUT_FILENO);
    auto log = Log::Open({});
    if (!log.ok()) _exit(1);
    if (open(path_.c_str(), O_RDWR | O_CREAT, 0600) != STDOUT_FILENO) _exit(2);
    (*log)->Say(Level::kInfo, "x");
    if (!(*log)->Settle(30'000)) _exit(3);
    if ((*log)->dropped() != 1) _exit(4);
    if (!(*log)->Reopen().ok()) _exit(5);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(ContentOf(path_), "");
}

TEST_F(LogTest, SaysWhatToMendWhenItCannotBeOpened) {
  EXPECT_EQ(Log::Open({.file = path_ + "/no/such"}).status().message(),
            "cannot write the log '" + path_ + "/no/such': No such file or directory; its folder does not exist: make it");
}

}  // namespace
}  // namespace mooring::server
