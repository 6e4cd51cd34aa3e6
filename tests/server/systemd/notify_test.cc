// SPDX-License-Identifier: Apache-2.0
#include "server/systemd/notify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace mooring::server::systemd {
namespace {

// The manager's end. Abstract, or in a folder of its own.
class ManagerSocket {
 public:
  explicit ManagerSocket(bool abstract) {
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char folder[] = "/tmp/notify.XXXXXX";
    EXPECT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/notify";
    sockaddr_un at = {};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, path_.c_str(), path_.size() + 1);
    if (abstract) at.sun_path[0] = '\0';
    // An abstract name is exactly its bytes: one more, or one fewer, would be another.
    const size_t size = offsetof(sockaddr_un, sun_path) + path_.size() + (abstract ? 0 : 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&at), static_cast<socklen_t>(size)), 0) << errno;
    name_ = path_;
    if (abstract) name_[0] = '@';
  }
  ~ManagerSocket() {
    close(fd_);
    unlink(path_.c_str());
    rmdir(folder_.c_str());
  }

  const std::string& name() const { return name_; }
  // "": nothing has come.
  std::string Next() {
    char message[4096];
    const ssize_t n = recv(fd_, message, sizeof(message), 0);
    return n < 0 ? std::string() : std::string(message, static_cast<size_t>(n));
  }

 private:
  int fd_;
  std::string folder_;
  std::string path_;
  std::string name_;
};

class NotifyTest : public ::testing::Test {
 protected:
  void TearDown() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }
  static absl::StatusOr<Notify> At(const std::string& socket_name) {
    setenv("NOTIFY_SOCKET", socket_name.c_str(), 1);
    return Notify::FromEnvironment();
  }
};

TEST_F(NotifyTest, TellsWhatTheManagerReads) {
  for (const bool abstract : {false, true}) {
    ManagerSocket manager(abstract);
    auto notify = At(manager.name());
    ASSERT_TRUE(notify.ok()) << notify.status();
    EXPECT_TRUE(notify->active());
    EXPECT_TRUE(notify->Ready("serving on 2 shards").ok());
    EXPECT_EQ(manager.Next(), "READY=1\nSTATUS=serving on 2 shards") << manager.name();
    EXPECT_TRUE(notify->Ready("").ok());
    EXPECT_EQ(manager.Next(), "READY=1");
    EXPECT_TRUE(notify->Alive().ok());
    EXPECT_EQ(manager.Next(), "WATCHDOG=1");
    EXPECT_TRUE(notify->Say("7 connections").ok());
    EXPECT_EQ(manager.Next(), "STATUS=7 connections");
    EXPECT_TRUE(notify->Stopping("draining", 35'000).ok());
    EXPECT_EQ(manager.Next(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000\nSTATUS=draining");
    EXPECT_EQ(manager.Next(), "");
  }
}

TEST_F(NotifyTest, AReloadSaysWhenItBeganByTheClockOfTheManager) {
  ManagerSocket manager(true);
  auto notify = At(manager.name());
  ASSERT_TRUE(notify.ok());
  const auto now_us = [] {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
  };
  const int64_t before = now_us();
  EXPECT_TRUE(notify->Reloading().ok());
  const std::string message = manager.Next();
  const std::string begin = "RELOADING=1\nMONOTONIC_USEC=";
  ASSERT_EQ(message.substr(0, begin.size()), begin);
  const int64_t said = std::atoll(message.c_str() + begin.size());
  EXPECT_GE(said, before);
  EXPECT_LE(said, now_us());
}

TEST_F(NotifyTest, AStatusOfSeveralLinesIsOneField) {
  ManagerSocket manager(true);
  auto notify = At(manager.name());
  ASSERT_TRUE(notify.ok());
  EXPECT_TRUE(notify->Ready("a\nMAINPID=1").ok());
  EXPECT_EQ(manager.Next(), "READY=1\nSTATUS=a MAINPID=1");
}

TEST_F(NotifyTest, WithoutAManagerNothingHappensAndNothingFails) {
  auto notify = Notify::FromEnvironment();
  ASSERT_TRUE(notify.ok());
  EXPECT_FALSE(notify->active());
  EXPECT_EQ(notify->watchdog_interval_ms(), 0);
  EXPECT_TRUE(notify->Ready("up").ok());
  EXPECT_TRUE(notify->Reloading().ok());
  EXPECT_TRUE(notify->Stopping("down", 1).ok());
  EXPECT_TRUE(notify->Say("x").ok());
  EXPECT_TRUE(notify->Alive().ok());
}

TEST_F(NotifyTest, ChildrenDoNotInheritTheVariables) {
  ManagerSocket manager(true);
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  ASSERT_TRUE(At(manager.name()).ok());
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
    EXPECT_EQ(std::getenv(name), nullptr) << name;
  }
}

TEST_F(NotifyTest, WatchdogIsDueTwiceInItsTimeAndOnlyForTheProcessItNames) {
  ManagerSocket manager(true);
  const struct {
    const char* micros;
    std::string pid;
    int64_t interval_ms;
  } cases[] = {{"3000000", std::to_string(getpid()), 1500}, {"3000000", "", 1500}, {"3000000", "1", 0},
               {"1", "", 1}};
  for (const auto& each : cases) {
    setenv("WATCHDOG_USEC", each.micros, 1);
    if (!each.pid.empty()) setenv("WATCHDOG_PID", each.pid.c_str(), 1);
    auto notify = At(manager.name());
    ASSERT_TRUE(notify.ok()) << notify.status();
    EXPECT_EQ(notify->watchdog_interval_ms(), each.interval_ms) << each.micros << " of " << each.pid;
  }
  for (const char* wrong : {"0", "-5", "soon", "99999999999999999999"}) {
    setenv("WATCHDOG_USEC", wrong, 1);
    auto notify = At(manager.name());
    ASSERT_FALSE(notify.ok()) << wrong;
    EXPECT_NE(notify.status().message().find(wrong), absl::string_view::npos) << notify.status();
  }
}

TEST_F(NotifyTest, NamesThatAreNoSocketAreErrorsThatSayWhichOne) {
  for (const std::string& name : {std::string("relative"), std::string("vsock:2:1"), std::string("@"), std::string("/"),
                                  "/" + std::string(108, 'x')}) {
    auto notify = At(name);
    ASSERT_FALSE(notify.ok()) << name;
    EXPECT_NE(notify.status().message().find(name), absl::string_view::npos) << notify.status();
  }
  EXPECT_TRUE(At("/" + std::string(106, 'x')).ok());
}

TEST_F(NotifyTest, AManagerThatHasGoneOrHasNoRoomIsAnErrorAndNoWait) {
  auto gone = At("@mooring-nobody-is-here");
  ASSERT_TRUE(gone.ok());
  const absl::Status refused = gone->Ready("up");
  EXPECT_NE(refused.message().find("READY=1): Connection refused"), absl::string_view::npos) << refused;

  ManagerSocket manager(true);
  auto notify = At(manager.name());
  ASSERT_TRUE(notify.ok());
  absl::Status full;
  for (int i = 0; i < 100'000 && full.ok(); ++i) full = notify->Alive();
  EXPECT_FALSE(full.ok()) << "nobody reads, and no send waits for it";
  while (!manager.Next().empty()) {
  }
  EXPECT_TRUE(notify->Alive().ok()) << "and it goes on when there is room";
}

TEST_F(NotifyTest, MovesWithItsSocket) {
  ManagerSocket manager(false);
  auto made = At(manager.name());
  ASSERT_TRUE(made.ok());
  Notify kept;
  kept = *std::move(made);
  Notify moved(std::move(kept));
  EXPECT_TRUE(moved.Ready("").ok());
  EXPECT_EQ(manager.Next(), "READY=1");
}

}  // namespace
}  // namespace mooring::server::systemd
