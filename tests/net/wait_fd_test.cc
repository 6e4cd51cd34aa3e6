// SPDX-License-Identifier: Apache-2.0
// Waiting for descriptors that are not ours (core/wait_fd.h), on each transport and the real kernel.
#include "core/wait_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/core/test_root.h"
#include "tests/net/transport_host.h"

namespace mooring::net {
namespace {

using core::FdEnd;
using core::FdResult;
using core::kNanosPerMs;

struct Wait {
  bool over = false;
  FdResult result;
  core::TestRoot root;
};

core::Task<> Waits(int fd, uint32_t events, core::Nanos limit, Wait* wait) {
  wait->result = co_await core::WaitFd(fd, events, limit);
  wait->over = true;
}

// [0] is read from, [1] written to. Closed by hand, or with the test.
struct Pipe {
  Pipe() { EXPECT_EQ(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0); }
  ~Pipe() { Close(); }
  void Close() {
    for (int& end : fd) CloseEnd(end);
  }
  static void CloseEnd(int& end) {
    if (end >= 0) close(std::exchange(end, -1));
  }
  void Write() { EXPECT_EQ(write(fd[1], "x", 1), 1); }
  int fd[2];
};

class WaitFdTest : public TransportSuite {
 protected:
  void SetUp() override {
    TransportSuite::SetUp();
    if (IsSkipped()) return;
    // Without the idle tier, whose timer is none of a wait's.
    const TransportOptions options = {.connections_max = 256, .features_off = "idle_poll"};
    host_ = std::make_unique<TransportHost>(GetParam(), options);
  }
  void TearDown() override {
    if (host_ == nullptr) return;
    EXPECT_EQ(host_->shard_.frames().live(), 0u);
    EXPECT_EQ(host_->shard_.wheel().armed(), 0u);
  }
  void Start(Wait* wait, int fd, uint32_t events = POLLIN, core::Nanos limit = core::EventPort::kForever) {
    core::Shard::Enter enter(&host_->shard_);
    ASSERT_TRUE(Waits(fd, events, limit, wait).Start(&wait->root));
  }
  void Cancel(Wait* wait) {
    core::Shard::Enter enter(&host_->shard_);
    wait->root.scope.Cancel();
  }
  bool UntilOver(const Wait& wait) {
    return host_->Until([&] { return wait.over; });
  }
  FdResult Now(int fd, uint32_t events = POLLIN, core::Nanos limit = core::EventPort::kForever) {
    Wait wait;
    Start(&wait, fd, events, limit);
    EXPECT_TRUE(UntilOver(wait));
    return wait.result;
  }

  std::unique_ptr<TransportHost> host_;
};

INSTANTIATE_TEST_SUITE_P(All, WaitFdTest, ::testing::ValuesIn(kTestedKinds), KindName);

TEST_P(WaitFdTest, WhatIsReadyEndsItAtOnceAndWhatIsNotWhenItBecomesSo) {
  Pipe pipe;
  EXPECT_TRUE(Now(pipe.fd[1], POLLOUT).ok());
  Wait wait;
  Start(&wait, pipe.fd[0]);
  host_->Turns(5);
  EXPECT_FALSE(wait.over);
  pipe.Write();
  ASSERT_TRUE(UntilOver(wait));
  EXPECT_TRUE(wait.result.ok());
  EXPECT_EQ(wait.result.events, static_cast<uint32_t>(POLLIN));
  EXPECT_TRUE(Now(pipe.fd[0]).ok()) << "level-like: still there, so ready again";
}

TEST_P(WaitFdTest, AFullPipeIsWritableWhenThereIsRoom) {
  Pipe pipe;
  const std::string much(65536, 'x');
  while (write(pipe.fd[1], much.data(), much.size()) > 0) {
  }
  Wait wait;
  Start(&wait, pipe.fd[1], POLLOUT);
  host_->Turns(5);
  EXPECT_FALSE(wait.over);
  std::string in(much.size(), '\0');
  while (read(pipe.fd[0], in.data(), in.size()) > 0) {
  }
  ASSERT_TRUE(UntilOver(wait));
  EXPECT_EQ(wait.result.events, static_cast<uint32_t>(POLLOUT));
}

TEST_P(WaitFdTest, AHangUpIsReadyAndSoIsAnError) {
  Pipe pipe;
  Wait reader;
  Start(&reader, pipe.fd[0]);
  host_->Turns(2);
  Pipe::CloseEnd(pipe.fd[1]);
  ASSERT_TRUE(UntilOver(reader));
  EXPECT_TRUE(reader.result.ok());
  EXPECT_TRUE(reader.result.events & POLLHUP);

  Pipe other;
  const std::string much(65536, 'x');
  while (write(other.fd[1], much.data(), much.size()) > 0) {
  }
  Wait writer;
  Start(&writer, other.fd[1], POLLOUT);
  host_->Turns(2);
  EXPECT_FALSE(writer.over);
  Pipe::CloseEnd(other.fd[0]);
  ASSERT_TRUE(UntilOver(writer));
  EXPECT_TRUE(writer.result.ok());
  EXPECT_TRUE(writer.result.events & POLLERR);
}

TEST_P(WaitFdTest, BothDirectionsInOneWait) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  EXPECT_EQ(Now(pair[0], POLLIN | POLLOUT).events, static_cast<uint32_t>(POLLOUT));
  ASSERT_EQ(send(pair[1], "x", 1, 0), 1);
  EXPECT_EQ(Now(pair[0], POLLIN | POLLOUT).events, static_cast<uint32_t>(POLLIN | POLLOUT));
  close(pair[0]);
  close(pair[1]);
}

TEST_P(WaitFdTest, ASecondWaitForADescriptorIsAnErrorAndTheFirstGoesOn) {
  Pipe pipe;
  Wait first;
  Start(&first, pipe.fd[0]);
  const FdResult second = Now(pipe.fd[0]);
  EXPECT_EQ(second.end, FdEnd::kError);
  EXPECT_EQ(second.error, -EEXIST);
  EXPECT_FALSE(first.over);
  pipe.Write();
  ASSERT_TRUE(UntilOver(first));
  EXPECT_TRUE(first.result.ok());
}

TEST_P(WaitFdTest, TheLimitEndsItAndNoTimeAtAllIsALook) {
  Pipe pipe;
  EXPECT_EQ(Now(pipe.fd[0], POLLIN, 3 * kNanosPerMs).end, FdEnd::kDeadline);
  EXPECT_EQ(Now(pipe.fd[0], POLLIN, 0).end, FdEnd::kDeadline);
  pipe.Write();
  EXPECT_TRUE(Now(pipe.fd[0], POLLIN, 0).ok());
}

TEST_P(WaitFdTest, WhatIsNoDescriptorIsAnErrorAndAFileIsAlwaysReady) {
  EXPECT_EQ(Now(-1).error, -EBADF);
  Pipe pipe;
  const int number = pipe.fd[0];
  pipe.Close();
  const FdResult closed = Now(number);
  EXPECT_EQ(closed.end, FdEnd::kError);
  EXPECT_EQ(closed.error, -EBADF);

  char name[] = "/tmp/wait_fd_XXXXXX";
  const int file = mkstemp(name);
  unlink(name);
  EXPECT_TRUE(Now(file).ok());
  EXPECT_TRUE(Now(file, POLLOUT).ok());
  close(file);
}

TEST_P(WaitFdTest, ManyAtOnceEachHearsOfItsOwn) {
  std::vector<Pipe> pipes(100);
  std::vector<Wait> waits(pipes.size());
  for (size_t i = 0; i < pipes.size(); ++i) Start(&waits[i], pipes[i].fd[0]);
  host_->Turns(3);
  for (size_t i = 0; i < pipes.size(); i += 3) pipes[i].Write();
  for (size_t i = 0; i < pipes.size(); i += 3) ASSERT_TRUE(UntilOver(waits[i]));
  for (size_t i = 0; i < pipes.size(); ++i) EXPECT_EQ(waits[i].over, i % 3 == 0);
  for (size_t i = 0; i < pipes.size(); ++i) {
    if (!waits[i].over) Cancel(&waits[i]);
  }
  host_->Turns(3);
  for (size_t i = 0; i < pipes.size(); ++i) {
    EXPECT_EQ(waits[i].result.end, i % 3 == 0 ? FdEnd::kReady : FdEnd::kCancelled);
  }
}

// A descriptor of a number that was waited for a moment ago hears of nothing that was the old one's.
TEST_P(WaitFdTest, ANewDescriptorOfTheSameNumberHearsNothingOfTheOldOne) {
  // How the old wait ends, how many turns the transport had for it, and whether it became ready just before.
  enum class End { kCancel, kReady };
  for (const End end : {End::kCancel, End::kReady}) {
    for (const int turns_before : {0, 1, 2}) {
      for (const int turns_after : {0, 1, 2}) {
        for (const bool data : {false, true}) {
          Pipe old;
          const int number = old.fd[0];
          Wait before;
          Start(&before, number);
          host_->Turns(turns_before);
          if (data || end == End::kReady) old.Write();
          if (end == End::kReady) {
            ASSERT_TRUE(UntilOver(before));
          } else {
            Cancel(&before);
            host_->Turns(turns_after);
          }
          old.Close();
          Pipe fresh;
          ASSERT_EQ(fresh.fd[0], number) << "the kernel gives the lowest";
          Wait after;
          Start(&after, number);
          host_->Turns(4);
          EXPECT_FALSE(after.over) << "ended by " << static_cast<int>(end) << " after " << turns_before << ", "
                                   << turns_after << " turns, data " << data;
          EXPECT_TRUE(before.over);
          fresh.Write();
          ASSERT_TRUE(UntilOver(after));
          EXPECT_TRUE(after.result.ok());
        }
      }
    }
  }
}

// What its owner should not do: close it under the wait.

TEST_P(WaitFdTest, ClosedUnderTheWaitItEndsWithItsLimitAndItsNumberIsFreeAgainThen) {
  auto old = std::make_unique<Pipe>();
  const int number = old->fd[0];
  Wait wait;
  Start(&wait, number, POLLIN, 5 * kNanosPerMs);
  host_->Turns(2);
  Pipe::CloseEnd(old->fd[0]);
  Pipe fresh;
  ASSERT_EQ(fresh.fd[0], number);
  EXPECT_EQ(Now(number).error, -EEXIST);
  ASSERT_TRUE(UntilOver(wait));
  EXPECT_EQ(wait.result.end, FdEnd::kDeadline);
  Wait again;
  Start(&again, number);
  host_->Turns(3);
  EXPECT_FALSE(again.over);
  fresh.Write();
  ASSERT_TRUE(UntilOver(again));
  EXPECT_TRUE(again.result.ok());
}

TEST_P(WaitFdTest, ClosedUnderTheWaitWhileTheFileLivesOnItDoesNotTurnForEver) {
  Pipe pipe;
  const int copy = dup(pipe.fd[0]);
  Wait wait;
  Start(&wait, copy);
  host_->Turns(2);
  close(copy);
  Cancel(&wait);
  host_->Turns(3);
  EXPECT_TRUE(wait.over);
  pipe.Write();  // epoll still has its entry: the file is open, and the descriptor that could take it out is not
  bool slept = false;
  for (int turn = 0; turn < 100 && !slept; ++turn) {
    const core::Nanos before = host_->clock_.Now();
    host_->shard_.RunTurn(20 * kNanosPerMs);
    slept = host_->clock_.Now() - before >= 20 * kNanosPerMs;
  }
  EXPECT_TRUE(slept) << "something reports for ever";
}

TEST_P(WaitFdTest, ClosedUnderTheWaitItsNumberMayBecomeAConnections) {
  const Address at = host_->Listen(0);
  Pipe pipe;
  Wait wait;
  Start(&wait, pipe.fd[1]);
  host_->Turns(2);
  pipe.Close();  // two numbers: the lower is the peer's, the other that of its connection where that takes one
  Peer peer = Connected(*host_, at);
  Cancel(&wait);
  host_->Turns(3);
  EXPECT_TRUE(wait.over);
  host_->transport_->SetReading(host_->accepted[0], true);
  ASSERT_EQ(peer.Write("hello"), 5u);
  EXPECT_TRUE(host_->UntilPeerHas(peer, 5));
  EXPECT_EQ(peer.in, "hello");
}

// Two tasks talk over a socketpair, as a library would: try, and wait when there is nothing.
core::Task<> Talks(int fd, int rounds, bool begins, int* done) {
  char byte = 'x';
  for (int i = 0; i < rounds; ++i) {
    if (begins || i > 0) {
      while (send(fd, &byte, 1, MSG_NOSIGNAL) < 0) {
        const FdResult room = co_await core::WaitWritable(fd);
        EXPECT_TRUE(room.ok());
      }
    }
    while (recv(fd, &byte, 1, 0) < 0) {
      const FdResult more = co_await core::WaitReadable(fd, 10 * core::kNanosPerSecond);
      EXPECT_TRUE(more.ok());
    }
  }
  if (!begins) send(fd, &byte, 1, MSG_NOSIGNAL);
  ++*done;
}

TEST_P(WaitFdTest, APingPongOverASocketpair) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  int done = 0;
  core::TestRoot roots[2];
  {
    core::Shard::Enter enter(&host_->shard_);
    ASSERT_TRUE(Talks(pair[0], 500, true, &done).Start(&roots[0]));
    ASSERT_TRUE(Talks(pair[1], 500, false, &done).Start(&roots[1]));
  }
  EXPECT_TRUE(host_->Until([&] { return done == 2; }));
  close(pair[0]);
  close(pair[1]);
}

}  // namespace
}  // namespace mooring::net
