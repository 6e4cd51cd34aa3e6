// SPDX-License-Identifier: Apache-2.0
// Where bytes, ends, downcalls and drains meet the swap between receive and poll, over the simulated kernel: at every
// step of it, in both directions, with wide and with narrow rings.
//
// MOORING_SEED=n replays one seed.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "server/echo.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

constexpr unsigned kSteps = 16;  // more than the swap has, with what the network does between
constexpr int64_t kSilentMs = 6'000;

class SimIdle : public testing::TestWithParam<uint64_t> {
 protected:
  struct Scene {
    SimServer& server;
    sim::SimPeer* peer;

    void Each(void (Connection::*call)()) const {
      server.OnShard(0, [call](Engine& engine) { engine.ForEach([call](Connection* conn) { (conn->*call)(); }); });
    }
    // The peer says it; true when it has its answer.
    bool Answers(const std::string& text) const {
      peer->TakeReceived();
      peer->Send(text);
      server.world.RunFor(1'000);
      return peer->received() == text;
    }
    bool FallsSilent() const {
      const uint64_t before = server.TransportCount("idle_polls");
      server.world.RunFor(kSilentMs);
      return server.TransportCount("idle_polls") == before + 1 && server.shard().wheel().armed() == 0;
    }
  };

  // Calls `then` so many steps after the second in which the peer is found silent; and, `woken`, after a byte has come for
  // its poll.
  static void AtEveryStep(const std::function<void(const Scene&)>& then, bool at_path = false) {
    const uint64_t seed = Seed(GetParam());
    for (const bool woken : {false, true}) {
      for (unsigned step = 0; step < kSteps; ++step) {
        SCOPED_TRACE("step " + std::to_string(step) + (woken ? " of waking" : " of falling silent"));
        SimServer::Options options;
        if (seed % 2 == 0) {
          options.sq_entries = 1;
          options.cq_entries = 2;
        }
        SimServer server(seed * 100 + step, options);
        const std::string at =
            at_path ? server.ListenUnix(Callbacks<server::Echo>()) : server.Listen(Callbacks<server::Echo>());
        const Scene scene = {server, server.ConnectNow(at)};
        ASSERT_NE(scene.peer, nullptr);
        scene.peer->CloseOnEof();
        ASSERT_TRUE(scene.Answers("hello"));
        scene.peer->TakeReceived();
        if (woken) {
          ASSERT_TRUE(scene.FallsSilent());
          scene.peer->Send("w");
        } else {
          const uint64_t polls = server.TransportCount("idle_polls");
          ASSERT_TRUE(server.world.RunUntil([&] { return server.world.now_ms() >= 4'000; }, kSilentMs));
          ASSERT_EQ(server.TransportCount("idle_polls"), polls);
        }
        for (unsigned i = 0; i < step && server.world.Step(); ++i) {
        }
        then(scene);
        if (HasFatalFailure()) return;
      }
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Seeds, SimIdle, testing::Range<uint64_t>(1, 13));

// What was said while the peer was woken comes first.
bool Heard(const std::string& received, const std::string& text) { return received == text || received == "w" + text; }

TEST_P(SimIdle, BytesAreReceivedAndItFallsSilentAgain) {
  AtEveryStep([](const Scene& scene) {
    scene.peer->Send("x");
    scene.server.world.RunFor(1'000);
    ASSERT_PRED2(Heard, scene.peer->received(), "x");
    ASSERT_TRUE(scene.FallsSilent());
    ASSERT_TRUE(scene.Answers("again"));
  });
}

TEST_P(SimIdle, AFinIsFound) {
  AtEveryStep([](const Scene& scene) {
    scene.peer->Send("x");
    scene.peer->HalfClose();
    scene.server.world.RunFor(1'000);
    ASSERT_PRED2(Heard, scene.peer->received(), "x");
    ASSERT_TRUE(scene.peer->saw_fin());
    ASSERT_EQ(scene.server.live(), 0u);
    ASSERT_EQ(scene.server.Cause(CloseCause::kPeerReset), 0u);
  });
}

TEST_P(SimIdle, AResetIsFound) {
  for (const bool behind_bytes : {false, true}) {
    AtEveryStep([behind_bytes](const Scene& scene) {
      if (behind_bytes) scene.peer->Send("x");
      scene.peer->Reset();
      scene.server.world.RunFor(1'000);
      ASSERT_EQ(scene.server.live(), 0u);
    });
  }
}

TEST_P(SimIdle, APausedOneHearsNothingUntilItResumes) {
  AtEveryStep([](const Scene& scene) {
    scene.Each(&Connection::Pause);
    scene.server.world.RunFor(10);  // what was delivered before is answered
    const size_t before = scene.peer->received().size();
    scene.peer->Send("x");
    scene.server.world.RunFor(kSilentMs);
    ASSERT_EQ(scene.peer->received().size(), before);
    scene.Each(&Connection::Resume);
    scene.server.world.RunFor(1'000);
    ASSERT_PRED2(Heard, scene.peer->received(), "x");
    ASSERT_TRUE(scene.FallsSilent());
    ASSERT_TRUE(scene.Answers("again"));
  });
}

TEST_P(SimIdle, PauseAndResumeAtOnceChangeNothing) {
  AtEveryStep([](const Scene& scene) {
    for (int i = 0; i < 3; ++i) {
      scene.Each(&Connection::Pause);
      scene.Each(&Connection::Resume);
    }
    scene.server.world.RunFor(kSilentMs);
    ASSERT_TRUE(scene.Answers("x"));
    scene.Each(&Connection::Pause);
    scene.server.world.Step();
    scene.Each(&Connection::Resume);
    ASSERT_TRUE(scene.Answers("again"));
  });
}

TEST_P(SimIdle, CloseAndAbortRelease) {
  for (const bool at_path : {false, true}) {
    AtEveryStep(
        [](const Scene& scene) {
          scene.Each(&Connection::Close);
          scene.server.world.RunFor(1'000);
          ASSERT_TRUE(scene.peer->saw_fin());
          ASSERT_EQ(scene.server.live(), 0u);
        },
        at_path);
    AtEveryStep(
        [](const Scene& scene) {
          scene.Each(&Connection::Abort);
          scene.server.world.RunFor(1'000);
          ASSERT_TRUE(scene.peer->ended());
          ASSERT_EQ(scene.server.live(), 0u);
        },
        at_path);
  }
}

TEST_P(SimIdle, ADrainAnswersWhatWasAcknowledgedAndResetsNobody) {
  AtEveryStep([](const Scene& scene) {
    scene.peer->Send("x");
    ASSERT_TRUE(scene.server.world.RunUntil([&] { return scene.peer->unacknowledged() == 0; }, 100));
    scene.server.BeginDrain();
    scene.server.world.RunFor(1'000);
    ASSERT_PRED2(Heard, scene.peer->received(), "x");
    ASSERT_TRUE(scene.peer->saw_fin());
    ASSERT_FALSE(scene.peer->saw_reset());
    ASSERT_TRUE(scene.server.drained());
  });
}

TEST_P(SimIdle, ADrainOfASilentOneIsShort) {
  AtEveryStep([](const Scene& scene) {
    scene.server.BeginDrain();
    scene.server.world.RunFor(1'000);
    ASSERT_TRUE(scene.peer->saw_fin());
    ASSERT_TRUE(scene.server.drained());
  });
}

}  // namespace
}  // namespace mooring::net
