// SPDX-License-Identifier: Apache-2.0
// docs/examples/api.cc: one that asks another, and what becomes of what the other one does wrong.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/examples/example.h"
#include "tests/examples/target.h"
#include "tests/scenario/client.h"
#include "tests/server/http/answers.h"

namespace mooring::examples {
namespace {

using scenario::Client;
using server::http::Answer;
using server::http::Answers;

std::string Get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
}

Answer Ask(uint16_t port, const std::string& target) {
  Client client(port);
  if (!client.Send(Get(target))) return {};
  const Answers answers(client.ReceiveToFin());
  EXPECT_EQ(answers.error(), "");
  EXPECT_EQ(answers.complete(), 1u);
  return answers.size() == 1 ? answers[0] : Answer();
}

std::vector<std::string> Asks(uint16_t station) {
  return {"--shards=2", "--station=127.0.0.1:" + std::to_string(station)};
}

TEST(ApiExample, AnswersOutOfWhatTheOtherOneSays) {
  Example station("api", {"--shards=1"});
  Example api("api", Asks(station.port()));
  const Answer oslo = Ask(api.port(), "/weather/oslo");
  EXPECT_EQ(oslo.status, 200);
  EXPECT_EQ(oslo.Field("Content-Type"), "application/json");
  EXPECT_EQ(oslo.body, "{\"celsius\":-3.5,\"feels\":\"cold\"}\n");
  EXPECT_EQ(Ask(api.port(), "/weather/%63airo").body, "{\"celsius\":31.5,\"feels\":\"hot\"}\n");
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Ask(api.port(), "/weather/berlin").status, 200);
  const Answer nobody = Ask(api.port(), "/weather/a%20b%2Fc%0d%0aX:%20y");
  EXPECT_EQ(nobody.status, 404);
  EXPECT_EQ(nobody.body, "{\"error\":\"nobody measures there\"}\n");
  api.ExpectDrained();
  station.ExpectDrained();
}

TEST(ApiExample, SaysSoWhenTheOtherOneIsGoneAndGoesOnWhenItIsBack) {
  auto station = std::make_unique<Example>("api", std::vector<std::string>{"--shards=1"});
  const uint16_t port = station->port();
  Example api("api", Asks(port));
  EXPECT_EQ(Ask(api.port(), "/weather/oslo").status, 200);
  station->ExpectDrained();
  station.reset();
  const Answer gone = Ask(api.port(), "/weather/oslo");
  EXPECT_EQ(gone.status, 502);
  EXPECT_NE(gone.body.find("connection refused"), std::string::npos) << gone.body;
  server::Daemon again({"--shards=1", "--listen=api=127.0.0.1:" + std::to_string(port)}, [] {
    server::Daemon::Options options;
    options.binary = "docs/examples/api";
    return options;
  }());
  again.AwaitPort("api");
  EXPECT_EQ(Ask(api.port(), "/weather/oslo").status, 200);
  api.ExpectDrained();
}

TEST(ApiExample, WhatTheOtherOneDoesWrongIsNotPassedOn) {
  struct Wrong {
    std::string_view answer;
    int status;
    std::string_view why;
  };
  const Wrong table[] = {
      {"SSH-2.0-x\r\n", 502, "against the rules: no_http"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 502, "length_and_coding"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{]}", 502, "does not say how warm"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"celsius\":null}", 502, "does not say how warm"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull", 502, "does not say how warm"},
      {"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", 502, "does not say how warm"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnu", 504, "body was not complete in time"},
      {"", 504, "no answer in time"},
  };
  Target target;
  Example api("api", {"--shards=1", "--station=127.0.0.1:" + std::to_string(target.port())});
  for (const Wrong& wrong : table) {
    SCOPED_TRACE(wrong.answer);
    Client client(api.port());
    ASSERT_TRUE(client.Send(Get("/weather/oslo")));
    Client upstream = target.Accept();
    const std::string asked =
        "GET /measured/oslo HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(target.port()) + "\r\n";
    EXPECT_EQ(upstream.Receive(asked.size()), asked);
    ASSERT_TRUE(upstream.Send(wrong.answer));
    const Answers answers(client.ReceiveToFin());
    ASSERT_EQ(answers.complete(), 1u) << answers.error();
    EXPECT_EQ(answers[0].status, wrong.status);
    EXPECT_NE(answers[0].body.find(wrong.why), std::string::npos) << answers[0].body;
    upstream.Reset();
  }
  api.ExpectDrained();
}

}  // namespace
}  // namespace mooring::examples
