// SPDX-License-Identifier: Apache-2.0
// Waits for descriptors of others (core/wait_fd.h) over the simulated kernel: eventfds that are signalled, emptied,
// closed and opened again under the same numbers, and waits that end in every way, as the seed says.
#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <tuple>
#include <vector>

#include "core/wait_fd.h"
#include "net/providers.h"
#include "tests/core/test_root.h"
#include "tests/net/dice.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

using core::FdEnd;
using core::kNanosPerMs;

struct Wait {
  bool over = false;
  core::FdResult result;
  core::TestRoot root;
};

core::Task<> Waits(int fd, core::Nanos limit, Wait* wait) {
  wait->result = co_await core::WaitReadable(fd, limit);
  wait->over = true;
}

// An eventfd, and what is known of the wait for it.
struct Slot {
  int fd = -1;
  bool signalled = false;
  std::unique_ptr<Wait> wait;  // null: none is under way
  bool may_be_ready = false;   // it was signalled at some time since the wait began
  bool cancelled = false;
  bool limited = false;
};

class SimWaitFd : public testing::TestWithParam<std::tuple<TransportKind, uint64_t>> {};
INSTANTIATE_TEST_SUITE_P(Seeds, SimWaitFd,
                         testing::Combine(testing::Values(TransportKind::kUring, TransportKind::kUringBase,
                                                          TransportKind::kEpoll),
                                          testing::Range<uint64_t>(1, 33)));

TEST_P(SimWaitFd, EndsForAReasonAndNeverForOneOfAnOlderDescriptor) {
  const uint64_t seed = Seed(std::get<1>(GetParam()));
  SimServer::Options options;
  options.transport = std::get<0>(GetParam());
  options.sq_entries = seed % 4 == 0 ? 2 : 64;  // cancels and polls meet a full queue
  SimServer server(seed, options);
  sim::SimKernel& kernel = server.world.kernel();
  sim::SeededDecisions decisions(seed);
  Dice dice(&decisions);
  std::vector<Slot> slots(4);
  for (Slot& slot : slots) slot.fd = kernel.EventFd();
  size_t ends[4] = {};
  const auto look = [&] {
    for (Slot& slot : slots) {
      if (slot.wait == nullptr || !slot.wait->over) continue;
      const FdEnd end = slot.wait->result.end;
      ++ends[static_cast<size_t>(end)];
      EXPECT_TRUE(end != FdEnd::kReady || slot.may_be_ready) << "ready without a signal";
      EXPECT_TRUE(end != FdEnd::kCancelled || slot.cancelled);
      EXPECT_TRUE(end != FdEnd::kDeadline || slot.limited);
      EXPECT_NE(end, FdEnd::kError) << slot.wait->result.error;
      slot.wait.reset();
    }
  };
  const auto start = [&](Slot& slot) {
    slot.wait = std::make_unique<Wait>();
    slot.may_be_ready = slot.signalled;
    slot.cancelled = false;
    slot.limited = dice.Chance(50);
    const core::Nanos limit =
        slot.limited ? static_cast<core::Nanos>(dice.Pick(20)) * kNanosPerMs : core::EventPort::kForever;
    server.OnShard(0, [&](Engine&) {
      ASSERT_TRUE(Waits(slot.fd, limit, slot.wait.get()).Start(&slot.wait->root));
    });
  };
  const auto signal = [&](Slot& slot) {
    kernel.Signal(slot.fd);
    slot.signalled = slot.may_be_ready = true;
  };
  const auto cancel = [&](Slot& slot) {
    slot.cancelled = true;
    server.OnShard(0, [&](Engine&) { slot.wait->root.scope.Cancel(); });
  };
  const auto reopen = [&](Slot& slot) {
    const int number = slot.fd;
    kernel.Close(slot.fd);
    slot.fd = kernel.EventFd();
    EXPECT_EQ(slot.fd, number);
    slot.signalled = false;
  };
  std::vector<std::unique_ptr<Wait>> left;  // cancelled, and their slots wait for something else already
  for (int step = 0; step < 2'000; ++step) {
    Slot& slot = slots[dice.Pick(slots.size())];
    switch (dice.Pick(8)) {
      case 0:
        if (slot.wait == nullptr) start(slot);
        break;
      case 1: signal(slot); break;
      case 2:
        kernel.TakeSignals(slot.fd);
        slot.signalled = false;
        break;
      case 3:
        if (slot.wait != nullptr && !slot.cancelled) cancel(slot);
        break;
      case 4:
        if (slot.wait != nullptr) {  // all in one moment: ready, cancelled, closed, and waited for again
          if (dice.Chance(50)) signal(slot);
          if (!slot.cancelled) cancel(slot);
          left.push_back(std::move(slot.wait));
          reopen(slot);
          start(slot);
        } else {
          reopen(slot);
        }
        break;
      case 5:
        server.world.RunUntilIdle();
        look();
        for (const Slot& each : slots) EXPECT_FALSE(each.wait != nullptr && each.signalled) << "ready, and not told";
        for (const auto& wait : left) EXPECT_TRUE(wait->over);
        left.clear();
        break;
      default:
        if (!server.world.Step()) server.world.MoveClock(server.world.clock().Now() + 7 * kNanosPerMs);
        break;
    }
    look();
  }
  EXPECT_GT(ends[static_cast<size_t>(FdEnd::kReady)], 20u);
  EXPECT_GT(ends[static_cast<size_t>(FdEnd::kCancelled)], 5u);
  EXPECT_GT(ends[static_cast<size_t>(FdEnd::kDeadline)], 5u);
  for (Slot& slot : slots) kernel.Signal(slot.fd);
  for (Slot& slot : slots) slot.may_be_ready = true;
  server.world.RunUntilIdle();
  look();
  for (const auto& wait : left) EXPECT_TRUE(wait->over);
  for (Slot& slot : slots) {
    EXPECT_EQ(slot.wait, nullptr);
    kernel.Close(slot.fd);
  }
}

}  // namespace
}  // namespace mooring::net
