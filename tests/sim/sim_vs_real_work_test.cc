// SPDX-License-Identifier: Apache-2.0
// How much an enter does, and what happens when completions do not fit, on both kernels.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/sim/both.h"

namespace mooring::sim {
namespace {

TEST(SimVsRealWork, FloodIsCutIntoRuns) {
  RunOnBoth(
      [](Hands& hands) {
        int slot = -1;
        auto client = Accepted(hands, &slot);
        hands.Group(256, 64);
        hands.Publish(256);
        hands.MultishotReceive(slot, 2, true);
        hands.Collect(0, "armed");
        client->Send(std::string(64 * 200, 'f'));
        hands.machine().Settle();
        for (int i = 0; i < 3; ++i) {
          hands.Note("an enter without submission: " + std::to_string(hands.EnterOnce(1)));
          hands.Note(hands.ring().WorkPending() ? "more pending" : "nothing pending");
        }
        hands.Sqe(IORING_OP_NOP, -1, 3, false);
        hands.Note("an enter that submits: " + std::to_string(hands.EnterOnce(1)));
        hands.Collect(0, "the rest");
        hands.Publish(200);
        client->Send(std::string(64 * 150, 'f'));
        hands.machine().Settle();
        hands.Cancel(2, 4);
        hands.Collect(2, "after a cancel nothing comes");
        hands.MultishotReceive(slot, 5, false);
        hands.Note("armed without POLL_FIRST: " + std::to_string(hands.EnterOnce(1)));
      },
      kRing);
}

// Asking for more completions does not only raise the limit of works a run: the run goes on until that many works ran,
// so one flooding socket is served as often.
TEST(SimVsRealWork, FloodIsServedAsOftenAsCompletionsAreAskedFor) {
  RunOnBoth(
      [](Hands& hands) {
        int slot = -1;
        auto client = Accepted(hands, &slot);
        hands.Group(1024, 64);
        hands.Publish(1024);
        hands.MultishotReceive(slot, 2, true);
        hands.Collect(0, "armed");
        client->Send(std::string(64 * 1000, 'f'));
        hands.machine().Settle();
        for (int i = 0; i < 5; ++i) hands.Sqe(IORING_OP_NOP, -1, 3, false);
        hands.Note("five asked for and submitted: " + std::to_string(hands.EnterOnce(5)));
        hands.Note("five asked for: " + std::to_string(hands.EnterOnce(5)));
      },
      {.sq_entries = 64, .cq_entries = 4096, .features_off = {}});
}

TEST(SimVsRealWork, AtMostTwentyWorksARun) {
  RunOnBoth(
      [](Hands& hands) {
        uint16_t port = 0;
        const int listener = hands.Listen(&port, 128);
        std::vector<std::unique_ptr<Client>> clients;
        for (int i = 0; i < 60; ++i) clients.push_back(hands.machine().Connect(port));
        hands.MultishotAccept(listener, 1);
        hands.Collect(60, "accepted");
        hands.Group(256, 64);
        hands.Publish(256);
        for (int i = 0; i < 60; ++i) hands.MultishotReceive(i, 2, true);
        hands.Collect(0, "armed");
        for (auto& client : clients) client->Send("x");
        hands.machine().Settle();
        hands.Note("none asked for: " + std::to_string(hands.EnterOnce(0)));
        hands.Note("thirty asked for: " + std::to_string(hands.EnterOnce(30)));
        hands.Note("the rest: " + std::to_string(hands.EnterOnce(1)));
        for (auto& client : clients) client->Send("y");
        hands.machine().Settle();
        hands.Sqe(IORING_OP_NOP, -1, 3, false);
        hands.Note("with a submission: " + std::to_string(hands.EnterOnce(1)));
      },
      kRing, /*slots=*/64);
}

TEST(SimVsRealWork, FullCompletionQueueEndsAMultishotWithItsBytes) {
  RunOnBoth(
      [](Hands& hands) {
        int slot = -1;
        auto client = Accepted(hands, &slot);
        hands.Group(64, 64);
        hands.Publish(64);
        hands.MultishotReceive(slot, 2, true);
        hands.Collect(0, "armed");
        client->Send(std::string(64 * 20, 'f'));
        hands.machine().Settle();
        hands.ring().Enter(0, 0);
        hands.Note(hands.ring().WorkPending() ? "overflown" : "fits");
        hands.Collect(0, "all that came");
        hands.MultishotReceive(slot, 3, false);
        hands.Collect(3, "the rest after arming again");
      },
      {.sq_entries = 8, .cq_entries = 16, .features_off = {}});
}

TEST(SimVsRealWork, OverflowKeepsEveryCompletion) {
  RunOnBoth(
      [](Hands& hands) {
        for (int round = 0; round < 5; ++round) {
          for (uint64_t i = 0; i < 8; ++i) hands.Sqe(IORING_OP_NOP, -1, 10 * (round + 1) + i, false);
          hands.ring().Enter(0, 0);
        }
        hands.Note(hands.ring().WorkPending() ? "overflown" : "fits");
        hands.Collect(40, "all of them");
        hands.Note(hands.ring().WorkPending() ? "overflown" : "fits");
      },
      {.sq_entries = 8, .cq_entries = 16, .features_off = {}});
}

}  // namespace
}  // namespace mooring::sim
