// SPDX-License-Identifier: Apache-2.0
// Requests over the simulated kernel, cut anywhere and behind each other: what is answered is what was asked.
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "net/transport.h"
#include "tests/net/dice.h"
#include "tests/server/http/sample_routes.h"
#include "tests/server/http/sim_http.h"

namespace mooring::server::http {
namespace {

using net::Seed;
using net::SimServer;
using net::TransportKind;

std::string NameOf(TransportKind kind) { return absl::StrReplaceAll(std::string(net::Name(kind)), {{"-", "_"}}); }

class SimSplits : public testing::TestWithParam<TransportKind> {};

// All that there is in few bytes: each framing, a stream, HEAD, and an end that nobody may read on behind.
const char kSized[] =
    "POST /whole HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\n\r\n01234"
    "GET /plain/2 HTTP/1.1\r\nHost: s\r\n\r\n";
const char kChunked[] =
    "POST /pulled HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n"
    "GET /x HTTP/1.0\r\n\r\n";
const char kEcho[] =
    "POST /echoed HTTP/1.1\r\nHost: s\r\nContent-Length: 4\r\n\r\nabcd"
    "HEAD /sized/2/3 HTTP/1.1\r\nHost: s\r\n\r\n";
const char kUnread[] =
    "POST /ignored HTTP/1.1\r\nHost: s\r\nContent-Length: 4\r\n\r\nabcd"
    "POST /begun HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    "GET /plain/3 HTTP/1.1\r\nHost: s\r\n\r\n";
const char kRefused[] =
    "GET /plain/1 HTTP/1.1\r\nHost: s\r\n\r\n"
    "GET /plain/1 HTTP/1.1\r\nHost: s\r\n a: fold\r\n\r\nGET / HTTP/1.1\r\n";

// What was answered, without what the cut may change: the sizes of an echo's chunks, and the second.
std::string Gist(const sim::SimPeer* peer, const std::vector<bool>& heads) {
  const Answers answers(peer->received(), heads);
  std::string gist = answers.error();
  for (const Answer& each : answers.Final()) {
    absl::StrAppend(&gist, each.status, each.complete ? " whole" : " cut", each.closes ? " closes" : "", "\n");
    for (const auto& [name, value] : each.fields) {
      if (name != "Date") absl::StrAppend(&gist, name, ": ", value, "\n");
    }
    absl::StrAppend(&gist, "\n", each.body, "\n");
  }
  return absl::StrCat(gist, answers.rest(), peer->saw_fin() ? " FIN" : "", peer->saw_reset() ? " RST" : "");
}

class Splits {
 public:
  explicit Splits(TransportKind transport)
      : http_(1, SampleRoutes(), {.header_deadline_s = 0}, {.transport = transport, .mood = sim::Mood::kCalm}) {}

  std::string After(const std::vector<std::string_view>& parts, const std::vector<bool>& heads) {
    sim::SimPeer* peer = http_.Connect();
    for (const std::string_view part : parts) {
      peer->Send(part);
      http_.server.world.RunUntilIdle();
    }
    http_.server.world.RunFor(5);
    std::string gist = Gist(peer, heads);
    peer->Close();
    http_.server.world.RunFor(5);
    return gist;
  }

 private:
  SimHttp http_;
};

TEST_P(SimSplits, InTwoAnywhereGiveTheSameAnswers) {
  Splits splits(GetParam());
  for (const std::string_view bytes : {kSized, kChunked, kEcho, kUnread, kRefused}) {
    const std::vector<bool> heads = {false, bytes == kEcho};
    const std::string whole = splits.After({bytes}, heads);
    ASSERT_NE(whole.find("200 whole"), std::string::npos) << whole;
    for (size_t i = 1; i < bytes.size(); ++i) {
      ASSERT_EQ(splits.After({bytes.substr(0, i), bytes.substr(i)}, heads), whole) << bytes << "\ncut at " << i;
    }
  }
}

TEST_P(SimSplits, InThreeAnywhereGiveTheSameAnswers) {
  Splits splits(GetParam());
  for (const std::string_view bytes : {kSized, kChunked, kEcho, kUnread, kRefused}) {
    const std::vector<bool> heads = {false, bytes == kEcho};
    const std::string whole = splits.After({bytes}, heads);
    for (size_t i = 1; i < bytes.size(); ++i) {
      for (size_t j = i + 1; j < bytes.size(); ++j) {
        ASSERT_EQ(splits.After({bytes.substr(0, i), bytes.substr(i, j - i), bytes.substr(j)}, heads), whole)
            << bytes << "\ncut at " << i << " and " << j;
      }
    }
  }
}

TEST_P(SimSplits, ByteByByteGiveTheSameAnswers) {
  Splits splits(GetParam());
  for (const std::string_view bytes : {kSized, kChunked, kEcho, kUnread, kRefused}) {
    const std::vector<bool> heads = {false, bytes == kEcho};
    std::vector<std::string_view> parts;
    for (size_t i = 0; i < bytes.size(); ++i) parts.push_back(bytes.substr(i, 1));
    EXPECT_EQ(splits.After(parts, heads), splits.After({bytes}, heads)) << bytes;
  }
}

INSTANTIATE_TEST_SUITE_P(Transports, SimSplits, testing::ValuesIn(net::kTransportKinds),
                         [](const auto& info) { return NameOf(info.param); });

class SimPipelines : public testing::TestWithParam<std::tuple<TransportKind, uint64_t>> {};

// Peers that ask random questions, as many at once and in such pieces as the dice say, and read as fast as these say.
TEST_P(SimPipelines, AreAnsweredInOrderAndByteForByte) {
  const uint64_t first = Seed(std::get<1>(GetParam()) * 1000);
  for (uint64_t seed = first; seed < first + (net::SeedGiven() ? 1 : 8); ++seed) {
    SCOPED_TRACE(absl::StrCat("MOORING_SEED=", seed));
    sim::SeededDecisions decisions(seed);
    net::Dice dice(&decisions);
    HttpOptions options;
    options.body_rate_bytes = 0;
    SimHttp http(seed, SampleRoutes(), options,
                 {.shards = static_cast<uint32_t>(dice.Between(1, 2)), .transport = std::get<0>(GetParam())});
    sim::World& world = http.server.world;

    struct Asker {
      sim::SimPeer* peer;
      std::vector<Question> questions;
      std::string left;
    };
    std::vector<Asker> askers(dice.Between(1, 4));
    for (Asker& asker : askers) {
      asker.peer = http.server.Connect(http.at);
      for (uint64_t n = dice.Between(1, 40); n > 0; --n) {
        asker.questions.push_back(DrawQuestion(dice, {}));
        asker.left += asker.questions.back().bytes;
      }
      // A request that cannot be read is answered, and the last one.
      if (dice.Chance(20)) {
        Question wrong;
        wrong.bytes = "GET / HTTP/1.1\r\nHost: sim\r\nHost: two\r\n\r\n";
        wrong.status = 400;
        wrong.closes = true;
        asker.left += wrong.bytes;
        asker.questions.push_back(wrong);
      }
    }
    for (int round = 0; round < 3000; ++round) {
      Asker& asker = askers[dice.Pick(askers.size())];
      const uint64_t what = dice.Pick(10);
      if (what == 0) asker.peer->Stall();
      if (what == 1) asker.peer->ReadSlowly(dice.Between(1, 2000), static_cast<int64_t>(dice.Between(1, 10)));
      if (what == 2) asker.peer->Resume();
      if (what > 4 && !asker.left.empty()) {
        const size_t n = dice.Between(1, dice.Chance(50) ? 30 : asker.left.size());
        asker.peer->Send(asker.left.substr(0, n));
        asker.left.erase(0, n);
      }
      for (uint64_t n = dice.Pick(20); n > 0 && world.Step(); --n) {
      }
      if (dice.Chance(5)) world.RunFor(static_cast<int64_t>(dice.Between(1, 30)));
      if (round % 20 == 0) {
        ASSERT_EQ(WrongIn(asker.peer->received(), asker.questions, false), "");
      }
    }
    for (Asker& asker : askers) {
      asker.peer->Resume();
      asker.peer->Send(asker.left);
    }
    for (int i = 0; i < 200; ++i) {
      size_t before = 0;
      size_t after = 0;
      for (Asker& asker : askers) before += asker.peer->received().size();
      world.RunFor(100);
      for (Asker& asker : askers) after += asker.peer->received().size();
      if (after == before) break;
    }
    for (Asker& asker : askers) {
      EXPECT_EQ(WrongIn(asker.peer->received(), asker.questions, true), "");
      bool closed = false;
      for (const Question& question : asker.questions) closed |= question.closes;
      EXPECT_EQ(asker.peer->saw_fin(), closed);
      EXPECT_FALSE(asker.peer->saw_reset());
      asker.peer->Close();
    }
    world.RunFor(40'000);
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

INSTANTIATE_TEST_SUITE_P(All, SimPipelines,
                         testing::Combine(testing::ValuesIn(net::kTransportKinds), testing::Range<uint64_t>(1, 6)),
                         [](const auto& info) {
                           return absl::StrCat(NameOf(std::get<0>(info.param)), "_", std::get<1>(info.param));
                         });

// An answer's end is told by the connection's to a client of HTTP/1.0, and by a chunk to one of 1.1.
TEST(SimPipelines, AStreamOfUnknownLengthEndsAsTheVersionSays) {
  SimHttp http(1, SampleRoutes());
  auto* old_one = http.Ask("GET /chunks/3/4 HTTP/1.0\r\n\r\n");
  auto* new_one = http.Ask("GET /chunks/3/4 HTTP/1.1\r\nHost: sim\r\n\r\n");
  http.server.world.RunFor(10);
  const Answers old_answers = http.AnswersTo(old_one);
  EXPECT_EQ(old_answers.error(), "");
  ASSERT_EQ(old_answers.size(), 1u);
  EXPECT_TRUE(old_answers[0].to_end);
  EXPECT_EQ(old_answers[0].body, Pattern(4) + Pattern(4, 1) + Pattern(4, 2));
  EXPECT_TRUE(old_one->saw_fin());
  const Answers new_answers = http.AnswersTo(new_one);
  EXPECT_EQ(new_answers.error(), "");
  ASSERT_EQ(new_answers.size(), 1u);
  EXPECT_TRUE(new_answers[0].chunked && new_answers[0].complete);
  EXPECT_EQ(new_answers[0].body, old_answers[0].body);
  EXPECT_FALSE(new_one->saw_fin());
}

TEST(SimPipelines, AClientThatWaitsForItIsToldToGoOn) {
  for (const char* route : {"/whole", "/pulled", "/echoed"}) {
    SCOPED_TRACE(route);
    SimHttp http(1, SampleRoutes());
    auto* peer = http.Ask(absl::StrCat("POST ", route, " HTTP/1.1\r\nHost: sim\r\nExpect: 100-continue\r\n",
                                       "Content-Length: 5\r\n\r\n"));
    EXPECT_NE(peer->received().find("HTTP/1.1 100 Continue\r\n\r\n"), std::string::npos) << peer->received();
    peer->Send("01234");
    http.server.world.RunUntilIdle();
    const Answers answers = http.AnswersTo(peer);
    EXPECT_EQ(answers.error(), "");
    ASSERT_EQ(answers.Final().size(), 1u);
    EXPECT_EQ(answers.Final()[0].status, 200);
    EXPECT_EQ(http.Count(HttpCount::kContinued), 1u);
  }
}

// Who is answered without being told to go on does not send the body, or does: the connection ends behind the answer.
TEST(SimPipelines, AClientThatIsNotToldToGoOnMayNotBeMisread) {
  SimHttp http(1, SampleRoutes());
  auto* peer = http.Ask("POST /missing HTTP/1.1\r\nHost: sim\r\nExpect: 100-continue\r\nContent-Length: 35\r\n\r\n");
  peer->Send("GET /plain/1 HTTP/1.1\r\nHost: s\r\n\r\n");  // is it the body, or a request?
  http.server.world.RunUntilIdle();
  const Answers answers = http.AnswersTo(peer);
  EXPECT_EQ(answers.error(), "");
  ASSERT_EQ(answers.Final().size(), 1u);
  EXPECT_EQ(answers.Final()[0].status, 404);
  EXPECT_TRUE(answers.Final()[0].closes || http.Count(HttpCount::kContinued) == 1);
}

// A body that nobody reads is passed over, or its connection ends: its bytes are never a request.
TEST(SimPipelines, ABodyThatNobodyReadsIsNoRequest) {
  SimHttp http(1, SampleRoutes());
  const std::string body = "GET /plain/1 HTTP/1.1\r\nHost: s\r\n\r\n";
  auto* peer = http.Ask(absl::StrCat("POST /ignored HTTP/1.1\r\nHost: sim\r\nContent-Length: ", body.size(),
                                     "\r\n\r\n", body));
  const Answers answers = http.AnswersTo(peer);
  EXPECT_EQ(answers.error(), "");
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].body, "ignored");
}

}  // namespace
}  // namespace mooring::server::http
