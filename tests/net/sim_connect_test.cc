// SPDX-License-Identifier: Apache-2.0
// Connections that a coroutine owns, over the simulated kernel, each under several seeds: made, read, cancelled at any
// step, cut, drained.
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/sleep.h"
#include "net/address.h"
#include "net/connect.h"
#include "server/line.h"
#include "tests/core/test_root.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;

constexpr std::string_view kUpstream = "127.0.0.1:9000";

class SimConnect : public testing::TestWithParam<uint64_t> {
 protected:
  uint64_t seed() const { return Seed(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Seeds, SimConnect, testing::Range<uint64_t>(1, 13));

// One root task on shard 0, which the test may cancel.
template <class F>
struct Running {
  Running(SimServer* on, F make) : server(on) {
    server->OnShard(0, [&](Engine&) { EXPECT_TRUE(make().Start(&root)); });
  }
  bool done() const { return root.done_calls == 1; }
  void Cancel() {
    server->OnShard(0, [&](Engine&) { root.scope.Cancel(); });
  }
  SimServer* const server;
  core::TestRoot root;
};

struct Log {
  std::vector<std::string> lines;
  void Add(std::string line) { lines.push_back(std::move(line)); }
};

core::Task<> AskOnce(Endpoint to, ConnectOptions options, Log* log) {
  auto up = co_await Connect(to, options);
  if (!up) {
    log->Add(up.Explain());
    co_return;
  }
  log->Add("connected");
  up->Write("ping\n");
  auto line = co_await up->ReadLine();
  log->Add(line ? std::string(*line) : "no line");
}

TEST_P(SimConnect, IsReadAndWrittenByItsOwnerAndClosedWithIt) {
  SimServer server(seed());
  const int listener = server.world.kernel().ListenAsPeer(kUpstream);
  Log log;
  Running run(&server, [&] { return AskOnce(*Address::Parse(kUpstream), {}, &log); });
  server.world.RunUntilIdle();
  sim::SimPeer* upstream = server.world.kernel().TakeAccepted(listener);
  ASSERT_NE(upstream, nullptr);
  EXPECT_EQ(upstream->received(), "ping\n");
  upstream->Send("po");
  server.world.RunUntilIdle();
  upstream->Send("ng\n");
  server.world.RunUntilIdle();
  EXPECT_EQ(log.lines, (std::vector<std::string>{"connected", "pong"}));
  EXPECT_TRUE(run.done());
  EXPECT_TRUE(upstream->saw_fin());
  EXPECT_FALSE(upstream->saw_reset());
  upstream->Close();
  server.world.RunUntilIdle();
  EXPECT_EQ(server.live(), 0u);
  EXPECT_EQ(server.Cause(CloseCause::kService), 1u);
}

TEST_P(SimConnect, ARefusalSaysSo) {
  SimServer server(seed());
  Log log;
  Running run(&server, [&] { return AskOnce(*Address::Parse("127.0.0.1:9"), {}, &log); });
  server.world.RunUntilIdle();
  EXPECT_EQ(log.lines, std::vector<std::string>{"127.0.0.1:9: connection refused: nobody listens on the target"});
  EXPECT_TRUE(run.done());
  EXPECT_EQ(server.live(), 0u);
  EXPECT_EQ(server.Cause(CloseCause::kConnectFailed), 1u);
}

TEST_P(SimConnect, AUnixPathAndNoTargetAreSaidNotToBeThere) {
  SimServer server(seed());
  Log log;
  Running path(&server, [&] { return AskOnce(*Endpoint::Parse("unix:/run/x.sock"), {}, &log); });
  Running none(&server, [&] { return AskOnce({}, {}, &log); });
  EXPECT_EQ(log.lines, (std::vector<std::string>{
                           "unix:/run/x.sock: connecting to Unix paths is not there yet; give an address",
                           "no target is given: write HOST:PORT"}));
}

}  // namespace
}  // namespace mooring::net
