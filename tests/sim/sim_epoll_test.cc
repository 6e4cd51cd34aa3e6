// SPDX-License-Identifier: Apache-2.0
// What the simulated epoll does that a script on one thread cannot show on the real kernel: sleep, exclusive wake-ups,
// faults, wake-ups told twice.
#include "tests/sim/sim_epoll.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>

#include "tests/sim/sim_kernel.h"

namespace mooring::sim {
namespace {

struct Bed {
  explicit Bed(uint64_t seed = 1, Mood mood = Mood::kCalm) : kernel(seed, &clock, mood) {
    listener = kernel.ListenAsPeer("127.0.0.1:7000");
  }
  int Epoll(int fd, uint32_t events, uint64_t data) {
    const int epoll = kernel.EpollCreate();
    EXPECT_EQ(Add(epoll, fd, events, data), 0);
    return epoll;
  }
  int Add(int epoll, int fd, uint32_t events, uint64_t data) {
    epoll_event event = {};
    event.events = events;
    event.data.u64 = data;
    return kernel.EpollControl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
  int Wait(int epoll, core::Nanos timeout) { return kernel.EpollWait(epoll, events, 8, timeout); }
  bool Asleep(int epoll) { return kernel.FindEpoll(epoll)->asleep(); }
  SimPeer* Connect() {
    SimPeer* peer = kernel.Connect("127.0.0.1:7000");
    kernel.network().DeliverAll();
    return peer;
  }

  core::ManualClock clock{core::kNanosPerSecond};
  SimKernel kernel;
  int listener = -1;
  epoll_event events[8] = {};
};

TEST(SimEpoll, SleepsUntilSomethingHoldsOrItsTime) {
  Bed bed;
  const int event = bed.kernel.EventFd();
  const int epoll = bed.Epoll(event, EPOLLIN | EPOLLET, 1);
  EXPECT_EQ(bed.Wait(epoll, 0), 0);
  EXPECT_FALSE(bed.Asleep(epoll)) << "it was told not to";
  EXPECT_EQ(bed.Wait(epoll, 5000), 0);
  EXPECT_TRUE(bed.Asleep(epoll));
  EXPECT_EQ(bed.kernel.last_wait()->wake_at(), core::kNanosPerSecond + 5000);
  EXPECT_EQ(bed.Wait(epoll, -1), 0);
  EXPECT_EQ(bed.kernel.last_wait()->wake_at(), INT64_MAX);
  bed.kernel.Signal(event);
  EXPECT_FALSE(bed.Asleep(epoll));
  EXPECT_EQ(bed.Wait(epoll, -1), 1);
  EXPECT_FALSE(bed.Asleep(epoll));
}

TEST(SimEpoll, AWakeUpForSomethingThatIsOverDoesNotEndTheSleep) {
  Bed bed;
  SimPeer* peer = bed.Connect();
  const int fd = bed.kernel.Accept(bed.listener);
  const int epoll = bed.Epoll(fd, EPOLLIN | EPOLLET, 1);
  EXPECT_EQ(bed.Wait(epoll, -1), 0);
  bed.kernel.descriptors().Get(fd)->file->Wake(kWakeReadable);  // bytes that another reader has taken by now
  EXPECT_TRUE(bed.Asleep(epoll));
  peer->Send("x");
  bed.kernel.network().DeliverAll();
  EXPECT_FALSE(bed.Asleep(epoll));
}

TEST(SimEpoll, OneExclusiveSleeperIsWoken) {
  Bed bed;
  const int one = bed.Epoll(bed.listener, EPOLLIN | EPOLLEXCLUSIVE, 1);
  const int two = bed.Epoll(bed.kernel.Duplicate(bed.listener), EPOLLIN | EPOLLEXCLUSIVE, 2);
  EXPECT_EQ(bed.Wait(one, -1), 0);
  EXPECT_EQ(bed.Wait(two, -1), 0);
  bed.Connect();
  EXPECT_FALSE(bed.Asleep(one));
  EXPECT_TRUE(bed.Asleep(two)) << "the first in the queue takes it";
  EXPECT_EQ(bed.Wait(two, -1), 0) << "not even listed";
  // The first has not gone back to sleep, so the next one is woken as well.
  bed.Connect();
  EXPECT_FALSE(bed.Asleep(two));
  EXPECT_EQ(bed.Wait(one, -1), 1);
  EXPECT_EQ(bed.Wait(two, -1), 1);
}

TEST(SimEpoll, AllSleepersAreWokenWithoutExclusive) {
  Bed bed;
  const int one = bed.Epoll(bed.listener, EPOLLIN, 1);
  const int two = bed.Epoll(bed.listener, EPOLLIN, 2);
  EXPECT_EQ(bed.Wait(one, -1), 0);
  EXPECT_EQ(bed.Wait(two, -1), 0);
  bed.Connect();
  EXPECT_FALSE(bed.Asleep(one));
  EXPECT_FALSE(bed.Asleep(two));
}

TEST(SimEpoll, SomeSeedsTellAnEdgeTwice) {
  unsigned twice = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Bed bed(seed, Mood::kSeeded);
    SimPeer* peer = bed.Connect();
    const int fd = bed.kernel.Accept(bed.listener);
    const int epoll = bed.Epoll(fd, EPOLLIN | EPOLLET, 1);
    peer->Send("x");
    unsigned told = 0;
    do {
      const int ready = bed.Wait(epoll, 0);
      told += static_cast<unsigned>(ready);
    } while (bed.kernel.network().DeliverOne());
    told += static_cast<unsigned>(bed.Wait(epoll, 0));
    EXPECT_GE(told, 1u);
    EXPECT_LE(told, 2u);
    twice += told == 2 ? 1 : 0;
  }
  EXPECT_GT(twice, 2u);
  EXPECT_LT(twice, 60u);
}

TEST(SimEpoll, ASignalEndsOnlyAWaitThatSleeps) {
  Bed bed;
  const int event = bed.kernel.EventFd();
  const int epoll = bed.Epoll(event, EPOLLIN, 1);
  bed.kernel.choices().SetFaults([](FaultSite site) { return site == FaultSite::kEpollWait ? EINTR : 0; });
  EXPECT_EQ(bed.Wait(epoll, 0), 0);
  EXPECT_EQ(bed.Wait(epoll, -1), -EINTR);
  EXPECT_FALSE(bed.Asleep(epoll));
  bed.kernel.Signal(event);
  EXPECT_EQ(bed.Wait(epoll, -1), 1);
}

TEST(SimEpoll, AnAddThatFailsLeavesNoEntry) {
  Bed bed;
  const int epoll = bed.kernel.EpollCreate();
  bed.kernel.choices().SetFaults([](FaultSite site) { return site == FaultSite::kEpollAdd ? ENOSPC : 0; });
  EXPECT_EQ(bed.Add(epoll, bed.listener, EPOLLIN, 1), -ENOSPC);
  EXPECT_EQ(bed.kernel.FindEpoll(epoll)->entries(), 0u);
  bed.kernel.choices().SetFaults(nullptr);
  EXPECT_EQ(bed.Add(epoll, bed.listener, EPOLLIN, 1), 0);
  bed.kernel.Close(bed.listener);
  EXPECT_EQ(bed.kernel.FindEpoll(epoll)->entries(), 0u);
  bed.kernel.Close(epoll);
}

}  // namespace
}  // namespace mooring::sim
