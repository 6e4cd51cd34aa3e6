// SPDX-License-Identifier: Apache-2.0
// Faults that end connections: resets, time-outs, no memory, in the middle of anything. What is left of the promises: no
// wrong byte, one cause for each, nothing leaked (LoopbackServer looks when it goes), and the others are served.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scale.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"
#include "tests/scenario/swarm.h"

namespace mooring::scenario {
namespace {

using net::CloseCause;
using net::Connection;
using net::EngineCount;

// On every transport, whether or not its gentle world is in the list.
LoopbackOptions Hard(LoopbackOptions options) {
  options.faults = Faults::kHard;
  return options;
}

class HardFaults : public ScenarioOf<int> {};

TEST_P(HardFaults, SpoilNoByteAndLeaveNothingBehind) {
  LoopbackServer server(EchoForms(Param()).service, Hard(In({.shards = 2})));
  SwarmOptions options;
  options.connections = Scaled(500);
  options.bytes_each = 60'000;
  options.seed = std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
  const SwarmResult result = RunSwarm(server.port(), options);
  std::printf("finished %d, reset %d, ended early %d\n", result.finished, result.resets, result.early_ends);
  EXPECT_TRUE(result.patient);
  EXPECT_EQ(result.wrong, 0);
  EXPECT_EQ(result.not_connected, 0);
  EXPECT_EQ(result.finished + result.resets + result.early_ends, options.connections);
  EXPECT_GT(result.resets + result.early_ends, 0) << "there were faults";
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Causes(), static_cast<uint64_t>(options.connections));
  // Those that no fault hits are served as ever.
  for (int i = 0, answered = 0; answered < 10; ++i) {
    ASSERT_LT(i, 200);
    Client client(server.port());
    if (client.SendWhatFits("hello") != 5) continue;
    Ending ending;
    shutdown(client.fd(), SHUT_WR);  // fails where it was reset meanwhile
    if (client.ReceiveToEnd(&ending) == "hello" && ending == Ending::kFin) ++answered;
  }
}

TEST_P(HardFaults, InADrainLeaveNobodyBehind) {
  LoopbackServer server(EchoForms(Param()).service, Hard(In({.shards = 2})));
  std::vector<Client> clients;
  for (int i = 0; i < Scaled(200); ++i) {
    clients.emplace_back(server.port());
    clients.back().SendWhatFits(StreamBytes(3, static_cast<uint32_t>(i), 0, 20'000));
  }
  server.BeginDrain();
  for (size_t i = 0; i < clients.size(); ++i) {
    Ending ending;
    const std::string got = clients[i].ReceiveToEnd(&ending);
    ASSERT_LE(got.size(), 20'000u);
    EXPECT_TRUE(got == StreamBytes(3, static_cast<uint32_t>(i), 0, got.size()));
    clients[i].Close();
  }
  EXPECT_TRUE(server.AwaitDrained());
}

INSTANTIATE_TEST_SUITE_P(Worlds, HardFaults, testing::Combine(PlainWorlds(), testing::Range(0, kEchoForms)),
                         WorldAnd(+[](int form) { return EchoForms(form).name; }));

class HardOutbound : public Scenario {};

TEST_P(HardOutbound, ConnectsEndWithOneCauseEach) {
  LoopbackServer server(Callbacks<EchoCallbacks>(), Hard(In()));
  const uint16_t port = server.port();
  const int connects = Scaled(200);
  for (int i = 0; i < connects; ++i) {
    server.OnShard(0, [port](net::Engine& engine) {
      net::Address to = *net::Address::Parse("127.0.0.1:0");
      to.set_port(port);
      ASSERT_NE(engine.Connect(0, to, {}), nullptr);
    });
  }
  const auto outcomes = [&] {
    return server.Count(EngineCount::kConnected) + server.Cause(CloseCause::kConnectFailed);
  };
  server.Await([&] { return outcomes() == static_cast<uint64_t>(connects); });
  EXPECT_GT(server.Cause(CloseCause::kConnectFailed), 0u) << "there were faults";
  server.OnShard(0, [](net::Engine& engine) { engine.ForEach([](Connection* conn) { conn->Close(); }); });
  server.BeginDrain();
  server.CutAll();
  EXPECT_TRUE(server.AwaitDrained());
}
INSTANTIATE_TEST_SUITE_P(Worlds, HardOutbound, PlainWorlds(), WorldName());

// That the faulty worlds are none in name only.
class GentleFaults : public Scenario {};

TEST_P(GentleFaults, AreOfEveryKind) {
  std::vector<Fault> kinds = {Fault::kSendShort, Fault::kSendBlocked, Fault::kAcceptTransient,
                              Fault::kAcceptNoResources};
  const auto add = [&kinds](std::initializer_list<Fault> more) { kinds.insert(kinds.end(), more); };
  if (world().transport == net::TransportKind::kEpoll) {
    add({Fault::kWaitInterrupted});
  } else {
    add({Fault::kEnterRefused, Fault::kEnterInPart, Fault::kCompletionsLate, Fault::kReceiveStarved});
  }
  if (world().transport == net::TransportKind::kUring) {
    add({Fault::kReceiveEnded, Fault::kAcceptEnded, Fault::kInstallRefused});
  }
  LoopbackServer server(Callbacks<EchoCallbacks>(), In({.shards = 2}));
  const auto missing = [&] {
    return std::any_of(kinds.begin(), kinds.end(), [&](Fault kind) { return server.Injected(kind) == 0; });
  };
  for (int round = 0; missing(); ++round) {
    ASSERT_LT(round, 200) << "a kind of fault never came";
    const SwarmResult result = RunSwarm(server.port(), {.connections = 50, .bytes_each = 30'000});
    ASSERT_EQ(result.finished, 50);
    // A server that closes first needs a half-close.
    Client client(server.port());
    ASSERT_EQ(client.Exchange("x", 1), "x");
    server.OnShard(0, [](net::Engine& e) { e.ForEach([](Connection* conn) { conn->Close(); }); });
    server.OnShard(1, [](net::Engine& e) { e.ForEach([](Connection* conn) { conn->Close(); }); });
    EXPECT_EQ(client.ReceiveToFin(), "");
  }
  EXPECT_EQ(server.Injected(Fault::kSendFailed) + server.Injected(Fault::kReceiveFailed), 0u);
}
INSTANTIATE_TEST_SUITE_P(Worlds, GentleFaults, FaultyWorlds(), WorldName());

}  // namespace
}  // namespace mooring::scenario
