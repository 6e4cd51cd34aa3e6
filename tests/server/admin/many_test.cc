// SPDX-License-Identifier: Apache-2.0
// A list of 100,000 connections, on a transport that moves nothing: a shard looks at 1,000 in a turn, and stops when
// nobody waits any more.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/shards.h"
#include "net/engine.h"
#include "server/admin/connection_list.h"
#include "server/echo.h"
#include "tests/core/test_port.h"
#include "tests/core/test_root.h"
#include "tests/server/fake_control.h"
#include "tests/server/http/request_builder.h"
#include "tests/server/watch/watch_bed.h"

namespace mooring::server::admin {
namespace {

using core::SteppedShard;
using core::Task;

constexpr uint32_t kConnections = 100'000;
constexpr uint32_t kShards = 2;
constexpr uint32_t kSteps = kConnections / kShards / net::Engine::kListedPerCall;

struct FullShard {
  explicit FullShard(uint32_t id)
      : stepped({.id = id}), engine(&stepped.shard, {.connections_max = kConnections / kShards}) {
    transport.events = engine.events();
    stepped.shard.SetPort(&transport);
    engine.SetTransport(&transport);
    core::Shard::Enter enter(&stepped.shard);
    const net::ListenerId listener = engine.AddListener("echo", &echo, {});
    for (uint32_t i = 0; i < kConnections / kShards; ++i)
      transport.events->OnOpen(transport.events->OnAccept(listener, false));
  }
  ~FullShard() {
    {
      core::Shard::Enter enter(&stepped.shard);
      engine.CutAll();
    }
    for (int i = 0; i < 3; ++i) stepped.shard.RunTurn(0);
    EXPECT_EQ(engine.live(), 0u);
  }

  watch::StillTransport transport;
  SteppedShard stepped;
  Echo echo;
  net::Engine engine;
};

class ManyConnections : public ::testing::Test {
 protected:
  ManyConnections() {
    control_.shard.SetShards(&shards_);
    for (FullShard* each : {&first_, &second_}) {
      fake_.shards_now.push_back({.shard = &each->stepped.shard,
                                  .engine = &each->engine,
                                  .transport = &each->transport,
                                  .cpu = -1,
                                  .handlers = {}});
    }
  }
  ~ManyConnections() override {
    for (int i = 0; i < 5; ++i) Round();  // late answers
    EXPECT_EQ(control_.shard.frames().live(), 0u);
    EXPECT_EQ(control_.shard.wheel().armed(), 0u);
  }
  void Ask(const char* target) {
    root_.emplace();
    response_.reset();
    built_.emplace(http::Method::kGet, target);
    core::Shard::Enter enter(&control_.shard);
    const auto ask = [](ConnectionList* list, http::Request* request,
                        std::optional<http::Response>* response) -> Task<> {
      *response = co_await list->List(*request);
    };
    ASSERT_TRUE(ask(&list_, &built_->request(), &response_).Start(&*root_));
  }
  // A turn of each. Control is the faster one: it has several for each of the others.
  void Round() {
    for (int i = 0; i < 3; ++i) control_.shard.RunTurn(0);
    first_.stepped.shard.RunTurn(0);
    second_.stepped.shard.RunTurn(0);
    for (int i = 0; i < 3; ++i) control_.shard.RunTurn(0);
  }

  FullShard first_{0};
  FullShard second_{1};
  SteppedShard control_{{.id = kShards}};
  core::Shards shards_{{&first_.stepped.shard, &second_.stepped.shard}};
  FakeControl fake_;
  ConnectionList list_{&fake_, core::Seconds(2)};
  std::optional<http::RequestBuilder> built_;
  std::optional<http::Response> response_;
  std::optional<core::TestRoot> root_;
};

TEST_F(ManyConnections, AreLookedAtAThousandATurn) {
  Ask("/connections?sort=-id&limit=10000");
  uint32_t rounds = 0;
  while (root_->done_calls == 0 && rounds < 10 * kSteps) {
    Round();
    ++rounds;
  }
  ASSERT_TRUE(response_.has_value());
  EXPECT_EQ(response_->status(), 200);
  EXPECT_TRUE(response_->streams());
  EXPECT_GE(rounds, kSteps) << "a turn looked at more than its share";
  EXPECT_LE(rounds, kSteps + 5) << "a turn did nothing";
}

TEST_F(ManyConnections, AreLeftAloneWhenNobodyWaits) {
  Ask("/connections");
  for (int i = 0; i < 5; ++i) Round();
  EXPECT_EQ(root_->done_calls, 0);
  {
    core::Shard::Enter enter(&control_.shard);
    root_->scope.Cancel();
  }
  Round();
  Round();
  EXPECT_EQ(root_->done_calls, 1) << "it went on for nobody";
  Ask("/connections?shard=1&limit=1");
  for (uint32_t i = 0; i < kSteps + 5; ++i) Round();
  ASSERT_TRUE(response_.has_value());
  EXPECT_EQ(response_->status(), 200) << "who comes next has his turn";
}

TEST_F(ManyConnections, AShardThatDoesNotAnswerIsNamed) {
  Ask("/connections");
  for (int i = 0; i < 5; ++i) Round();
  first_.stepped.shard.RunTurn(0);
  control_.clock.Advance(core::Seconds(3));
  for (int i = 0; i < 10; ++i) {
    control_.shard.RunTurn(0);
    first_.stepped.shard.RunTurn(0);
  }
  for (uint32_t i = 0; i < 2 * kSteps && root_->done_calls == 0; ++i) {
    control_.shard.RunTurn(0);
    first_.stepped.shard.RunTurn(0);
  }
  ASSERT_EQ(root_->done_calls, 1);
  EXPECT_EQ(response_->status(), 503);
  EXPECT_EQ(response_->body(), "{\"error\":\"shard 1 does not answer\"}\n");
}

}  // namespace
}  // namespace mooring::server::admin
