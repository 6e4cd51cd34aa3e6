// SPDX-License-Identifier: Apache-2.0
// Peers that are slow, routes that are, and how long each is waited for, in virtual time. Deadlines of a connection are
// rounded up to whole seconds: each comes at its time or up to 2 s later.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/sleep.h"
#include "server/http/body_writer.h"
#include "tests/server/http/sample_routes.h"
#include "tests/server/http/sim_http.h"

namespace mooring::server::http {
namespace {

using core::kNanosPerSecond;

void ExpectAfter(int64_t ms, int64_t seconds) {
  EXPECT_GE(ms, seconds * 1000 - 1);
  EXPECT_LE(ms, seconds * 1000 + 2000);
}

int StatusOfLast(const sim::SimPeer* peer) {
  const Answers answers = SimHttp::AnswersTo(peer);
  EXPECT_EQ(answers.error(), "");
  return answers.size() == 0 ? 0 : answers[answers.size() - 1].status;
}

TEST(SimDeadlines, WhoSaysNothingAtAllIsClosedWithoutAnAnswer) {
  SimHttp http(1, SampleRoutes());
  auto* peer = http.Connect();
  ExpectAfter(http.MsUntil([&] { return peer->ended(); }), 15);
  EXPECT_TRUE(peer->saw_fin());
  EXPECT_EQ(peer->received(), "");
  EXPECT_EQ(http.Count(HttpCount::kFirstByteExpired), 1u);
}

// A byte now and then moves nothing: the deadline is of the whole head.
TEST(SimDeadlines, AHeadThatTricklesInIsRefusedAtItsDeadline) {
  SimHttp http(1, SampleRoutes());
  auto* peer = http.Connect();
  const int64_t begin = http.server.world.now_ms();
  peer->Send("GET /plain/3 HTTP/1.1\r\nHost: sim\r\nX: ");
  for (int i = 0; i < 40 && !peer->ended(); ++i) {
    http.server.world.RunFor(1000);
    peer->Send("x");
  }
  ExpectAfter(http.server.world.now_ms() - begin, 15);
  EXPECT_EQ(StatusOfLast(peer), 408);
  EXPECT_TRUE(peer->saw_fin());
  EXPECT_EQ(http.Refused(Refusal::kHeadDeadline), 1u);
  peer->Close();
}

TEST(SimDeadlines, TheSecondHeadHasTheWholeDeadlineFromItsFirstByteOn) {
  SimHttp http(1, SampleRoutes());
  auto* peer = http.Ask("GET /plain/3 HTTP/1.1\r\nHost: sim\r\n\r\n");
  http.server.world.RunFor(30'000);
  ASSERT_FALSE(peer->ended());
  peer->Send("G");
  http.server.world.RunFor(14'000);
  EXPECT_FALSE(peer->ended());
  peer->Send("ET /plain/4 HTTP/1.1\r\nHost: sim\r\n\r\n");
  http.server.world.RunUntilIdle();
  EXPECT_EQ(SimHttp::AnswersTo(peer).complete(), 2u);
  peer->Send("GET");
  ExpectAfter(http.MsUntil([&] { return peer->ended(); }), 15);
  EXPECT_EQ(StatusOfLast(peer), 408);
}

TEST(SimDeadlines, AnIdleConnectionIsClosedWhenItsTimeIsOver) {
  SimHttp http(1, SampleRoutes());
  auto* peer = http.Ask("GET /plain/3 HTTP/1.1\r\nHost: sim\r\n\r\n");
  const size_t answered = peer->received().size();
  ExpectAfter(http.MsUntil([&] { return peer->ended(); }), 60);
  EXPECT_TRUE(peer->saw_fin());
  EXPECT_FALSE(peer->saw_reset());
  EXPECT_EQ(peer->received().size(), answered);
  EXPECT_EQ(http.Count(HttpCount::kKeepaliveExpired), 1u);
}

TEST(SimDeadlines, EachRequestBeginsTheIdleTimeAnew) {
  SimHttp http(1, SampleRoutes());
  auto* peer = http.Connect();
  for (int i = 0; i < 5; ++i) {
    peer->Send("GET /plain/3 HTTP/1.1\r\nHost: sim\r\n\r\n");
    http.server.world.RunFor(50'000);
  }
  EXPECT_EQ(SimHttp::AnswersTo(peer).complete(), 5u);
  EXPECT_FALSE(peer->ended());
}

TEST(SimDeadlines, ABodyThatStopsIsRefused) {
  for (const char* route : {"/whole", "/pulled"}) {
    SCOPED_TRACE(route);
    SimHttp http(1, SampleRoutes());
    auto* peer = http.Ask(absl::StrCat("POST ", route, " HTTP/1.1\r\nHost: sim\r\nContent-Length: 50000\r\n\r\n",
                                       Pattern(20'000)));
    ExpectAfter(http.MsUntil([&] { return peer->ended(); }), 30);
    EXPECT_EQ(StatusOfLast(peer), 408);
    EXPECT_EQ(http.Refused(Refusal::kBodyDeadline), 1u);
  }
}

TEST(SimDeadlines, ABodyThatIsTooSlowIsRefusedAndOneThatIsNotIsRead) {
  for (const int bytes : {300, 700}) {
    SCOPED_TRACE(bytes);
    SimHttp http(1, SampleRoutes());
    const std::string body = Pattern(42'000);
    auto* peer = http.Ask(absl::StrCat("POST /pulled HTTP/1.1\r\nHost: sim\r\nContent-Length: ", body.size(),
                                       "\r\n\r\n"));
    const int64_t begin = http.server.world.now_ms();
    for (size_t at = 0; at < body.size() && !peer->ended(); at += static_cast<size_t>(bytes)) {
      peer->Send(std::string_view(body).substr(at, static_cast<size_t>(bytes)));
      http.server.world.RunFor(1000);
    }
    const int64_t took = http.server.world.now_ms() - begin;
    EXPECT_EQ(StatusOfLast(peer), bytes < 500 ? 408 : 200);
    EXPECT_EQ(http.Refused(Refusal::kBodyTooSlow), bytes < 500 ? 1u : 0u);
    EXPECT_GE(took, 20'000);
    if (bytes < 500) {
      EXPECT_LE(took, 23'000);
    }
    peer->Close();
  }
}

// The peer is not asked to send while its route does something else, so it is not the one who is slow.
TEST(SimDeadlines, ARouteThatDoesNotReadIsNotItsPeersFault) {
  Router router = SampleRoutes();
  router.Post("/thinks", [](Request& request) -> core::Task<Response> {
    co_await core::Sleep(45 * kNanosPerSecond);
    const BodyEnd end = co_await request.ReadAll();
    co_return Response::Text(absl::StrCat(static_cast<int>(end), " ", request.body().size()));
  });
  SimHttp http(1, router);
  auto* peer = http.Ask(absl::StrCat("POST /thinks HTTP/1.1\r\nHost: sim\r\nContent-Length: 300000\r\n\r\n",
                                     Pattern(300'000)));
  http.server.world.RunFor(50'000);
  ASSERT_EQ(StatusOfLast(peer), 200) << peer->received();
  EXPECT_EQ(SimHttp::AnswersTo(peer)[0].body, "1 300000");
}

TEST(SimDeadlines, WhoDoesNotReadItsAnswerIsCutOff) {
  SimHttp http(1, SampleRoutes());
  auto* peer = http.Connect();
  peer->Stall();
  peer->Send("GET /chunks/1000/5000 HTTP/1.1\r\nHost: sim\r\n\r\n");
  // It is looked at once in its time, and what it had acknowledged until then counts.
  const int64_t took = http.MsUntil([&] { return http.server.Cause(net::CloseCause::kWriteStalled) == 1; });
  EXPECT_GE(took, 30'000);
  EXPECT_LE(took, 2 * 31'000);
  peer->Close();
}

// Its route waits for room meanwhile, and holds no more than that: whoever reads gets all.
TEST(SimDeadlines, AStreamWaitsForItsReader) {
  SimHttp http(1, SampleRoutes());
  auto* peer = http.Connect();
  peer->Stall();
  peer->Send("GET /chunks/200/5000 HTTP/1.1\r\nHost: sim\r\n\r\n");
  uint64_t queued = 0;
  for (int i = 0; i < 20; ++i) {
    http.server.world.RunFor(1000);
    http.server.engine().ForEach([&](net::Connection* conn) { queued = std::max(queued, conn->queued_bytes()); });
  }
  EXPECT_LE(queued, Http(SampleRoutes()).limits().queue_high_bytes + 6000);
  EXPECT_GT(queued, 0u);
  peer->Resume();
  http.server.world.RunFor(1000);
  const Answers answers = http.AnswersTo(peer);
  EXPECT_EQ(answers.error(), "");
  ASSERT_EQ(answers.complete(), 1u);
  EXPECT_EQ(answers[0].body.size(), 1'000'000u);
}

TEST(SimDeadlines, ARouteThatThrowsAnswers500AndIsCounted) {
  SimHttp http(1, SampleRoutes());
  auto* peer = http.Ask(
      "GET /fails HTTP/1.1\r\nHost: sim\r\n\r\nGET /fails_later HTTP/1.1\r\nHost: sim\r\n\r\n"
      "GET /plain/3 HTTP/1.1\r\nHost: sim\r\n\r\n");
  http.server.world.RunFor(50);
  const Answers answers = http.AnswersTo(peer);
  EXPECT_EQ(answers.error(), "");
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0].status, 500);
  EXPECT_EQ(answers[1].status, 500);
  EXPECT_EQ(answers[0].body.find("on purpose"), std::string::npos) << "what was thrown is nobody's business";
  EXPECT_EQ(answers[2].body, Pattern(3));
  EXPECT_EQ(http.Count(HttpCount::kHandlerFailed), 2u);
}

TEST(SimDeadlines, ARouteThatIsTooSlowAnswers504AndIsCounted) {
  SimHttp http(1, SampleRoutes());
  auto* peer = http.Ask("GET /slow/30 HTTP/1.1\r\nHost: sim\r\n\r\n");
  ExpectAfter(http.MsUntil([&] { return StatusOfLast(peer) != 0; }), 1);
  EXPECT_EQ(StatusOfLast(peer), 504);
  EXPECT_EQ(http.Count(HttpCount::kHandlerDeadline), 1u);
  auto* other = http.Ask("GET /slow/0 HTTP/1.1\r\nHost: sim\r\n\r\n");
  http.server.world.RunFor(100);
  EXPECT_EQ(StatusOfLast(other), 200);
}

// The deadline of the service holds where a route has none of its own; it ends with the response's head.
TEST(SimDeadlines, AStreamMayTakeLongerThanARoute) {
  Router router;
  router.Get("/ticks", [](Request&) {
    return Response::Stream("text/plain", [](BodyWriter& out) -> core::Task<> {
      for (int i = 0; i < 10; ++i) {
        if (const bool going = co_await out.Write("tick\n"); !going) co_return;
        co_await core::Sleep(10 * kNanosPerSecond);
      }
    });
  });
  router.Get("/never", [](Request&) -> core::Task<Response> {
    co_await core::Sleep(1000 * kNanosPerSecond);
    co_return Response::Text("");
  });
  SimHttp http(1, router, {.handler_deadline_s = 5});
  auto* ticks = http.Ask("GET /ticks HTTP/1.1\r\nHost: sim\r\n\r\n");
  auto* never = http.Ask("GET /never HTTP/1.1\r\nHost: sim\r\n\r\n");
  ExpectAfter(http.MsUntil([&] { return StatusOfLast(never) != 0; }), 5);
  EXPECT_EQ(StatusOfLast(never), 504);
  http.server.world.RunFor(110'000);
  ASSERT_EQ(SimHttp::AnswersTo(ticks).complete(), 1u) << ticks->received();
  EXPECT_EQ(SimHttp::AnswersTo(ticks)[0].body.size(), 50u);
}

// A stream that ends before its body does never looks whole.
TEST(SimDeadlines, AStreamThatFailsIsCutAndCounted) {
  Router router;
  router.Get("/throws", [](Request&) {
    return Response::Stream("text/plain", [](BodyWriter& out) -> core::Task<> {
      co_await out.Write("half");
      throw std::runtime_error("on purpose");
    });
  });
  router.Get("/short", [](Request&) {
    return Response::Stream("text/plain", [](BodyWriter& out) -> core::Task<> { co_await out.Write("half"); }, 8);
  });
  for (const char* path : {"/throws", "/short"}) {
    SCOPED_TRACE(path);
    SimHttp http(1, router);
    auto* peer = http.Ask(absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: sim\r\n\r\n"));
    http.server.world.RunFor(100);
    EXPECT_EQ(SimHttp::AnswersTo(peer).complete(), 0u);
    EXPECT_TRUE(peer->saw_reset());
    EXPECT_EQ(http.Count(HttpCount::kStreamsCut), 1u);
  }
}

// Nor does one that sends on what it reads, when that was refused behind its head.
TEST(SimDeadlines, AStreamWhoseRequestIsRefusedIsCut) {
  for (const bool slow : {true, false}) {
    SimHttp http(1, SampleRoutes());
    auto* peer = http.Ask("POST /echoed HTTP/1.1\r\nHost: sim\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    if (!slow) peer->Send("not a size\r\n");
    http.server.world.RunFor(35'000);
    const Answers answers = http.AnswersTo(peer);
    EXPECT_EQ(answers.error(), "");
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers.complete(), 0u) << peer->received();
    EXPECT_TRUE(peer->saw_reset());
    EXPECT_EQ(http.Count(HttpCount::kStreamsCut), 1u);
  }
}

TEST(SimDeadlines, AConnectionIsRetiredBehindItsLastRequest) {
  SimHttp http(1, SampleRoutes(), {.requests_max = 10'000});
  auto* peer = http.Connect();
  for (int i = 0; i < 100; ++i) {
    std::string many;
    for (int j = 0; j < 101; ++j) many += "GET /plain/1 HTTP/1.1\r\nHost: sim\r\n\r\n";
    peer->Send(many);
    http.server.world.RunFor(1);
  }
  http.server.world.RunFor(100);
  const Answers answers = http.AnswersTo(peer);
  EXPECT_EQ(answers.error(), "");
  ASSERT_EQ(answers.complete(), 10'000u);
  for (size_t i = 0; i < answers.size(); ++i) ASSERT_EQ(answers[i].closes, i == 9999) << i;
  EXPECT_TRUE(peer->saw_fin());
  EXPECT_FALSE(peer->saw_reset());
  EXPECT_EQ(http.Count(HttpCount::kRetired), 1u);
  peer->Close();
}

TEST(SimDeadlines, AnOldConnectionIsRetired) {
  SimHttp http(1, SampleRoutes(), {.connection_age_s = 100});
  auto* peer = http.Connect();
  const int64_t begin = http.server.world.now_ms();
  for (int i = 0; i < 30 && !peer->ended(); ++i) {
    peer->Send("GET /plain/1 HTTP/1.1\r\nHost: sim\r\n\r\n");
    http.server.world.RunFor(5000);
  }
  const int64_t age = http.server.world.now_ms() - begin;
  EXPECT_GE(age, 90'000);
  EXPECT_LE(age, 110'000);
  const Answers answers = http.AnswersTo(peer);
  EXPECT_TRUE(answers[answers.size() - 1].closes);
  EXPECT_EQ(http.Count(HttpCount::kRetired), 1u);
}

// What an idle connection costs beside its slot: the handler that New made.
TEST(SimDeadlines, AnIdleConnectionHoldsNoBlockAndOneFrame) {
  for (const char* request : {"GET /plain/30000 HTTP/1.1\r\nHost: sim\r\n\r\n",
                              "GET /later/5/9 HTTP/1.1\r\nHost: sim\r\n\r\n",
                              "GET /naps/5/900 HTTP/1.1\r\nHost: sim\r\n\r\n",
                              "POST /pulled HTTP/1.1\r\nHost: sim\r\nContent-Length: 3\r\n\r\nabc"}) {
    SCOPED_TRACE(request);
    SimHttp http(1, SampleRoutes());
    auto* peer = http.Connect();
    for (const char* c = request; *c != '\0'; ++c) {
      peer->Send(std::string(1, *c));
      http.server.world.RunUntilIdle();
    }
    http.server.world.RunFor(100);
    EXPECT_EQ(StatusOfLast(peer), 200);
    EXPECT_EQ(http.server.shard().frames().live(), 1u);
    EXPECT_EQ(http.server.shard().buffers().blocks_live(), 0u);
    EXPECT_EQ(http.server.engine().retained_blocks(), 0u);
  }
}

}  // namespace
}  // namespace mooring::server::http
