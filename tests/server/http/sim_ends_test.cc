// SPDX-License-Identifier: Apache-2.0
// How connections of the HTTP service end: drained with a grace, reset in the middle of anything, taken over.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/sleep.h"
#include "net/transport.h"
#include "server/http/body_writer.h"
#include "tests/server/http/sample_routes.h"
#include "tests/server/http/sim_http.h"

namespace mooring::server::http {
namespace {

constexpr char kGet[] = "GET /plain/3 HTTP/1.1\r\nHost: sim\r\n\r\n";
constexpr char kPost[] = "POST /whole HTTP/1.1\r\nHost: sim\r\nContent-Length: 5\r\n\r\n01234";

class SimHttpDrain : public testing::TestWithParam<net::TransportKind> {
 protected:
  static net::SimServer::Options On() { return {.transport = GetParam()}; }
};

// The request that was on its way when the drain began, whenever it comes.
TEST_P(SimHttpDrain, AnIdleConnectionMayBringOneMoreRequest) {
  for (const int64_t ms : {-1, 0, 1, 20, 500, 999, 1000, 2500, 4000, 4900}) {
    SCOPED_TRACE(ms);
    SimHttp http(static_cast<uint64_t>(ms + 10), SampleRoutes(), {}, On());
    auto* peer = http.Ask(kGet);
    if (ms < 0) peer->Send(kPost);  // under way
    http.server.BeginDrain();
    if (ms == 0) peer->Send(kPost);
    http.server.world.RunFor(std::max<int64_t>(ms, 0));
    EXPECT_FALSE(peer->saw_fin() && ms > 0) << "gone before its grace was over";
    if (ms > 0) peer->Send(kPost);
    http.server.world.RunFor(100);
    const Answers answers = http.AnswersTo(peer);
    EXPECT_EQ(answers.error(), "");
    ASSERT_EQ(answers.complete(), 2u);
    EXPECT_EQ(answers[1].status, 200);
    EXPECT_EQ(answers[1].body, Told("01234"));
    // What is answered before the shard has heard of the drain may be followed by another request.
    if (ms > 0) {
      EXPECT_TRUE(answers[1].closes);
    }
    if (!answers[1].closes) http.server.world.RunFor(7000);
    EXPECT_TRUE(peer->saw_fin());
    EXPECT_FALSE(peer->saw_reset());
    peer->Close();
    http.server.world.RunFor(2000);  // the listener takes its time, too
    EXPECT_TRUE(http.server.drained());
    EXPECT_EQ(http.Count(HttpCount::kDrainGraceExpired), answers[1].closes ? 0u : 1u);
  }
}

TEST_P(SimHttpDrain, AnIdleConnectionThatStaysSilentGetsAFinAfterItsGrace) {
  for (const uint32_t grace : {1u, 5u, 12u}) {
    SimHttp http(1, SampleRoutes(), {.drain_keepalive_grace_s = grace}, On());
    auto* used = http.Ask(kGet);
    auto* fresh = http.Connect();
    const size_t answered = used->received().size();
    http.server.BeginDrain();
    const int64_t took = http.MsUntil([&] { return used->ended() && fresh->ended(); });
    EXPECT_GE(took, grace * 1000 - 1);
    EXPECT_LE(took, grace * 1000 + 2000);
    EXPECT_TRUE(used->saw_fin());
    EXPECT_TRUE(fresh->saw_fin());
    EXPECT_FALSE(used->saw_reset() || fresh->saw_reset());
    EXPECT_EQ(used->received().size(), answered);
    EXPECT_EQ(http.Count(HttpCount::kDrainGraceExpired), 2u);
    used->Close();
    fresh->Close();
    http.server.world.RunFor(10);
    EXPECT_TRUE(http.server.drained());
  }
}

// Its listener goes, and the server goes on.
TEST_P(SimHttpDrain, ARequestThatBeginsInTheGraceHasTheTimeOfAHead) {
  const std::string_view get = kGet;
  for (const bool first : {true, false}) {
    SimHttp http(1, SampleRoutes(), {.header_deadline_s = 10, .drain_keepalive_grace_s = 2}, On());
    auto* peer = first ? http.Connect() : http.Ask(kGet);
    peer->TakeReceived();
    http.server.BeginDrain();
    http.server.world.RunFor(1000);
    peer->Send(get.substr(0, 10));
    http.server.world.RunFor(6000);
    EXPECT_EQ(peer->received(), "") << "it is late for the grace, and not for a head";
    peer->Send(get.substr(10));
    http.server.world.RunFor(1000);
    EXPECT_EQ(peer->received().substr(0, 15), "HTTP/1.1 200 OK") << first;
    EXPECT_TRUE(peer->saw_fin());
  }
}

TEST_P(SimHttpDrain, AListenerThatIsDrainedByItselfEndsItsConnectionsTheSameWay) {
  SimHttp http(1, SampleRoutes(), {.drain_keepalive_grace_s = 3}, On());
  auto* idle = http.Ask(kGet);
  auto* asks = http.Ask(kGet);
  auto* later = http.Ask("GET /later/2000/9 HTTP/1.1\r\nHost: sim\r\n\r\n");
  for (auto* peer : {idle, asks, later}) peer->CloseOnEof();
  http.server.RetireListener(0);
  http.server.NotifyConnections(0, 100, 0);
  http.server.world.RunFor(1000);
  EXPECT_FALSE(idle->ended() || asks->ended() || later->ended());
  asks->Send(kGet);
  http.server.world.RunFor(100);
  const Answers answers = http.AnswersTo(asks);
  ASSERT_EQ(answers.complete(), 2u);
  EXPECT_FALSE(answers[0].closes);
  EXPECT_TRUE(answers[1].closes);
  EXPECT_TRUE(asks->saw_fin());
  EXPECT_FALSE(idle->ended() || later->ended());
  http.server.world.RunFor(1500);
  ASSERT_EQ(http.AnswersTo(later).complete(), 1u);
  EXPECT_TRUE(http.AnswersTo(later)[0].closes);
  EXPECT_TRUE(later->saw_fin());
  http.server.world.RunFor(2500);
  EXPECT_TRUE(idle->saw_fin());
  for (auto* peer : {idle, asks, later}) EXPECT_FALSE(peer->saw_reset());
  EXPECT_EQ(http.server.live(), 0u);
  EXPECT_EQ(http.server.Cause(net::CloseCause::kOperator), 3u);
  EXPECT_EQ(http.Count(HttpCount::kDrainGraceExpired), 1u);
  EXPECT_FALSE(http.server.drained());
}

// What the server sends FIN to may still be on its way to it: no RST answers it.
TEST_P(SimHttpDrain, ARequestThatCrossesTheFinIsNotAnsweredWithAReset) {
  SimHttp http(1, SampleRoutes(), {.drain_keepalive_grace_s = 1}, On());
  auto* peer = http.Ask(kGet);
  http.server.BeginDrain();
  ASSERT_GE(http.MsUntil([&] { return peer->saw_fin(); }), 999);
  peer->Send(kPost);
  http.server.world.RunFor(1000);
  EXPECT_FALSE(peer->saw_reset());
  peer->Close();
  http.server.world.RunFor(10);
  EXPECT_TRUE(http.server.drained());
  EXPECT_FALSE(peer->saw_reset());
}

TEST_P(SimHttpDrain, TheRequestUnderWayIsAnsweredAndSaysThatItIsTheLast) {
  SimHttp http(1, SampleRoutes(), {}, On());
  auto* later = http.Ask("GET /later/3000/9 HTTP/1.1\r\nHost: sim\r\n\r\n");
  auto* naps = http.Ask("GET /naps/2000/5 HTTP/1.1\r\nHost: sim\r\n\r\n");  // 4 s; its head is out
  auto* halves = http.Ask(std::string(kPost).substr(0, 20));
  auto* body = http.Ask("POST /pulled HTTP/1.1\r\nHost: sim\r\nContent-Length: 5\r\n\r\n01");
  http.server.world.RunFor(10);
  http.server.BeginDrain();
  http.server.world.RunFor(1000);
  EXPECT_FALSE(later->ended() || naps->ended() || halves->ended() || body->ended());
  halves->Send(std::string(kPost).substr(20));
  body->Send("234");
  http.server.world.RunFor(20'000);
  for (auto* peer : {later, naps, halves, body}) {
    const Answers answers = http.AnswersTo(peer);
    EXPECT_EQ(answers.error(), "");
    ASSERT_EQ(answers.complete(), 1u);
    EXPECT_EQ(answers[0].status, 200);
    EXPECT_EQ(answers[0].closes, peer != naps);
    EXPECT_TRUE(peer->saw_fin());
    EXPECT_FALSE(peer->saw_reset());
    peer->Close();
  }
  EXPECT_EQ(http.AnswersTo(naps)[0].body.size(), 10'000u);
  http.server.world.RunFor(10);
  EXPECT_TRUE(http.server.drained());
}

// All that the kernel had when the drain began. The last answer says that it is the last, or the grace follows.
TEST_P(SimHttpDrain, PipelinedRequestsAreAllAnswered) {
  for (const int count : {1, 2, 10, 500}) {
    SCOPED_TRACE(count);
    SimHttp http(1, SampleRoutes(), {}, On());
    auto* peer = http.Connect();
    std::string many = "GET /later/50/9 HTTP/1.1\r\nHost: sim\r\n\r\n";
    for (int i = 1; i < count; ++i) many += kGet;
    peer->Send(many);
    http.server.world.RunUntilIdle();
    http.server.BeginDrain();
    http.server.world.RunFor(10'000);
    const Answers answers = http.AnswersTo(peer);
    EXPECT_EQ(answers.error(), "");  // nothing behind one that closes
    EXPECT_EQ(answers.complete(), static_cast<size_t>(count));
    EXPECT_TRUE(peer->saw_fin());
    EXPECT_FALSE(peer->saw_reset());
    peer->Close();
    http.server.world.RunFor(10);
    EXPECT_TRUE(http.server.drained());
  }
}

INSTANTIATE_TEST_SUITE_P(Transports, SimHttpDrain, testing::ValuesIn(net::kTransportKinds), [](const auto& info) {
  std::string name(net::Name(info.param));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// Resets.

const char* const kRequests[] = {
    "GET /plain/20 HTTP/1.1\r\nHost: sim\r\n\r\n",
    "GET /naps/3/50 HTTP/1.1\r\nHost: sim\r\n\r\n",
    "POST /whole HTTP/1.1\r\nHost: sim\r\nContent-Length: 12\r\n\r\n0123456789ab",
    "POST /pulled HTTP/1.1\r\nHost: sim\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n\r\n",
    "POST /slowly HTTP/1.1\r\nHost: sim\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n\r\n",
    "POST /echoed HTTP/1.1\r\nHost: sim\r\nContent-Length: 12\r\n\r\n0123456789ab",
};

class SimResets : public testing::TestWithParam<net::TransportKind> {};

// The end of each SimHttp checks that nothing is left over.
TEST_P(SimResets, AtEveryByteOfARequestLeaveNothingBehind) {
  for (const std::string_view request : kRequests) {
    SCOPED_TRACE(std::string(request));
    SimHttp http(net::Seed(1), SampleRoutes(), {}, {.transport = GetParam()});
    for (size_t i = 0; i <= request.size(); ++i) {
      for (const int how : {0, 1, 2}) {
        auto* peer = http.Ask(request.substr(0, i));
        how == 0 ? peer->Reset() : how == 1 ? peer->Close() : peer->HalfClose();
        http.server.world.RunFor(20);
        const std::string& got = peer->received();
        if (how == 2) {
          EXPECT_TRUE(peer->ended()) << "still there after a FIN at " << i << ": " << got;
          const Answers answers = http.AnswersTo(peer);
          EXPECT_EQ(answers.error(), "");
          if (i == request.size()) {
            EXPECT_EQ(answers.complete(), 1u) << "a half-closed client is answered";
          }
          if (i == 0) {
            EXPECT_EQ(got, "");
          }
          peer->Close();
        }
      }
    }
    http.server.world.RunFor(40'000);
    EXPECT_EQ(http.server.live(), 0u);
    EXPECT_EQ(http.server.shard().frames().live(), 0u);
    EXPECT_EQ(http.server.shard().buffers().blocks_live(), 0u);
  }
}

TEST_P(SimResets, AtEveryPlaceOfAnAnswerLeaveNothingBehind) {
  for (const std::string_view request : {"GET /chunks/40/2000 HTTP/1.1\r\nHost: sim\r\n\r\n",
                                         "GET /naps/10/700 HTTP/1.1\r\nHost: sim\r\n\r\n",
                                         "GET /plain/90000 HTTP/1.1\r\nHost: sim\r\n\r\n",
                                         "GET /sized/10/5000 HTTP/1.1\r\nHost: sim\r\n\r\n"}) {
    SCOPED_TRACE(std::string(request));
    SimHttp http(net::Seed(2), SampleRoutes(), {}, {.transport = GetParam()});
    for (size_t at = 1; at < 100'000; at += at < 400 ? 7 : 1 + at / 3) {
      for (const bool reset : {true, false}) {
        auto* peer = http.Connect();
        peer->ReadSlowly(1 + at / 20, 1);
        peer->Send(request);
        http.server.world.RunUntil([&] { return peer->received().size() >= at; }, 500);
        reset ? peer->Reset() : peer->Close();
        http.server.world.RunFor(50);
      }
    }
    http.server.world.RunFor(70'000);
    EXPECT_EQ(http.server.live(), 0u);
    EXPECT_EQ(http.server.shard().frames().live(), 0u);
    EXPECT_EQ(http.server.shard().buffers().blocks_live(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Transports, SimResets, testing::ValuesIn(net::kTransportKinds), [](const auto& info) {
  std::string name(net::Name(info.param));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// Taking over.

Router WithTakeOver() {
  Router router = SampleRoutes();
  router.Get("/up", [](Request& request) {
    if (!request.upgrade()) return Response::Plain(426);
    return Response::TakeOver("lines", [](net::Connection& conn) -> core::Task<> {
      while (auto line = co_await conn.ReadLine()) {
        conn.Write(*line);
        conn.Write("!\n");
      }
    });
  });
  router.Get("/later_up", [](Request&) -> core::Task<Response> {
    co_await core::Sleep(core::kNanosPerMs);
    co_return Response::TakeOver("lines", [greeting = std::string("welcome\n")](net::Connection& conn) -> core::Task<> {
      conn.Write(greeting);
      while (auto line = co_await conn.ReadLine()) conn.Write("?\n");
    });
  });
  return router;
}

constexpr char kUp[] = "GET /up HTTP/1.1\r\nHost: sim\r\nConnection: upgrade\r\nUpgrade: lines\r\n\r\n";
constexpr char kLaterUp[] = "GET /later_up HTTP/1.1\r\nHost: sim\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n";

std::string Behind101(const std::string& received) {
  const size_t end = received.find("\r\n\r\n");
  EXPECT_EQ(received.rfind("HTTP/1.1 101 ", 0), 0u) << received;
  return end == std::string::npos ? received : received.substr(end + 4);
}

TEST(SimTakeOver, TheFunctionReadsWhatCameBehindTheHeadFirst) {
  const std::string up = absl::StrCat(kUp, "first\nsecond\nthi");
  for (size_t cut = 1; cut <= up.size(); ++cut) {
    SimHttp http(1, WithTakeOver());
    auto* peer = http.Ask(up.substr(0, cut));
    peer->Send(up.substr(cut));
    http.server.world.RunUntilIdle();
    peer->Send("rd\n");
    http.server.world.RunUntilIdle();
    ASSERT_EQ(Behind101(peer->received()), "first!\nsecond!\nthird!\n") << "cut at " << cut;
    EXPECT_EQ(http.Count(HttpCount::kTakenOver), 1u);
    peer->HalfClose();
    http.server.world.RunUntilIdle();
    EXPECT_TRUE(peer->saw_fin());
  }
}

TEST(SimTakeOver, AnAnswerInFrontAndACoroutineDoNotMatter) {
  SimHttp http(1, WithTakeOver());
  auto* peer = http.Ask(absl::StrCat("GET /later/3/2 HTTP/1.1\r\nHost: sim\r\n\r\n", kLaterUp, "a\nb\n"));
  http.server.world.RunFor(20);
  const size_t at = peer->received().find("HTTP/1.1 101 ");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(Behind101(peer->received().substr(at)), "welcome\n?\n?\n");
  // No deadline of HTTP is left on it.
  http.server.world.RunFor(200'000);
  EXPECT_FALSE(peer->ended());
  peer->Send("c\n");
  http.server.world.RunUntilIdle();
  EXPECT_EQ(Behind101(peer->received().substr(at)), "welcome\n?\n?\n?\n");
  peer->Close();
  http.server.world.RunFor(20);
  EXPECT_EQ(http.server.live(), 0u);
}

TEST(SimTakeOver, ADrainEndsWhatWasTakenOverAsItEndsAnyTask) {
  SimHttp http(1, WithTakeOver());
  auto* peer = http.Ask(absl::StrCat(kUp, "a\n"));
  http.server.BeginDrain();
  http.server.world.RunFor(1000);
  EXPECT_EQ(Behind101(peer->received()), "a!\n");
  EXPECT_TRUE(peer->saw_fin());
  peer->Close();
  http.server.world.RunFor(20);
  EXPECT_TRUE(http.server.drained());
}

TEST(SimTakeOver, IsRefusedWhereNobodyAskedForIt) {
  SimHttp http(1, WithTakeOver());
  auto* peer = http.Ask("GET /later_up HTTP/1.1\r\nHost: sim\r\n\r\n");
  http.server.world.RunFor(20);
  ASSERT_EQ(http.AnswersTo(peer).size(), 1u);
  EXPECT_EQ(http.AnswersTo(peer)[0].status, 500);
  EXPECT_EQ(http.Count(HttpCount::kTakenOver), 0u);
}

}  // namespace
}  // namespace mooring::server::http
