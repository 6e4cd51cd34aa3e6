// SPDX-License-Identifier: Apache-2.0
// Pools over the simulated kernel, each thing under several seeds, and a model: whatever upstream and borrowers do, an
// answer reaches who asked for it, bounds hold and the books balance.
#include "net/pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/sleep.h"
#include "tests/core/test_root.h"
#include "tests/net/dice.h"
#include "tests/net/sim_server.h"
#include "tests/net/upstream.h"

namespace mooring::net {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;

class SimPool : public testing::TestWithParam<uint64_t> {
 protected:
  uint64_t seed() const { return Seed(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Seeds, SimPool, testing::Range<uint64_t>(1, 13));

PoolOptions Of(uint32_t connections_max) {
  PoolOptions options;
  options.target = std::string(kUpstream);
  options.connections_max = connections_max;
  return options;
}

// Asks once and returns the connection; what came of it.
core::Task<> Ask(Pool* pool, std::vector<std::string>* log, core::Nanos deadline = 10 * kNanosPerSecond) {
  auto up = co_await pool->Borrow(deadline);
  if (!up) {
    log->push_back(up.Explain());
    co_return;
  }
  const bool reused = up.reused();
  up->Write("ping\n");
  auto line = co_await up->ReadLine();
  if (!line) {
    log->push_back("no line");
    co_return;
  }
  std::string what(*line);
  const bool kept = up.Return();
  log->push_back(absl::StrCat(what, reused ? " reused" : " new", kept ? "" : " closed"));
}

core::Task<> Nothing() { co_return; }

// A server with one pool, which goes before it.
struct Bed {
  Bed(uint64_t seed, PoolOptions options)
      : server(seed), upstream(&server), pool(std::make_unique<Pool>(std::move(options))) {}
  ~Bed() {
    server.CutAll();
    server.world.RunFor(1000);
    server.OnShard(0, [&](Engine&) { pool.reset(); });
  }
  void Run(int64_t ms = 0) {
    if (answering) upstream.Answer();
    RunWith(&server, ms, [&] {
      if (answering) upstream.Answer();
    });
  }
  uint64_t Count(PoolCount which) const { return pool->counters().Read(which); }

  SimServer server;
  Upstream upstream;
  std::unique_ptr<Pool> pool;
  bool answering = true;
  std::vector<std::string> log;
};

TEST_P(SimPool, TheNextExchangeHasTheSameConnection) {
  Bed bed(seed(), Of(4));
  for (int i = 0; i < 5; ++i) {
    Running run(&bed.server, [&] { return Ask(bed.pool.get(), &bed.log); });
    bed.Run();
    EXPECT_TRUE(run.done());
  }
  EXPECT_THAT(bed.log,
              testing::ElementsAre("pong new", "pong reused", "pong reused", "pong reused", "pong reused"));
  EXPECT_EQ(bed.upstream.peers.size(), 1u);
  EXPECT_EQ(bed.pool->idle(), 1u);
  EXPECT_EQ(bed.pool->open(), 1u);
  EXPECT_EQ(bed.Count(PoolCount::kOpened), 1u);
  EXPECT_EQ(bed.Count(PoolCount::kReused), 4u);
}

TEST_P(SimPool, WhoIsCancelledInMidAnswerReturnsNothing) {
  Bed bed(seed(), Of(1));
  bed.answering = false;
  Running run(&bed.server, [&] { return Ask(bed.pool.get(), &bed.log); });
  bed.Run();
  bed.upstream.Accept();
  ASSERT_EQ(bed.upstream.peers.size(), 1u);
  bed.upstream.peers[0]->Send("po");
  bed.Run();
  run.Cancel();
  bed.Run();
  EXPECT_EQ(bed.log, std::vector<std::string>{"no line"});
  EXPECT_TRUE(bed.upstream.peers[0]->saw_reset());
  EXPECT_EQ(bed.Count(PoolCount::kClosedUnreturned), 1u);
  EXPECT_EQ(bed.pool->open(), 0u);
  bed.answering = true;
  Running next(&bed.server, [&] { return Ask(bed.pool.get(), &bed.log); });
  bed.Run();
  EXPECT_EQ(bed.log.back(), "pong new");
}

TEST_P(SimPool, WhatIsNotCleanIsNotKept) {
  Bed bed(seed(), Of(1));
  bed.answering = false;
  const auto answer_with = [&](const char* what, bool end) {
    Running run(&bed.server, [&] { return Ask(bed.pool.get(), &bed.log); });
    bed.Run();
    bed.upstream.Accept();
    sim::SimPeer* peer = bed.upstream.peers.back();
    peer->Send(what);
    if (end) peer->HalfClose();
    // All of it has come before the borrower goes on only if it comes in one piece.
    bed.Run();
  };
  answer_with("pong\nand more\n", false);
  EXPECT_EQ(bed.pool->open(), 0u);
  EXPECT_EQ(bed.pool->idle(), 0u);
  answer_with("pong\n", true);
  EXPECT_EQ(bed.pool->open(), 0u);
  EXPECT_EQ(bed.upstream.peers.size(), 2u);
  // Seen at Return, or a moment later while it was idle.
  EXPECT_EQ(bed.Count(PoolCount::kClosedUnclean) + bed.Count(PoolCount::kClosedUnasked) +
                bed.Count(PoolCount::kClosedByPeer),
            2u);
}

TEST_P(SimPool, ABorrowerMayEndAConnectionWell) {
  Bed bed(seed(), Of(1));
  const auto ask_and_close = [&]() -> core::Task<> {
    auto up = co_await bed.pool->Borrow();
    up->Write("ping\n");
    auto line = co_await up->ReadLine();
    EXPECT_TRUE(line);
    up.Close();
    EXPECT_FALSE(up);
    up.Close();  // nothing more
  };
  Running run(&bed.server, [&] { return ask_and_close(); });
  bed.Run();
  EXPECT_TRUE(run.done());
  EXPECT_TRUE(bed.upstream.peers[0]->saw_fin());
  EXPECT_FALSE(bed.upstream.peers[0]->saw_reset());
  EXPECT_EQ(bed.Count(PoolCount::kClosedServed), 1u);
  EXPECT_EQ(bed.Count(PoolCount::kClosedUnreturned), 0u);
  EXPECT_EQ(bed.pool->open(), 0u);
}

TEST_P(SimPool, WhoWantsNoneOfTheIdleGetsANewOneInItsPlace) {
  Bed bed(seed(), Of(2));
  const auto ask = [&](Pool::Take take) {
    std::vector<std::string> log;
    const auto once = [&]() -> core::Task<> {
      auto up = co_await bed.pool->Borrow(kNanosPerSecond, take);
      log.push_back(!up ? up.Explain() : up.reused() ? "reused" : "new");
      up.Return();
    };
    Running run(&bed.server, [&] { return once(); });
    bed.Run();
    EXPECT_TRUE(run.done());
    return log.at(0);
  };
  EXPECT_EQ(ask(Pool::Take::kAny), "new");
  EXPECT_EQ(ask(Pool::Take::kNotIdle), "new");  // there is room for a second one
  EXPECT_EQ(bed.pool->idle(), 2u);
  EXPECT_EQ(ask(Pool::Take::kAny), "reused");
  EXPECT_EQ(ask(Pool::Take::kNotIdle), "new");  // the oldest one goes for it
  EXPECT_EQ(bed.pool->idle(), 2u);
  EXPECT_EQ(bed.pool->open(), 2u);
  EXPECT_EQ(bed.Count(PoolCount::kClosedOld), 1u);
  EXPECT_EQ(bed.upstream.peers.size(), 3u);
}

TEST_P(SimPool, IdleOnesAreWatched) {
  Bed bed(seed(), Of(1));
  bed.answering = true;
  const auto exchange = [&] {
    Running run(&bed.server, [&] { return Ask(bed.pool.get(), &bed.log); });
    bed.Run();
    EXPECT_EQ(bed.log.back(), "pong new");
    EXPECT_EQ(bed.pool->idle(), 1u);
    return bed.upstream.peers.back();
  };
  exchange()->Close();
  bed.Run();
  EXPECT_EQ(bed.Count(PoolCount::kClosedByPeer), 1u);
  exchange()->Reset();
  bed.Run();
  EXPECT_EQ(bed.Count(PoolCount::kClosedByPeer), 2u);
  sim::SimPeer* talker = exchange();
  talker->Send("unasked");
  bed.Run();
  EXPECT_EQ(bed.Count(PoolCount::kClosedUnasked), 1u);
  EXPECT_TRUE(talker->saw_reset());
  exchange();
  bed.Run(49'000);
  EXPECT_EQ(bed.pool->idle(), 1u);
  bed.Run(2'000);
  EXPECT_EQ(bed.Count(PoolCount::kClosedOld), 1u);
  EXPECT_EQ(bed.pool->open(), 0u);
  bed.Run(60'000);
  EXPECT_EQ(bed.server.live(), 0u);
}

TEST_P(SimPool, WhoWaitsIsServedInOrderOrToldWhyNot) {
  PoolOptions options = Of(1);
  options.waiters_max = 4;
  Bed bed(seed(), std::move(options));
  bed.answering = false;
  std::vector<std::string> logs[6];
  std::vector<std::unique_ptr<core::TestRoot>> roots;
  std::vector<int> order;
  const auto ask = [&](int i, core::Nanos deadline) {
    roots.push_back(std::make_unique<core::TestRoot>());
    core::TestRoot* root = roots.back().get();
    ASSERT_TRUE(bed.server.shard().Post([&, i, deadline, root] {
      ASSERT_TRUE(Ask(bed.pool.get(), &logs[i], deadline).Start(root));
    }));
  };
  for (int i = 0; i < 6; ++i) {
    ask(i, i == 2 ? kNanosPerSecond : 0);
    bed.Run();
  }
  EXPECT_EQ(bed.pool->waiting(), 4u);
  EXPECT_EQ(logs[5], std::vector<std::string>{"127.0.0.1:9000: 4 wait already for one of 1 connections: raise "
                                              "connections_max, or ask less"});
  bed.Run(1100);
  EXPECT_EQ(logs[2], std::vector<std::string>{"127.0.0.1:9000: none of 1 connections came back in time: raise "
                                              "connections_max, or ask less"});
  bed.server.OnShard(0, [&](Engine&) { roots[3]->scope.Cancel(); });
  bed.Run();
  EXPECT_EQ(logs[3], std::vector<std::string>{"127.0.0.1:9000: cancelled"});
  EXPECT_TRUE(logs[0].empty() && logs[1].empty() && logs[4].empty());
  bed.upstream.Answer();
  bed.Run();
  EXPECT_EQ(logs[0], std::vector<std::string>{"pong new"});
  EXPECT_TRUE(logs[1].empty() && logs[4].empty());
  // The one whose turn it is now fails in mid-answer; the next one has its room.
  bed.upstream.peers[0]->Reset();
  bed.Run();
  EXPECT_EQ(logs[1], std::vector<std::string>{"no line"});
  bed.answering = true;
  bed.Run();
  EXPECT_EQ(logs[4], std::vector<std::string>{"pong new"});
  EXPECT_EQ(bed.pool->waiting(), 0u);
  EXPECT_EQ(bed.Count(PoolCount::kWaited), 4u);
  EXPECT_EQ(bed.Count(PoolCount::kTimedOut), 1u);
  EXPECT_EQ(bed.Count(PoolCount::kRefused), 1u);
}

TEST_P(SimPool, TheFirstWhoWaitsIsTheFirstServed) {
  for (const bool resets : {false, true}) {
    Bed bed(seed(), Of(1));
    bed.answering = false;
    std::vector<std::string> logs[5];
    std::vector<std::unique_ptr<core::TestRoot>> roots;
    for (auto& log : logs) {
      roots.push_back(std::make_unique<core::TestRoot>());
      core::TestRoot* root = roots.back().get();
      ASSERT_TRUE(bed.server.shard().Post([&, root] { ASSERT_TRUE(Ask(bed.pool.get(), &log).Start(root)); }));
    }
    for (size_t served = 0; served < roots.size(); ++served) {
      bed.Run();
      bed.upstream.Accept();
      for (size_t i = 0; i < roots.size(); ++i) {
        EXPECT_EQ(roots[i]->done_calls, i < served ? 1 : 0) << i << " when " << served << " are served";
      }
      if (resets) {
        bed.upstream.peers.back()->Reset();
      } else {
        bed.upstream.Answer();
      }
    }
    bed.Run();
    EXPECT_EQ(logs[4], std::vector<std::string>{resets ? "no line" : "pong reused"});
  }
}

TEST_P(SimPool, WhoCannotConnectLeavesTheRoom) {
  PoolOptions options = Of(2);
  options.target = "127.0.0.1:9";
  Bed bed(seed(), std::move(options));
  std::vector<std::unique_ptr<core::TestRoot>> roots;
  for (int i = 0; i < 8; ++i) {
    roots.push_back(std::make_unique<core::TestRoot>());
    core::TestRoot* root = roots.back().get();
    ASSERT_TRUE(bed.server.shard().Post([&, root] { ASSERT_TRUE(Ask(bed.pool.get(), &bed.log).Start(root)); }));
  }
  bed.Run();
  EXPECT_EQ(bed.log, std::vector<std::string>(8, "127.0.0.1:9: connection refused: nobody listens on the target"));
  EXPECT_EQ(bed.pool->open(), 0u);
  EXPECT_EQ(bed.Count(PoolCount::kConnectFailed), 8u);
}

TEST_P(SimPool, ADrainClosesTheIdleAtOnceAndTheBorrowedWhenTheyReturn) {
  Bed bed(seed(), Of(3));
  std::vector<std::unique_ptr<core::TestRoot>> roots;
  const auto ask = [&] {
    roots.push_back(std::make_unique<core::TestRoot>());
    core::TestRoot* root = roots.back().get();
    ASSERT_TRUE(bed.server.shard().Post([&, root] { ASSERT_TRUE(Ask(bed.pool.get(), &bed.log).Start(root)); }));
  };
  ask();
  ask();
  bed.Run();
  EXPECT_EQ(bed.pool->idle(), 2u);
  bed.answering = false;
  ask();
  bed.Run();
  EXPECT_EQ(bed.pool->idle(), 1u);
  bed.server.BeginDrain();
  bed.Run(500);
  EXPECT_EQ(bed.pool->idle(), 0u);
  EXPECT_EQ(bed.Count(PoolCount::kClosedInDrain), 1u);
  EXPECT_EQ(bed.pool->open(), 1u);
  EXPECT_FALSE(bed.server.drained());
  ask();  // for what is still being answered
  bed.Run(500);
  bed.answering = true;
  bed.Run(500);
  ASSERT_EQ(bed.log.size(), 4u);
  bed.log.erase(bed.log.begin(), bed.log.begin() + 2);
  EXPECT_THAT(bed.log, testing::UnorderedElementsAre("pong reused closed", "pong new closed"));
  EXPECT_TRUE(bed.server.drained());
}

TEST_P(SimPool, ABorrowerMayBeCancelledAtEachStep) {
  for (const bool full : {false, true}) {
    bool ended_by_itself = false;
    for (int at = 0; !ended_by_itself; ++at) {
      ASSERT_LT(at, 2000);
      SCOPED_TRACE(testing::Message() << (full ? "full, " : "") << "cancelled after step " << at);
      Bed bed(seed(), Of(1));
      std::vector<std::string> other;
      Running first(&bed.server, [&] { return full ? Ask(bed.pool.get(), &other) : Nothing(); });
      Running run(&bed.server, [&] { return Ask(bed.pool.get(), &bed.log); });
      for (int i = 0; i < at && bed.server.world.Step(); ++i) bed.upstream.Answer();
      ended_by_itself = run.done();
      run.Cancel();
      bed.Run();
      ASSERT_TRUE(run.done());
      EXPECT_EQ(bed.pool->open(), bed.pool->idle());
      if (full) {
        EXPECT_EQ(other.size(), 1u);
      }
      // Whatever it left: the next one is answered.
      Running next(&bed.server, [&] { return Ask(bed.pool.get(), &other); });
      bed.Run();
      EXPECT_THAT(other.back(), testing::StartsWith("pong"));
    }
  }
}

TEST_P(SimPool, ACutEndsAll) {
  Bed bed(seed(), Of(2));
  bed.answering = false;
  std::vector<std::unique_ptr<core::TestRoot>> roots;
  for (int i = 0; i < 5; ++i) {
    roots.push_back(std::make_unique<core::TestRoot>());
    core::TestRoot* root = roots.back().get();
    ASSERT_TRUE(bed.server.shard().Post([&, root] { ASSERT_TRUE(Ask(bed.pool.get(), &bed.log).Start(root)); }));
  }
  bed.Run();
  bed.server.CutAll();
  bed.Run();
  for (const auto& root : roots) EXPECT_EQ(root->done_calls, 1);
  EXPECT_EQ(bed.log.size(), 5u);
  EXPECT_EQ(bed.pool->open(), 0u);
  EXPECT_EQ(bed.server.live(), 0u);
}

// The model.

struct Model {
  explicit Model(uint64_t seed)
      : bed(seed, Options(seed)), decisions(seed), dice(&decisions) {}
  static PoolOptions Options(uint64_t seed) {
    PoolOptions options = Of(1 + static_cast<uint32_t>(seed % 4));
    options.waiters_max = 6;
    options.idle_max_age = 3 * kNanosPerSecond;
    return options;
  }
  struct Plan {
    int number;
    core::Nanos deadline;
    bool leaves;     // without having asked
    bool forgets;    // to return it
    int64_t thinks_ms;
  };

  core::Task<> Borrower(Plan plan) {
    auto up = co_await bed.pool->Borrow(plan.deadline);
    if (!up) {
      ++failures[static_cast<size_t>(up.failure())];
      co_return;
    }
    ++successes;
    const uint64_t id = up->id().value;
    EXPECT_TRUE(lent.insert(id).second) << "lent twice at once";
    bool good = false;
    if (!plan.leaves) {
      if (plan.thinks_ms != 0) co_await core::Sleep(plan.thinks_ms * kNanosPerMs);
      up->Write(absl::StrCat("q", plan.number, "\n"));
      auto line = co_await up->ReadLine({.deadline = 2 * kNanosPerSecond});
      if (line) {
        const std::string got(*line);
        good = got == absl::StrCat("a", plan.number);
        // "unasked" may have come in the moment in which it was borrowed; an answer to somebody else may not.
        EXPECT_TRUE(good || got == "unasked") << plan.number << " got " << got;
        answered += good ? 1 : 0;
      }
    }
    lent.erase(id);
    if (good && !plan.forgets) up.Return();
  }

  void Check() {
    const Pool& pool = *bed.pool;
    ASSERT_LE(pool.open(), pool.options().connections_max);
    ASSERT_LE(pool.waiting(), pool.options().waiters_max);
    ASSERT_LE(pool.idle() + lent.size(), pool.open());
    if (pool.waiting() != 0) {
      ASSERT_EQ(pool.open(), pool.options().connections_max) << "somebody waits beside free room";
      ASSERT_EQ(pool.idle(), 0u) << "somebody waits beside an idle connection";
    }
    if (const char* wrong = bed.server.engine().Validate(); wrong != nullptr) FAIL() << wrong;
  }

  void Move() {
    bed.upstream.Accept();
    auto& peers = bed.upstream.peers;
    switch (dice.Pick(12)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        if (roots.size() == 60) break;
        const auto patience = static_cast<core::Nanos>(dice.Between(1, 3000)) * kNanosPerMs;
        const Plan plan = {.number = static_cast<int>(roots.size()),
                           .deadline = dice.Chance(50) ? 0 : patience,
                           .leaves = dice.Chance(10),
                           .forgets = dice.Chance(10),
                           .thinks_ms = dice.Chance(30) ? static_cast<int64_t>(dice.Between(1, 500)) : 0};
        roots.push_back(std::make_unique<core::TestRoot>());
        core::TestRoot* root = roots.back().get();
        ASSERT_TRUE(bed.server.shard().Post([this, plan, root] { ASSERT_TRUE(Borrower(plan).Start(root)); }));
        break;
      }
      case 4:
        if (!roots.empty() && dice.Chance(30)) {
          core::TestRoot* root = roots[dice.Pick(roots.size())].get();
          if (root->done_calls == 0) bed.server.OnShard(0, [&](Engine&) { root->scope.Cancel(); });
        }
        break;
      case 5: bed.server.world.RunFor(static_cast<int64_t>(dice.Between(1, 800))); break;
      default:
        if (peers.empty()) break;
        sim::SimPeer* peer = peers[dice.Pick(peers.size())];
        if (peer->ended()) break;
        const std::string& asked = peer->received();
        if (const size_t end = asked.find('\n'); end != std::string::npos) {
          const std::string question = asked.substr(1, end - 1);
          peer->TakeReceived();
          if (dice.Chance(5)) break;  // never answers
          peer->Send(absl::StrCat("a", question, "\n", dice.Chance(5) ? "unasked\n" : ""));
          if (dice.Chance(10)) peer->Close();
        } else if (dice.Chance(4)) {
          peer->Send("unasked\n");
        } else if (dice.Chance(3)) {
          peer->Reset();
        } else if (dice.Chance(3)) {
          peer->HalfClose();
        }
    }
  }

  Bed bed;
  sim::SeededDecisions decisions;
  Dice dice;
  std::vector<std::unique_ptr<core::TestRoot>> roots;
  std::set<uint64_t> lent;
  uint64_t successes = 0;
  uint64_t answered = 0;
  uint64_t failures[5] = {};
};

TEST(SimPoolModel, AnAnswerReachesWhoAskedForIt) {
  constexpr uint64_t kSeeds = 60;
  const uint64_t first = Seed(1);
  uint64_t answered = 0, waited = 0, unasked = 0, old = 0, unclean = 0, timed_out = 0, refused = 0;
  for (uint64_t seed = first; seed < first + (SeedGiven() ? 1 : kSeeds); ++seed) {
    SCOPED_TRACE(absl::StrCat("MOORING_SEED=", seed));
    Model model(seed);
    model.bed.answering = false;
    for (int move = 0; move < 1500; ++move) {
      model.Move();
      for (uint64_t steps = model.dice.Pick(6); steps > 0 && model.bed.server.world.Step(); --steps) model.Check();
      model.Check();
      if (testing::Test::HasFatalFailure()) return;
    }
    // Everybody comes to an end, for nobody waits for ever beside room that is free.
    RunWith(&model.bed.server, 60'000, [&] { model.bed.upstream.Accept(); });
    for (size_t i = 0; i < model.roots.size(); ++i) EXPECT_EQ(model.roots[i]->done_calls, 1) << "borrower " << i;
    const Pool& pool = *model.bed.pool;
    const auto count = [&](PoolCount which) { return pool.counters().Read(which); };
    EXPECT_EQ(pool.open(), 0u) << "the idle ones are old by now";
    EXPECT_EQ(model.successes, count(PoolCount::kOpened) + count(PoolCount::kReused));
    EXPECT_EQ(model.failures[static_cast<size_t>(BorrowFailure::kDeadline)], count(PoolCount::kTimedOut));
    EXPECT_EQ(model.failures[static_cast<size_t>(BorrowFailure::kTooManyWait)], count(PoolCount::kRefused));
    EXPECT_EQ(model.failures[static_cast<size_t>(BorrowFailure::kConnect)], count(PoolCount::kConnectFailed));
    uint64_t closed = 0;
    for (auto which = PoolCount::kClosedUnreturned; which < PoolCount::kCount;
         which = static_cast<PoolCount>(static_cast<int>(which) + 1)) {
      closed += count(which);
    }
    EXPECT_EQ(closed, count(PoolCount::kOpened)) << "each connection is closed once";
    answered += model.answered;
    waited += count(PoolCount::kWaited);
    unasked += count(PoolCount::kClosedUnasked);
    old += count(PoolCount::kClosedOld);
    unclean += count(PoolCount::kClosedUnclean);
    timed_out += count(PoolCount::kTimedOut);
    refused += count(PoolCount::kRefused);
    if (testing::Test::HasFailure()) return;
  }
  std::printf("answered %llu waited %llu unasked %llu old %llu unclean %llu timed out %llu refused %llu\n",
              static_cast<unsigned long long>(answered), static_cast<unsigned long long>(waited),
              static_cast<unsigned long long>(unasked), static_cast<unsigned long long>(old),
              static_cast<unsigned long long>(unclean), static_cast<unsigned long long>(timed_out),
              static_cast<unsigned long long>(refused));
  if (SeedGiven()) return;
  // The model goes to where it is meant to go.
  EXPECT_GT(answered, kSeeds * 10);
  EXPECT_GT(waited, kSeeds);
  EXPECT_GT(unasked, 0u);
  EXPECT_GT(old, 0u);
  EXPECT_GT(unclean, 0u);
  EXPECT_GT(timed_out, 0u);
  EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace mooring::net
