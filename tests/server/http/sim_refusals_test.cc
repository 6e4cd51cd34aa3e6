// SPDX-License-Identifier: Apache-2.0
// The table of requests through the whole service: each refusal is answered with its status and counted, the connection
// ends, and what stands behind the refused request is never read as one.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_replace.h"
#include "net/transport.h"
#include "server/http/method.h"
#include "server/http/refusal.h"
#include "tests/server/http/request_cases.h"
#include "tests/server/http/sim_http.h"

namespace mooring::server::http {
namespace {

const std::string kBehind = "GET /behind HTTP/1.1\r\nHost: a\r\n\r\n";

class SimRefusals : public testing::TestWithParam<net::TransportKind> {
 protected:
  // Answers to every method, and says that it was asked.
  Router Routes() {
    Router router;
    for (int i = 0; i < kMethods; ++i) {
      const auto method = static_cast<Method>(i);
      if (method == Method::kConnect) continue;
      router.Add(method, "/{path...}", [this](Request& request) {
        ++asked_;
        behind_ += request.path() == "/behind" ? 1 : 0;
        return Response::Text(std::string(request.body()));
      });
    }
    return router;
  }
  // None of the parser's alone.
  static bool HasUsualLimits(const RequestCase& one) {
    const RequestParser::Limits usual;
    return one.limits.request_line_bytes == usual.request_line_bytes &&
           one.limits.fields_bytes == usual.fields_bytes && one.limits.fields == usual.fields &&
           one.limits.body_bytes == usual.body_bytes;
  }

  int asked_ = 0;
  int behind_ = 0;
};

TEST_P(SimRefusals, AreAnsweredCountedAndTheLast) {
  SimHttp http(1, Routes(), {.header_deadline_s = 0}, {.transport = GetParam(), .mood = sim::Mood::kCalm});
  int seen = 0;
  for (const RequestCase& one : RequestCases()) {
    if (one.refusal == Refusal::kNone || !HasUsualLimits(one)) continue;
    SCOPED_TRACE(one.name);
    const uint64_t before = http.Refused(one.refusal);
    sim::SimPeer* peer = http.Ask(one.bytes + kBehind);
    http.server.world.RunFor(5);
    const Answers answers = SimHttp::AnswersTo(peer);
    ASSERT_EQ(answers.error(), "");
    ASSERT_EQ(answers.Final().size(), 1u) << peer->received();
    EXPECT_EQ(answers.Final()[0].status, one.status);
    EXPECT_TRUE(answers.Final()[0].closes);
    EXPECT_TRUE(peer->saw_fin());
    EXPECT_FALSE(peer->saw_reset());
    EXPECT_EQ(http.Refused(one.refusal), before + 1);
    EXPECT_EQ(asked_, 0);
    peer->Close();
    http.server.world.RunFor(5);
    ++seen;
  }
  EXPECT_GE(seen, 300);
}

TEST_P(SimRefusals, WhatIsAcceptedIsNotRefusedAndWhatIsBehindItIsReadFromItsFirstByte) {
  SimHttp http(1, Routes(), {.header_deadline_s = 0}, {.transport = GetParam(), .mood = sim::Mood::kCalm});
  int seen = 0;
  for (const RequestCase& one : RequestCases()) {
    if (one.summary.empty() || !HasUsualLimits(one)) continue;
    if (one.name == "chunks_then_another_request" || one.name == "length_then_another_request" ||
        one.name == "no_length" || one.name == "trailer_content_length" || one.name == "upgrade") {
      continue;  // have bytes behind themselves
    }
    SCOPED_TRACE(one.name);
    behind_ = 0;
    sim::SimPeer* peer = http.Ask(one.bytes + kBehind);
    http.server.world.RunFor(5);
    const bool head = one.summary.substr(0, 5) == "HEAD ";
    const Answers answers(peer->received(), {head});
    ASSERT_EQ(answers.error(), "") << peer->received();
    const bool keeps = one.summary.substr(0, one.summary.find('\n')).find(" keep") != std::string::npos;
    ASSERT_EQ(answers.Final().size(), keeps ? 2u : 1u) << peer->received();
    EXPECT_EQ(behind_, keeps ? 1 : 0);
    EXPECT_EQ(answers.Final()[0].closes, !keeps);
    peer->Close();
    http.server.world.RunFor(5);
    ++seen;
  }
  EXPECT_GE(seen, 80);
  for (int i = 1; i < static_cast<int>(Refusal::kCount); ++i) {
    EXPECT_EQ(http.Refused(static_cast<Refusal>(i)), 0u) << Name(static_cast<Refusal>(i));
  }
}

INSTANTIATE_TEST_SUITE_P(Transports, SimRefusals, testing::ValuesIn(net::kTransportKinds), [](const auto& info) {
  return absl::StrReplaceAll(std::string(net::Name(info.param)), {{"-", "_"}});
});

}  // namespace
}  // namespace mooring::server::http
