// SPDX-License-Identifier: Apache-2.0
// What is sent comes back, byte for byte, whatever the sizes.
#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <string>
#include <tuple>

#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scale.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"
#include "tests/scenario/swarm.h"

namespace mooring::scenario {
namespace {

using net::CloseCause;

// The form of the service, and how many connections.
class Bytes : public ScenarioOf<int, int> {};

TEST_P(Bytes, RandomChunksComeBackAsTheyWere) {
  const int connections = Param<1>();
  LoopbackServer server(EchoForms(Param<0>()).service, In({.shards = 2}));
  SwarmOptions options;
  options.connections = connections;
  options.bytes_each = static_cast<uint64_t>(connections == 1 ? 8 << 20 : connections == 100 ? 512 << 10 : 20 << 10);
  options.seed = std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
  const SwarmResult result = RunSwarm(server.port(), options);
  EXPECT_TRUE(result.patient);
  EXPECT_EQ(result.finished, connections);
  EXPECT_EQ(result.wrong, 0);
  EXPECT_EQ(result.resets, 0);
  EXPECT_EQ(result.early_ends, 0);
  EXPECT_EQ(result.not_connected, 0);
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kPeerClosed), static_cast<uint64_t>(connections));
  EXPECT_EQ(server.Count(net::EngineCount::kBytesReceived), options.bytes_each * static_cast<uint64_t>(connections));
  EXPECT_EQ(server.Count(net::EngineCount::kBytesSent), options.bytes_each * static_cast<uint64_t>(connections));
}

INSTANTIATE_TEST_SUITE_P(Worlds, Bytes,
                         testing::Combine(EveryWorld(), testing::Range(0, kEchoForms), testing::Values(1, 100, 2000)),
                         WorldAnd(+[](int form, int connections) {
                           return EchoForms(form).name + std::to_string(connections);
                         }));

class Lines : public Scenario {};

TEST_P(Lines, PipelinedInOneWriteAreAllAnswered) {
  LoopbackServer server(Coroutine(ShortLines), In());
  for (int lines : {16, 1000}) {
    Client client(server.port());
    std::string text;
    for (int i = 0; i < lines; ++i) text += "line " + std::to_string(i) + "\n";
    ASSERT_TRUE(client.Send(text));
    EXPECT_EQ(client.Receive(text.size()), text);
  }
}

TEST_P(Lines, SplitAtEveryByteAreTheSame) {
  LoopbackServer server(Coroutine(ShortLines), In());
  const std::string text = "ab\r\n\nc\n\r\n\rd\r\r\n";
  const std::string answer = "ab\n\nc\n\n\rd\r\n";
  uint64_t received = 0;
  for (size_t split = 0; split <= text.size(); ++split) {
    Client client(server.port());
    ASSERT_TRUE(client.Send(text.substr(0, split)));
    // The second part is sent when the server has dealt with the first.
    server.Await([&] { return server.Count(net::EngineCount::kBytesReceived) == received + split; });
    ASSERT_TRUE(client.Send(text.substr(split)));
    EXPECT_EQ(client.Receive(answer.size()), answer) << "split at " << split;
    client.ShutdownWrite();
    EXPECT_EQ(client.ReceiveToFin(), "");
    received += text.size();
  }
}

TEST_P(Lines, OfExactlyTheLimitPassAndOneByteMoreIsTooLong) {
  LoopbackServer server(Coroutine(ShortLines), In());
  const std::string exact(kLineMax, 'x');
  Client client(server.port());
  EXPECT_EQ(client.Exchange(exact + "\n", kLineMax + 1), exact + "\n");
  EXPECT_EQ(client.Exchange(exact + "\r\n", kLineMax + 1), exact + "\n");
  ASSERT_TRUE(client.Send(exact + "x\nnext\n"));
  EXPECT_EQ(client.ReceiveToFin(), "");
  client.Close();
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kTooLong), 1u);
}

TEST_P(Lines, WithoutEndAreTooLongBeforeTheirEndHasCome) {
  LoopbackServer server(Coroutine(ShortLines), In());
  Client client(server.port());
  ASSERT_TRUE(client.Send(std::string(kLineMax + 2, 'x')));
  EXPECT_EQ(client.ReceiveToFin(), "");
  client.Close();
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kTooLong), 1u);
}

TEST_P(Lines, EmptyOnesAreLines) {
  LoopbackServer server(Coroutine(ShortLines), In());
  Client client(server.port());
  EXPECT_EQ(client.Exchange("\n\n\r\n", 3), "\n\n\n");
}
INSTANTIATE_TEST_SUITE_P(Worlds, Lines, EveryWorld(), WorldName());

}  // namespace
}  // namespace mooring::scenario
