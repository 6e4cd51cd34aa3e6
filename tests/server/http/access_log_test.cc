// SPDX-License-Identifier: Apache-2.0
#include "server/http/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace mooring::server::http {
namespace {

using std::chrono::steady_clock;

int64_t Then() { return 1795964645; }  // 29/Nov/2026:15:04:05 +0000

// The log's thread gets there by itself; how soon depends on the machine.
bool Settled(const std::unique_ptr<AccessLog>& log) { return log->Settle(30'000); }

std::string LineOf(const std::string& request) {
  return "- - - [29/Nov/2026:15:04:05 +0000] \"" + request + "\" 200 5 \"-\" \"-\"\n";
}

class AccessLogTest : public testing::Test {
 protected:
  AccessLogTest() : path_(testing::TempDir() + "/access_log." + std::to_string(getpid())) { unlink(path_.c_str()); }
  ~AccessLogTest() override { unlink(path_.c_str()); }

  std::unique_ptr<AccessLog> Open(const std::string& path) {
    auto log = AccessLog::Open(path, &Then);
    EXPECT_TRUE(log.ok()) << log.status();
    return log.ok() ? *std::move(log) : nullptr;
  }
  static void Note(AccessLog* log, const std::string& request) {
    log->Note({.request_line = request, .status = 200, .body_bytes = 5});
  }
  std::string Content() const {
    std::ifstream file(path_, std::ios::binary);
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
  }
  // A pipe with a name, and its reader, which does not wait.
  int Pipe() {
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    return open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  }
  static std::string Drain(int reader) {
    std::string all;
    char bytes[65536];
    for (ssize_t n; (n = read(reader, bytes, sizeof(bytes))) > 0;) all.append(bytes, static_cast<size_t>(n));
    return all;
  }
  const std::string path_;
};

TEST_F(AccessLogTest, AppendsLinesInOrderAndSoon) {
  std::ofstream(path_) << "before\n";
  auto log = Open(path_);
  for (int i = 0; i < 3; ++i) Note(log.get(), std::to_string(i));
  const std::string expected = "before\n" + LineOf("0") + LineOf("1") + LineOf("2");
  ASSERT_TRUE(Settled(log));
  EXPECT_EQ(Content(), expected);
  EXPECT_EQ(log->written(), 3u);
  EXPECT_EQ(log->dropped(), 0u);
}

TEST_F(AccessLogTest, MakesAFileThatIsNotForEverybody) {
  const mode_t before = umask(0);
  Open(path_);
  umask(before);
  struct stat made = {};
  ASSERT_EQ(stat(path_.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777, 0640u);
}

TEST_F(AccessLogTest, WritesWhatIsQueuedAtItsEnd) {
  auto log = Open(path_);
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    Note(log.get(), std::to_string(i));
    expected += LineOf(std::to_string(i));
  }
  log.reset();
  EXPECT_TRUE(Content() == expected);
}

TEST_F(AccessLogTest, LinesOfSeveralThreadsStayWhole) {
  auto log = Open(path_);
  constexpr int kThreads = 3, kEach = 4000;
  const std::string long_part(1000, 'x');
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) Note(log.get(), std::to_string(t) + (i % 5 == 0 ? long_part : ""));
    });
  }
  for (std::thread& each : threads) each.join();
  ASSERT_TRUE(Settled(log));
  EXPECT_EQ(log->written() + log->dropped(), uint64_t{kThreads} * kEach);
  const uint64_t written = log->written();
  log.reset();
  std::istringstream lines(Content());
  uint64_t seen = 0;
  for (std::string line; std::getline(lines, line); ++seen) {
    const char t = line[36];
    line += '\n';
    ASSERT_TRUE(line == LineOf(std::string(1, t)) || line == LineOf(t + long_part)) << line;
  }
  EXPECT_EQ(seen, written);
}

TEST_F(AccessLogTest, WhatTheDiskHasNoRoomForIsCountedAndSaidToNobody) {
  testing::internal::CaptureStderr();
  {
    auto log = Open("/dev/full");
    for (int i = 0; i < 1000; ++i) Note(log.get(), "x");
    ASSERT_TRUE(Settled(log));
    EXPECT_EQ(log->dropped(), 1000u);
    EXPECT_EQ(log->written(), 0u);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(AccessLogTest, AClosedPipeIsNoSignalAndANewReaderGetsNewLines) {
  int reader = Pipe();
  auto log = Open(path_);
  close(reader);
  Note(log.get(), "lost");
  ASSERT_TRUE(Settled(log));
  EXPECT_EQ(log->dropped(), 1u);
  reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  Note(log.get(), "found");
  ASSERT_TRUE(Settled(log));
  EXPECT_EQ(log->written(), 1u);
  EXPECT_EQ(Drain(reader), LineOf("found"));
  log.reset();
  close(reader);
}

TEST_F(AccessLogTest, ALineThatHangsInTheMiddleIsFinishedFirstWhenThereIsRoomAgain) {
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto log = Open(path_);
  Note(log.get(), "one");
  ASSERT_TRUE(Settled(log));
  EXPECT_EQ(log->written(), 1u);
  rlimit tight = before;
  tight.rlim_cur = LineOf("one").size() + 10;  // the file takes ten bytes more
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  Note(log.get(), "two");
  Note(log.get(), "three");
  EXPECT_TRUE(Settled(log));
  EXPECT_EQ(log->dropped(), 1u);
  Note(log.get(), "four");
  EXPECT_TRUE(Settled(log));
  EXPECT_EQ(log->dropped(), 2u);
  EXPECT_EQ(log->written(), 1u);
  EXPECT_EQ(Content(), LineOf("one") + LineOf("two").substr(0, 10));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  Note(log.get(), "five");
  ASSERT_TRUE(Settled(log));
  EXPECT_EQ(log->written(), 3u);
  EXPECT_EQ(Content(), LineOf("one") + LineOf("two") + LineOf("five"));
  EXPECT_EQ(log->dropped(), 2u);
}

// What stands in for a disk that hangs: a pipe that nobody empties.
TEST_F(AccessLogTest, AFileThatHangsCostsLinesAndNoTime) {
  const int reader = Pipe();
  auto log = Open(path_);
  const std::string request(1000, 'x');
  constexpr uint64_t kNoted = 3 * AccessLog::kQueueLines;
  auto longest = steady_clock::duration::zero();
  for (uint64_t i = 0; i < kNoted; ++i) {
    const auto begun = steady_clock::now();
    Note(log.get(), request);
    longest = std::max(longest, steady_clock::now() - begun);
  }
  // The thread hangs for good; nobody who notes a line has waited for it.
  EXPECT_LT(longest, std::chrono::seconds(5));
  EXPECT_GT(log->dropped(), AccessLog::kQueueLines);
  EXPECT_GE(kNoted - log->dropped(), AccessLog::kQueueLines);
  fcntl(reader, F_SETFL, 0);  // it waits now
  std::string seen;
  std::thread empties([&] { seen = Drain(reader); });
  EXPECT_TRUE(Settled(log));
  EXPECT_EQ(log->written() + log->dropped(), kNoted);
  const uint64_t written = log->written();
  Note(log.get(), "goes on");
  log.reset();  // the pipe's end
  empties.join();
  EXPECT_EQ(seen.size(), written * LineOf(request).size() + LineOf("goes on").size());
  EXPECT_TRUE(seen.ends_with(LineOf("goes on")));
  close(reader);
}

TEST_F(AccessLogTest, DoesNotWaitForeverForAFileThatHangsAtItsEnd) {
  const int reader = Pipe();
  auto log = Open(path_);
  for (uint32_t i = 0; i < AccessLog::kQueueLines; ++i) Note(log.get(), std::string(1000, 'x'));
  const auto begun = steady_clock::now();
  log.reset();
  const auto took = steady_clock::now() - begun;
  EXPECT_GE(took, std::chrono::seconds(2));
  EXPECT_LT(took, std::chrono::seconds(20));
  // Nor does it come back later on: what is read now is what the pipe and one batch had. That nothing more comes can only
  // be waited for.
  size_t seen = 0;
  for (pollfd more = {reader, POLLIN, 0}; poll(&more, 1, 200) == 1;) {
    const size_t got = Drain(reader).size();
    if (got == 0) break;  // its end
    seen += got;
  }
  EXPECT_GE(seen, 65'536u);
  EXPECT_LT(seen, 300'000u);
  close(reader);
}

TEST_F(AccessLogTest, OpensItsPathAnewWhenLogrotateHasMovedTheFile) {
  auto log = Open(path_);
  Note(log.get(), "old");
  ASSERT_TRUE(Settled(log));
  EXPECT_EQ(log->written(), 1u);
  const std::string moved = path_ + ".1";
  ASSERT_EQ(rename(path_.c_str(), moved.c_str()), 0);
  ASSERT_TRUE(log->Reopen().ok());
  Note(log.get(), "new");
  ASSERT_TRUE(Settled(log));
  EXPECT_EQ(log->written(), 2u);
  EXPECT_EQ(Content(), LineOf("new"));
  std::ifstream old(moved);
  std::string line;
  std::getline(old, line);
  EXPECT_EQ(line + "\n", LineOf("old"));
  unlink(moved.c_str());
}

// What the old file has of a torn line has no place in the new one.
TEST_F(AccessLogTest, ANewFileBeginsWithAWholeLine) {
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto log = Open(path_);
  rlimit tight = before;
  tight.rlim_cur = 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  Note(log.get(), "torn");
  EXPECT_TRUE(Settled(log));
  EXPECT_EQ(Content().size(), 10u);
  Note(log.get(), "lost");
  EXPECT_TRUE(Settled(log));
  EXPECT_EQ(log->dropped(), 1u);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  const std::string moved = path_ + ".1";
  ASSERT_EQ(rename(path_.c_str(), moved.c_str()), 0);
  ASSERT_TRUE(log->Reopen().ok());
  Note(log.get(), "new");
  ASSERT_TRUE(Settled(log));
  EXPECT_EQ(log->written(), 1u);
  EXPECT_EQ(Content(), LineOf("new"));
  EXPECT_EQ(log->dropped(), 2u);
  unlink(moved.c_str());
}

TEST_F(AccessLogTest, ATornLineIsFinishedWhereTheSameFileIsOpenedAnew) {
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto log = Open(path_);
  rlimit tight = before;
  tight.rlim_cur = 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  Note(log.get(), "torn");
  EXPECT_TRUE(Settled(log));
  EXPECT_EQ(Content().size(), 10u);
  Note(log.get(), "lost");
  EXPECT_TRUE(Settled(log));
  EXPECT_EQ(log->dropped(), 1u);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_TRUE(log->Reopen().ok());
  Note(log.get(), "new");
  ASSERT_TRUE(Settled(log));
  EXPECT_EQ(log->written(), 2u);
  EXPECT_EQ(Content(), LineOf("torn") + LineOf("new"));
}

TEST_F(AccessLogTest, GoesToStdout) {
  const int before = dup(STDOUT_FILENO);
  const int file = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  std::fflush(stdout);
  dup2(file, STDOUT_FILENO);
  auto log = Open("-");
  Note(log.get(), "x");
  log.reset();
  const bool open_still = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
  dup2(before, STDOUT_FILENO);
  close(before);
  close(file);
  EXPECT_EQ(Content(), LineOf("x"));
  EXPECT_TRUE(open_still);
}

TEST_F(AccessLogTest, HasTheClockOfTheMachineUnlessToldOtherwise) {
  auto log = AccessLog::Open(path_);
  ASSERT_TRUE(log.ok());
  (*log)->Note({.status = 200});
  log->reset();
  const time_t now = time(nullptr);
  tm parts = {};
  gmtime_r(&now, &parts);
  char year[8];
  strftime(year, sizeof(year), "/%Y:", &parts);
  EXPECT_NE(Content().find(year), std::string::npos) << Content();
}

TEST_F(AccessLogTest, SaysWhatToMendWhenItCannotBeOpened) {
  const auto error = [](const std::string& path) { return std::string(AccessLog::Open(path).status().message()); };
  EXPECT_EQ(error(path_ + "/no/such"),
            "cannot write the access log '" + path_ + "/no/such': No such file or directory; its folder does not exist: make it");
  EXPECT_EQ(error(testing::TempDir()),
            "cannot write the access log '" + testing::TempDir() + "': Is a directory; name a file in it");
  EXPECT_NE(error(""), "");
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(error(path_), "cannot write the access log '" + path_ +
                              "': No such device or address; it is a pipe that nobody reads: start its reader first");
}

}  // namespace
}  // namespace mooring::server::http
