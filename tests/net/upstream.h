// SPDX-License-Identifier: Apache-2.0
// Upstream: who a simulated server connects to, played by the test. Running: a task that asks there.
//
// Threads:  one.
// Owns:     nothing: peers are the kernel's.
#ifndef MOORING_TESTS_NET_UPSTREAM_H_
#define MOORING_TESTS_NET_UPSTREAM_H_

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "core/clock.h"
#include "tests/core/test_root.h"
#include "tests/net/sim_server.h"

namespace mooring::net {

inline constexpr std::string_view kUpstream = "127.0.0.1:9000";

// One root task on shard 0, which the test may cancel. It starts in a turn, where the shard knows the time.
template <class F>
struct Running {
  Running(SimServer* on, F make) : server(on) {
    EXPECT_TRUE(server->shard(0).Post([this, make] { EXPECT_TRUE(make().Start(&root)); }));
  }
  bool done() const { return root.done_calls == 1; }
  void Cancel() {
    server->OnShard(0, [&](Engine&) { root.scope.Cancel(); });
  }
  SimServer* const server;
  core::TestRoot root;
};

// Accepts and answers whom Connect reaches, as the test tells it.
class Upstream {
 public:
  explicit Upstream(SimServer* server, std::string_view at = kUpstream)
      : server_(server), listener_(server->world.kernel().ListenAsPeer(at)) {}

  // Who has connected since the last call.
  void Accept() {
    while (sim::SimPeer* peer = server_->world.kernel().TakeAccepted(listener_)) {
      peer->CloseOnEof();
      peers.push_back(peer);
    }
  }
  // Answers each whole line of everybody.
  void Answer() {
    Accept();
    for (sim::SimPeer* peer : peers) {
      if (peer->received().find('\n') == std::string::npos || peer->ended()) continue;
      peer->TakeReceived();
      peer->Send("pong\n");
    }
  }
  std::vector<sim::SimPeer*> peers;

 private:
  SimServer* const server_;
  const int listener_;
};

// Steps, and time where nobody moves; `between` is called after each.
template <class F>
void RunWith(SimServer* server, int64_t ms, F between) {
  const core::Nanos end = server->world.clock().Now() + ms * core::kNanosPerMs;
  for (;;) {
    if (!server->world.Step() && !server->world.MoveClock(end)) return;
    between();
  }
}

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_UPSTREAM_H_
