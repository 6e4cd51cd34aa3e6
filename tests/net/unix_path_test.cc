// SPDX-License-Identifier: Apache-2.0
#include "net/unix_path.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/claim.h"
#include "tests/core/forwarding_kernel.h"

namespace mooring::net {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

sockaddr_un At(const std::string& path) {
  sockaddr_un out = {};
  out.sun_family = AF_UNIX;
  std::strncpy(out.sun_path, path.c_str(), sizeof(out.sun_path) - 1);
  return out;
}

// 0, or the errno of connect(2).
int Connected(const std::string& path, int* fd) {
  *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_un to = At(path);
  return connect(*fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0 ? 0 : errno;
}
int Connects(const std::string& path) {
  int fd;
  const int error = Connected(path, &fd);
  close(fd);
  return error;
}

class UnixPathTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/unix_path.XXXXXX";  // short, whatever TMPDIR is
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    path_ = directory_ + "/s";
  }
  void TearDown() override { fs::remove_all(directory_); }

  // A hold with its listener, which is closed with it.
  struct Taken {
    absl::StatusOr<UnixPath> path = UnixPath();
    int listener = -1;
    ~Taken() {
      if (listener >= 0) close(listener);
    }
    std::string error() const { return path.ok() ? "(no error)" : std::string(path.status().message()); }
  };
  std::unique_ptr<Taken> Take(const std::string& path) {
    auto taken = std::make_unique<Taken>();
    taken->path = UnixPath::Take(core::RealKernel(), path, {.backlog = 16}, &taken->listener);
    return taken;
  }
  std::vector<std::string> Files() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  // What a server leaves that is killed: a socket that nobody listens on.
  void LeaveStale(const std::string& path) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un at = At(path);
    ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
    ASSERT_EQ(listen(fd, 1), 0);
    close(fd);
    ASSERT_EQ(Connects(path), ECONNREFUSED);
  }
  void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
  std::string Read(const std::string& path) {
    std::string text;
    std::getline(std::ifstream(path), text);
    return text;
  }

  std::string directory_;
  std::string path_;
};

TEST_F(UnixPathTest, ListensUnderItsNameOnly) {
  auto taken = Take(path_);
  ASSERT_TRUE(taken->path.ok()) << taken->error();
  EXPECT_EQ(Connects(path_), 0);
  EXPECT_EQ(Files(), (std::vector<std::string>{"s", "s.lock"}));
  EXPECT_NE(fcntl(taken->listener, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(taken->listener, F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(UnixPathTest, OwnerAndGroupMayConnectWhateverTheUmask) {
  for (const mode_t mask : {0000, 0022, 0077}) {
    const mode_t before = umask(mask);
    auto taken = Take(path_);
    umask(before);
    ASSERT_TRUE(taken->path.ok()) << taken->error();
    struct stat found;
    ASSERT_EQ(lstat(path_.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 07777, 0660u);
    ASSERT_EQ(lstat((path_ + ".lock").c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0077, 0u) << "nobody else can hold the lock";
  }
}

TEST_F(UnixPathTest, SecondServerIsRefused) {
  auto first = Take(path_);
  ASSERT_TRUE(first->path.ok()) << first->error();
  auto second = Take(path_);
  EXPECT_THAT(second->error(), AllOf(HasSubstr("unix:" + path_ + " is in use"), HasSubstr("ss -xlp")));
  EXPECT_EQ(second->listener, -1);
  EXPECT_EQ(Connects(path_), 0) << "the first one is as before";
}

TEST_F(UnixPathTest, ServerThatKnowsNoLockIsNotDisplaced) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    const int other = socket(AF_UNIX, type, 0);
    const sockaddr_un at = At(path_);
    ASSERT_EQ(bind(other, reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
    if (type != SOCK_DGRAM) {
      ASSERT_EQ(listen(other, 0), 0);
    }
    // Also when its backlog is full.
    std::vector<int> waiting;
    if (type == SOCK_STREAM) {
      for (int fd; Connected(path_, &fd) == 0;) waiting.push_back(fd);
    }
    EXPECT_THAT(Take(path_)->error(), HasSubstr("in use"));
    EXPECT_EQ(Files(), (std::vector<std::string>{"s"})) << "it left nothing behind";
    for (int fd : waiting) close(fd);
    close(other);
    unlink(path_.c_str());
  }
}

TEST_F(UnixPathTest, SocketsOfTheDeadAreReplaced) {
  LeaveStale(path_);
  LeaveStale(path_ + ".tmp");
  Write(path_ + ".lock", "");
  auto taken = Take(path_);
  ASSERT_TRUE(taken->path.ok()) << taken->error();
  EXPECT_EQ(Connects(path_), 0);
  EXPECT_EQ(Files(), (std::vector<std::string>{"s", "s.lock"}));
}

TEST_F(UnixPathTest, WhatIsNoSocketIsNeverDeleted) {
  for (const char* name : {"s", "s.tmp"}) {
    Write(directory_ + "/" + name, "precious");
    EXPECT_THAT(Take(path_)->error(), AllOf(HasSubstr(directory_ + "/" + name + " is there and is no socket"),
                                            HasSubstr("remove it or choose another path")));
    EXPECT_EQ(Read(directory_ + "/" + name), "precious");
    fs::remove(directory_ + "/" + name);
    fs::create_directory(directory_ + "/" + name);
    EXPECT_THAT(Take(path_)->error(), HasSubstr("is no socket"));
    EXPECT_TRUE(fs::is_directory(directory_ + "/" + name));
    fs::remove(directory_ + "/" + name);
  }
  // A link is not followed, not even to a socket of the dead.
  LeaveStale(directory_ + "/other");
  fs::create_symlink(directory_ + "/other", path_);
  EXPECT_THAT(Take(path_)->error(), HasSubstr("is no socket"));
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_EQ(Files(), (std::vector<std::string>{"other", "s"}));
}

TEST_F(UnixPathTest, LockThatIsNoFileIsAnError) {
  fs::create_directory(path_ + ".lock");
  EXPECT_THAT(Take(path_)->error(), HasSubstr(path_ + ".lock"));
  fs::remove(path_ + ".lock");
  Write(directory_ + "/precious", "precious");
  fs::create_symlink(directory_ + "/precious", path_ + ".lock");
  EXPECT_THAT(Take(path_)->error(), HasSubstr(path_ + ".lock"));
  EXPECT_EQ(Read(directory_ + "/precious"), "precious");
}

TEST_F(UnixPathTest, WithdrawingLeavesNothingAndKeepsWhoHasConnected) {
  auto first = Take(path_);
  ASSERT_TRUE(first->path.ok()) << first->error();
  int peer;
  ASSERT_EQ(Connected(path_, &peer), 0);
  first->path->Withdraw();
  EXPECT_TRUE(Files().empty());
  EXPECT_EQ(Connects(path_), ENOENT);
  // The next server has it at once, while the first still has its queue.
  auto second = Take(path_);
  ASSERT_TRUE(second->path.ok()) << second->error();
  const int served = core::RealKernel()->Accept(first->listener);
  EXPECT_GE(served, 0);
  EXPECT_EQ(core::RealKernel()->Accept(second->listener), -EAGAIN);
  first->path->Withdraw();  // again, and it touches nothing of the second's
  first->path = UnixPath();
  EXPECT_EQ(Connects(path_), 0);
  close(served);
  close(peer);
}

TEST_F(UnixPathTest, SomebodyElsesFileIsNotUnlinked) {
  auto taken = Take(path_);
  ASSERT_TRUE(taken->path.ok()) << taken->error();
  unlink(path_.c_str());
  Write(path_, "precious");
  taken->path = UnixPath();
  EXPECT_EQ(Read(path_), "precious");
  EXPECT_EQ(Files(), (std::vector<std::string>{"s"}));
}

TEST_F(UnixPathTest, SomebodyElsesSocketIsNotUnlinked) {
  auto taken = Take(path_);
  ASSERT_TRUE(taken->path.ok()) << taken->error();
  close(std::exchange(taken->listener, -1));  // so that only the hold keeps its inode from being given again
  unlink(path_.c_str());
  LeaveStale(path_);
  taken->path = UnixPath();
  EXPECT_EQ(Files(), (std::vector<std::string>{"s"}));
}

TEST_F(UnixPathTest, DirectoryThatIsNotThereOrNotOursIsNamed) {
  EXPECT_THAT(Take(directory_ + "/no/s")->error(), AllOf(HasSubstr("/no/s"), HasSubstr("its directory is not there")));
  if (geteuid() == 0) return;  // root may write everywhere
  fs::permissions(directory_, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_THAT(Take(path_)->error(), HasSubstr("no permission to listen on"));
  fs::permissions(directory_, fs::perms::owner_all);
}

// A server that the kernel ends in any state leaves a path that the next one gets.
TEST_F(UnixPathTest, KilledHolderIsSucceeded) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    int listener;
    auto hold = UnixPath::Take(core::RealKernel(), path_, {}, &listener);
    const char ok = hold.ok() ? 1 : 0;
    if (write(ready[1], &ok, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char ok = 0;
  ASSERT_EQ(read(ready[0], &ok, 1), 1);
  EXPECT_EQ(ok, 1);
  EXPECT_THAT(Take(path_)->error(), HasSubstr("in use"));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  auto taken = Take(path_);
  EXPECT_TRUE(taken->path.ok()) << taken->error();
  EXPECT_EQ(Connects(path_), 0);
  close(ready[0]);
  close(ready[1]);
}

// Starters at once, each starting again until it has won so often: never two winners at a time.
TEST_F(UnixPathTest, SimultaneousStartersHaveOneWinner) {
  constexpr int kStarters = 6, kWins = 40;
  std::vector<pid_t> children;
  for (int i = 0; i < kStarters; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      for (int wins = 0; wins < kWins;) {
        int listener;
        auto hold = UnixPath::Take(core::RealKernel(), path_, {}, &listener);
        if (!hold.ok()) {
          if (hold.status().code() != absl::StatusCode::kAlreadyExists) _exit(1);
          continue;
        }
        ++wins;
        // Whoever connects gets this one, and nobody else can take the path.
        int peer;
        if (Connected(path_, &peer) != 0) _exit(2);
        const int served = core::RealKernel()->Accept(listener);
        if (served < 0) _exit(3);
        const int proof = open((path_ + ".proof").c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (proof < 0) _exit(4);
        unlink((path_ + ".proof").c_str());
        close(proof);
        close(served);
        close(peer);
        hold = UnixPath();
        close(listener);
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  EXPECT_TRUE(Files().empty());
}

// As the claim of all shards.

TEST_F(UnixPathTest, EveryShardHasADescriptorOfTheOneSocket) {
  auto claim = Claim::Take(core::RealKernel(), *Endpoint::Parse("unix:" + path_), {.shards = 3, .backlog = 10, .somaxconn = 25});
  ASSERT_TRUE(claim.ok()) << claim.status();
  EXPECT_TRUE(claim->shared());
  EXPECT_EQ(claim->endpoint().path(), path_);
  EXPECT_EQ(claim->backlog(), 25);
  const int fds[] = {claim->Release(0), claim->Release(1), claim->Release(2)};
  std::vector<int> peers;
  for (int i = 0; i < 6; ++i) {
    int fd;
    ASSERT_EQ(Connected(path_, &fd), 0);
    peers.push_back(fd);
  }
  for (int i = 0; i < 6; ++i) {
    const int served = core::RealKernel()->Accept(fds[i % 3]);
    EXPECT_GE(served, 0);
    peers.push_back(served);
  }
  EXPECT_EQ(core::RealKernel()->Accept(fds[0]), -EAGAIN);
  // One that closes does not close it for the others.
  close(fds[0]);
  EXPECT_EQ(Connects(path_), 0);
  claim->Withdraw();
  EXPECT_EQ(Connects(path_), ENOENT);
  const int last = core::RealKernel()->Accept(fds[2]);
  EXPECT_GE(last, 0);
  for (int fd : {fds[1], fds[2], last}) close(fd);
  for (int fd : peers) close(fd);
}

TEST_F(UnixPathTest, ClaimThatFailsOrEndsLeavesNothing) {
  class NoDuplicates final : public core::ForwardingKernel {
   public:
    int Duplicate(int) override { return -EMFILE; }
  } kernel;
  const Endpoint endpoint = *Endpoint::Parse("unix:" + path_);
  const auto failed = Claim::Take(&kernel, endpoint, {.shards = 2});
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(std::string(failed.status().message()), HasSubstr("ulimit -n"));
  EXPECT_TRUE(Files().empty());
  {
    auto claim = Claim::Take(core::RealKernel(), endpoint, {.shards = 2});
    ASSERT_TRUE(claim.ok()) << claim.status();
    Claim moved = *std::move(claim);
    EXPECT_EQ(Connects(path_), 0);
  }
  EXPECT_TRUE(Files().empty());
}

// What the kernel may refuse.

class Refusing final : public core::ForwardingKernel {
 public:
  int bind_error = 0, listen_error = 0, connect_error = 0;
  int Bind(int fd, const sockaddr* address, socklen_t size) override {
    return bind_error != 0 ? -bind_error : ForwardingKernel::Bind(fd, address, size);
  }
  int Listen(int fd, int backlog) override {
    return listen_error != 0 ? -listen_error : ForwardingKernel::Listen(fd, backlog);
  }
  int Connect(int fd, const sockaddr* address, socklen_t size) override {
    return connect_error != 0 ? -connect_error : ForwardingKernel::Connect(fd, address, size);
  }
};

TEST_F(UnixPathTest, RefusalsAreExplainedAndLeaveNothing) {
  for (const int which : {0, 1}) {
    Refusing kernel;
    (which == 0 ? kernel.bind_error : kernel.listen_error) = EACCES;
    int listener = -1;
    const auto hold = UnixPath::Take(&kernel, path_, {}, &listener);
    ASSERT_FALSE(hold.ok());
    EXPECT_THAT(std::string(hold.status().message()), AllOf(HasSubstr("no permission to listen on unix:" + path_),
                                                            HasSubstr("directory must be writable")));
    EXPECT_EQ(listener, -1);
    EXPECT_TRUE(Files().empty());
  }
  // A socket that we may not even knock at is somebody's.
  LeaveStale(path_);
  Refusing kernel;
  kernel.connect_error = EACCES;
  int listener = -1;
  EXPECT_FALSE(UnixPath::Take(&kernel, path_, {}, &listener).ok());
  EXPECT_EQ(Files(), (std::vector<std::string>{"s"}));
}

}  // namespace
}  // namespace mooring::net
