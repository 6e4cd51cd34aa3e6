// SPDX-License-Identifier: Apache-2.0
// Deadlines of connections: the idle one and the write stall. They are in whole seconds, so these tests take some.
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <string>

#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"

namespace mooring::scenario {
namespace {

using net::CloseCause;
using net::EngineCount;
using std::chrono::steady_clock;

class Deadlines : public ScenarioOf<int> {};

TEST_P(Deadlines, IdlePeerIsClosedAndActiveOneIsNot) {
  LoopbackServer server(EchoForms(Param()).service, In({.service = {.idle_timeout_s = 2}}));
  Client active(server.port());
  Client silent(server.port());
  const auto begin = steady_clock::now();
  EXPECT_EQ(silent.Exchange("x", 1), "x");
  // The end of the silent one is the event; until then the other one talks.
  pollfd one = {silent.fd(), POLLIN, 0};
  while (poll(&one, 1, 200) == 0) {
    ASSERT_EQ(active.Exchange("x", 1), "x");
    ASSERT_LT(steady_clock::now() - begin, std::chrono::seconds(kPatienceSeconds));
  }
  EXPECT_GE(steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ(silent.ReceiveToFin(), "");
  silent.Close();
  EXPECT_EQ(active.Exchange("x", 1), "x");
  server.Await([&] { return server.live() == 1; });
  EXPECT_EQ(server.Cause(CloseCause::kIdle), 1u);
  active.Close();
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kIdle), 1u);
}

TEST_P(Deadlines, PeerThatNeverReadsIsAbortedAsStalled) {
  LoopbackServer server(EchoForms(Param()).service, In({.service = {.write_stall_s = 2}}));
  Client client(server.port(), {.receive_buffer = 4096});
  Clog(&server, &client);
  const auto begin = steady_clock::now();
  server.Await([&] { return server.live() == 0; });
  EXPECT_GE(steady_clock::now() - begin, std::chrono::milliseconds(1500)) << "a little of it had passed";
  EXPECT_EQ(server.Cause(CloseCause::kWriteStalled), 1u);
}

TEST_P(Deadlines, PeerThatNeverReadsIsAbortedWhereTheKernelHasTheDeadlineToo) {
  LoopbackServer server(EchoForms(Param()).service, In({.service = {.write_stall_s = 2}, .user_timeout = true}));
  Client client(server.port(), {.receive_buffer = 4096});
  Clog(&server, &client);
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kWriteStalled) + server.Cause(CloseCause::kPeerTimedOut), 1u);
}

// With a TCP_USER_TIMEOUT this one would be cut: the kernel counts from its first window probe until the segment that
// it wants to send fits the window as a whole, and a slow reader with a small window never gets there.
TEST_P(Deadlines, PeerThatReadsSlowlyIsNotStalled) {
  LoopbackServer server(EchoForms(Param()).service, In({.service = {.write_stall_s = 2}}));
  Client client(server.port(), {.receive_buffer = 16 << 10});
  const std::string plenty(1 << 16, 'x');
  Clog(&server, &client);
  // A little every half second, for three times the deadline.
  for (int i = 0; i < 12; ++i) {
    ASSERT_EQ(client.Receive(30000).size(), 30000u);
    client.SendWhatFits(plenty);
    server.PassTime(500);
    ASSERT_EQ(server.live(), 1u) << "round " << i << ", stalled " << server.Cause(CloseCause::kWriteStalled)
                                 << ", timed out " << server.Cause(CloseCause::kPeerTimedOut);
  }
}

// Each case takes seconds, so that the other forms do with one transport.
INSTANTIATE_TEST_SUITE_P(Worlds, Deadlines, testing::Combine(EveryWorld(), testing::Values(0)),
                         WorldAnd(+[](int form) { return EchoForms(form).name; }));
INSTANTIATE_TEST_SUITE_P(Forms, Deadlines, testing::Combine(ModernOnly(), testing::Range(1, kEchoForms)),
                         WorldAnd(+[](int form) { return EchoForms(form).name; }));

}  // namespace
}  // namespace mooring::scenario
