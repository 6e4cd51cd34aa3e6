// SPDX-License-Identifier: Apache-2.0
// What a request that waits holds, and what becomes of routes that do not do as they should. Over the simulated kernel.
#include <gtest/gtest.h>


#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/sleep.h"
#include "core/task.h"
#include "server/http/body_writer.h"
#include "tests/server/http/sim_http.h"

namespace mooring::server::http {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;
using core::Task;

class SimExchange : public testing::TestWithParam<net::TransportKind> {
 protected:
  static net::SimServer::Options On() { return {.transport = GetParam()}; }
};

Task<Response> Sleeps(Request&) {
  co_await core::Sleep(3600 * kNanosPerSecond);
  co_return Response::Text("late\n");
}

Task<> Beats(BodyWriter& out) {
  for (;;) {
    if (const bool going = co_await out.Write("data: beat\n\n"); !going) co_return;
    co_await core::Sleep(60 * kNanosPerSecond);
  }
}

// Throws where its wait is cancelled, as many programs do.
Task<Response> ThrowsWhenLate(Request&) {
  co_await core::Sleep(3600 * kNanosPerSecond);
  throw std::runtime_error("cancelled");
}

constexpr uint32_t kPublished = 64;  // receive blocks that the kernel may fill

Router Routes() {
  Router router;
  router.Get("/sleeps", Sleeps, {.deadline = 0});
  router.Get("/beats", [] { return Response::Stream("text/event-stream", Beats).Endless(); });
  router.Get("/late", ThrowsWhenLate, {.deadline = kNanosPerSecond});
  router.Get("/odd/{status}", [](const Request& request) { return Response().Status(std::stoi(request.Param("status"))); });
  return router;
}

TEST_P(SimExchange, WhoWaitsForItsRouteHoldsNoReceiveBlock) {
  SimHttp http(1, Routes(), {}, On());
  const uint64_t before = http.server.shard().buffers().receive_live();
  for (const char* target : {"/sleeps", "/beats"}) {
    for (int i = 0; i < 50; ++i) http.Ask(std::string("GET ") + target + " HTTP/1.1\r\nHost: sim\r\n\r\n");
  }
  http.server.world.RunFor(100);
  EXPECT_EQ(http.server.live(), 100u);
  EXPECT_EQ(http.server.engine().retained_blocks(), 0u);
  EXPECT_LE(http.server.shard().buffers().receive_live(), std::max<uint64_t>(before, kPublished));
}

TEST_P(SimExchange, ARouteThatThrowsForItsDeadlineIsLateAndNotBroken) {
  SimHttp http(1, Routes(), {}, On());
  auto* peer = http.Ask("GET /late HTTP/1.1\r\nHost: sim\r\n\r\n");
  http.server.world.RunFor(2000);
  const Answers answers = http.AnswersTo(peer);
  ASSERT_EQ(answers.complete(), 1u);
  EXPECT_EQ(answers[0].status, 504);
  EXPECT_EQ(http.Count(HttpCount::kHandlerDeadline), 1u);
  EXPECT_EQ(http.Count(HttpCount::kHandlerFailed), 0u);
  peer->Close();
}

TEST_P(SimExchange, AStatusThatIsNoneIsAFailure) {
  SimHttp http(1, Routes(), {}, On());
  for (const char* status : {"100", "101", "199", "600", "0"}) {
    auto* peer = http.Ask(std::string("GET /odd/") + status + " HTTP/1.1\r\nHost: sim\r\n\r\n");
    const Answers answers = http.AnswersTo(peer);
    ASSERT_EQ(answers.complete(), 1u) << status;
    EXPECT_EQ(answers[0].status, 500) << status;
    peer->Close();
  }
  EXPECT_EQ(http.Count(HttpCount::kHandlerFailed), 5u);
}

// A drain cancels it, and what it has sent by then is a whole body.
TEST_P(SimExchange, AnEndlessStreamEndsWholeInADrain) {
  SimHttp http(1, Routes(), {}, On());
  auto* peer = http.Ask("GET /beats HTTP/1.1\r\nHost: sim\r\n\r\n");
  http.server.BeginDrain();
  http.server.world.RunFor(1000);
  const Answers answers = http.AnswersTo(peer);
  EXPECT_EQ(answers.error(), "");
  ASSERT_EQ(answers.complete(), 1u);
  EXPECT_EQ(answers[0].body, "data: beat\n\n");
  EXPECT_TRUE(peer->saw_fin());
  EXPECT_FALSE(peer->saw_reset());
  EXPECT_EQ(http.Count(HttpCount::kStreamsCut), 0u);
  peer->Close();
  http.server.world.RunFor(1000);
  EXPECT_TRUE(http.server.drained());
}

INSTANTIATE_TEST_SUITE_P(Transports, SimExchange, testing::ValuesIn(net::kTransportKinds), [](const auto& info) {
  std::string name(net::Name(info.param));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace mooring::server::http
