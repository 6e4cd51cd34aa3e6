// SPDX-License-Identifier: Apache-2.0
#include "core/mailbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace mooring::core {
namespace {

using Pushed = Mailbox::Pushed;

#if defined(__SANITIZE_THREAD__)  // gcc
constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)  // clang
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif
#else
constexpr bool kThreadSanitizer = false;
#endif

bool PopAndRun(Mailbox* box) {
  Mail mail;
  if (!box->Pop(&mail)) return false;
  mail();
  return true;
}

TEST(Mailbox, KeepsTheOrderThroughManyRounds) {
  Mailbox box(4);
  std::vector<int> got;
  for (int i = 0; i < 100; ++i) {  // at every offset of the ring
    Mail first = [&got, i] { got.push_back(2 * i); };
    Mail second = [&got, i] { got.push_back(2 * i + 1); };
    ASSERT_EQ(box.Push(first), Pushed::kDelivered);
    ASSERT_EQ(box.Push(second), Pushed::kDelivered);
    ASSERT_FALSE(box.Empty());
    ASSERT_TRUE(PopAndRun(&box));
    ASSERT_TRUE(PopAndRun(&box));
    ASSERT_TRUE(box.Empty());
    ASSERT_FALSE(PopAndRun(&box));
  }
  for (int i = 0; i < 200; ++i) ASSERT_EQ(got[i], i);
}

TEST(Mailbox, FullBoxTakesNothingAndLeavesTheMailWhole) {
  Mailbox box(2);
  EXPECT_EQ(box.capacity(), 2u);
  int ran = 0;
  for (int i = 0; i < 2; ++i) {
    Mail mail = [&ran] { ++ran; };
    ASSERT_EQ(box.Push(mail), Pushed::kDelivered);
    EXPECT_FALSE(mail);
  }
  auto owned = std::make_unique<int>(41);
  Mail late = [&ran, owned = std::move(owned)] { ran += *owned; };
  ASSERT_EQ(box.Push(late), Pushed::kFull);
  ASSERT_EQ(box.Push(late), Pushed::kFull);
  ASSERT_TRUE(static_cast<bool>(late));
  ASSERT_TRUE(PopAndRun(&box));
  ASSERT_EQ(box.Push(late), Pushed::kDelivered);
  while (PopAndRun(&box)) {
  }
  EXPECT_EQ(ran, 43);
}

TEST(Mailbox, FullBoxOfASleeperDoesNotSpendTheWake) {
  Mailbox box(2);
  Mail mail = [] {};
  ASSERT_TRUE(box.PrepareSleep());
  ASSERT_EQ(box.Push(mail), Pushed::kMustWake);
  mail = [] {};
  ASSERT_EQ(box.Push(mail), Pushed::kDelivered);  // the first was told
  mail = [] {};
  ASSERT_EQ(box.Push(mail), Pushed::kFull);
}

TEST(Mailbox, WhatMailHoldsGoesWhenItWasTakenNotWhenTheCellIsUsedAgain) {
  Mailbox box(4);
  auto held = std::make_shared<int>(0);
  Mail mail = [held] {};
  ASSERT_EQ(box.Push(mail), Pushed::kDelivered);
  EXPECT_EQ(held.use_count(), 2);
  {
    Mail taken;
    ASSERT_TRUE(box.Pop(&taken));
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Mailbox, UndeliveredMailIsDestroyedWithTheBox) {
  auto held = std::make_shared<int>(0);
  {
    Mailbox box(4);
    Mail mail = [held] {};
    ASSERT_EQ(box.Push(mail), Pushed::kDelivered);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Mailbox, WhoeverHasMailDoesNotFallAsleep) {
  Mailbox box(4);
  Mail mail = [] {};
  ASSERT_EQ(box.Push(mail), Pushed::kDelivered);
  ASSERT_FALSE(box.PrepareSleep());
  mail = [] {};
  EXPECT_EQ(box.Push(mail), Pushed::kDelivered);  // it counts as awake
  while (PopAndRun(&box)) {
  }
  ASSERT_TRUE(box.PrepareSleep());
  box.Awake();
  mail = [] {};
  EXPECT_EQ(box.Push(mail), Pushed::kDelivered);
}

TEST(Mailbox, ManySendersLoseNothingAndKeepEachOnesOrder) {
  constexpr int kSenders = 4;
  constexpr int kEach = 20'000;
  Mailbox box(64);
  std::vector<int> next(kSenders, 0);  // plain ints: under TSan this also checks that mail carries happens-before
  int wrong = 0;
  std::atomic<bool> go{false};
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&, sender] {
      go.wait(false);
      for (int i = 0; i < kEach; ++i) {
        auto number = std::make_unique<int>(i);  // written by the sender, read by the receiver
        Mail mail = [&, sender, number = std::move(number)] { wrong += next[sender]++ != *number; };
        while (box.Push(mail) == Pushed::kFull) std::this_thread::yield();
      }
    });
  }
  go = true;
  go.notify_all();
  for (int got = 0; got < kSenders * kEach;) {
    if (PopAndRun(&box)) {
      ++got;
    } else {
      std::this_thread::yield();
    }
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(wrong, 0);
  for (int count : next) EXPECT_EQ(count, kEach);
  EXPECT_TRUE(box.Empty());
}

// Each round: the receiver goes to sleep while every sender pushes one piece. Only a sender that was told wakes it; if
// none is told while it sleeps, it sleeps for good and the test's time limit says so.
TEST(Mailbox, NoWakeIsLost) {
  constexpr int kSenders = 3;
  constexpr int kRounds = 10'000;
  Mailbox box(4);
  std::atomic<int> round{0};
  std::atomic<int> wakes{0};
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        for (int seen = round.load(); seen <= i; seen = round.load()) round.wait(seen);
        Mail mail = [] {};
        const Pushed pushed = box.Push(mail);
        ASSERT_NE(pushed, Pushed::kFull);
        if (pushed != Pushed::kMustWake) continue;
        ++wakes;
        wakes.notify_one();
      }
    });
  }
  int prepared = 0;
  for (int i = 1; i <= kRounds; ++i) {
    round = i;
    round.notify_all();
    for (int got = 0; got < kSenders;) {
      if (PopAndRun(&box)) {
        ++got;
        continue;
      }
      const int before = wakes.load();
      ++prepared;
      if (!box.PrepareSleep()) continue;
      // It may be for nothing: a sender can take the flag just before the receiver finds the mail by itself.
      wakes.wait(before);
      box.Awake();
    }
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_LE(wakes.load(), prepared);  // one sender at most for each time the flag was raised
}

// The two sides of the hand-shake at the same moment, at many offsets. Without the fences a few rounds are
// lost, where the threads have a core each: a single run may miss that, but never fails with them.
TEST(Mailbox, EitherTheSleeperSeesTheMailOrTheSenderSeesTheSleep) {
  constexpr int kRounds = kThreadSanitizer ? 10'000 : 300'000;
  Mailbox box(2);
  std::atomic<int> round{0};
  std::atomic<int> pushed{0};
  Pushed result = Pushed::kFull;
  auto wait_for = [](const std::atomic<int>& value, int least) {
    for (int spins = 1; value.load(std::memory_order_acquire) < least; ++spins) {
      if (spins % 2'000 == 0) std::this_thread::yield();  // the other side may need this core
    }
  };
  std::thread sender([&] {
    for (int i = 1; i <= kRounds; ++i) {
      Mail mail = [] {};
      wait_for(round, i);
      result = box.Push(mail);
      pushed.store(i, std::memory_order_release);
    }
  });
  int lost = 0;
  int slept = 0;
  std::atomic<int> pause{0};
  for (int i = 1; i <= kRounds; ++i) {
    round.store(i, std::memory_order_release);
    for (int offset = i % 128; offset > 0; --offset) pause.store(offset, std::memory_order_relaxed);
    const bool asleep = box.PrepareSleep();
    wait_for(pushed, i);
    slept += asleep;
    lost += asleep && result != Pushed::kMustWake;
    box.Awake();
    ASSERT_TRUE(PopAndRun(&box));
  }
  sender.join();
  EXPECT_EQ(lost, 0);
  EXPECT_GT(slept, 0);
}

TEST(Mailbox, OneSenderOfManyIsToldToWake) {
  constexpr int kSenders = 4;
  constexpr int kRounds = 2'000;
  Mailbox box(4);
  std::atomic<int> round{0};
  std::atomic<int> pushed{0};
  std::atomic<int> told{0};
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        for (int seen = round.load(); seen <= i; seen = round.load()) round.wait(seen);
        Mail mail = [] {};
        if (box.Push(mail) == Pushed::kMustWake) ++told;
        ++pushed;
        pushed.notify_one();
      }
    });
  }
  for (int i = 1; i <= kRounds; ++i) {
    ASSERT_TRUE(box.PrepareSleep());
    round = i;
    round.notify_all();
    for (int seen = pushed.load(); seen < i * kSenders; seen = pushed.load()) pushed.wait(seen);
    ASSERT_EQ(told.load(), i);
    box.Awake();
    for (int got = 0; got < kSenders; ++got) ASSERT_TRUE(PopAndRun(&box));
  }
  for (std::thread& sender : senders) sender.join();
}

}  // namespace
}  // namespace mooring::core
