// SPDX-License-Identifier: Apache-2.0
// Clients on two shards and a server that does whatever it likes, decided by a seed: what somebody gets is the answer
// to what he asked, everybody comes to an end, and the pools' books balance.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/core/test_root.h"
#include "tests/net/dice.h"
#include "tests/server/http/client_bed.h"

namespace mooring::server::http {
namespace {

using core::kNanosPerMs;
using core::Task;
using net::PoolCount;

struct Asked {
  core::TestRoot root;
  size_t shard = 0;
  std::string number;
  Method method = Method::kGet;
  ClientFailure failure = ClientFailure::kNone;
  bool ended = false;
};

// What is still to be sent to a peer, a part at a time.
struct Script {
  sim::SimPeer* peer;
  std::string rest;
  enum class Then { kNothing, kHalfClose, kClose, kReset } then = Then::kNothing;
};

struct Model {
  static constexpr size_t kShards = 2;

  explicit Model(uint64_t seed)
      : server(seed, {.shards = kShards}), upstream(&server), decisions(seed), dice(&decisions) {
    for (auto& client : clients) {
      ClientOptions options = To(net::kUpstream);
      options.connections_max = 1 + static_cast<uint32_t>(seed % 3);
      options.waiters_max = 6;
      options.idle_max_age = 3 * core::kNanosPerSecond;
      options.deadline = 20 * core::kNanosPerSecond;
      client = std::make_unique<HttpClient>(std::move(options));
    }
  }
  ~Model() {
    server.CutAll();
    server.world.RunFor(1000);
    for (size_t i = 0; i < kShards; ++i) server.OnShard(i, [&](net::Engine&) { clients[i].reset(); });
    for (sim::SimPeer* peer : upstream.peers) {
      if (!peer->ended()) peer->Reset();
    }
    server.world.RunFor(100'000);
    server.ExpectNothingLeft();
  }

  Task<> AskWhole(Asked* asked, ClientRequest request) {
    const ClientResult got = co_await clients[asked->shard]->Send(std::move(request));
    Ended(asked, got, got.body());
  }
  Task<> AskInPieces(Asked* asked, ClientRequest request) {
    auto exchange = co_await clients[asked->shard]->Open(std::move(request));
    std::string body;
    while (exchange) {
      const BodyPiece piece = co_await exchange.ReadBody(5 * core::kNanosPerSecond);
      if (!piece) break;
      body.append(*piece);
    }
    Ended(asked, exchange.answer(), body);
  }
  void Ended(Asked* asked, const ClientAnswer& answer, std::string_view body) {
    asked->ended = true;
    asked->failure = answer.failure();
    ++failures[static_cast<size_t>(answer.failure())];
    if (!answer) return;
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.Header("Number"), asked->number) << "the answer to another question";
    EXPECT_EQ(body, asked->method == Method::kHead ? "" : asked->number) << "the answer to another question";
  }

  ClientRequest WithBody(ClientRequest request, Method method) {
    if (method != Method::kPost && method != Method::kPut) return request;
    const std::string body(dice.Chance(20) ? 100'000 : dice.Pick(100), 'x');
    if (!dice.Chance(30)) return std::move(request).Body("a/b", body);
    return std::move(request).Stream("a/b", [body](RequestBody& out) -> Task<> { co_await out.Write(body); });
  }

  void Begin() {
    if (all.size() == 60) return;
    auto asked = std::make_unique<Asked>();
    asked->shard = dice.Pick(kShards);
    asked->number = absl::StrCat("n", all.size());
    static constexpr Method kMethods[] = {Method::kGet, Method::kGet, Method::kHead, Method::kPut, Method::kPost};
    asked->method = kMethods[dice.Pick(std::size(kMethods))];
    AskOptions options;
    if (dice.Chance(40)) options.deadline = static_cast<core::Nanos>(dice.Between(1, 3000)) * kNanosPerMs;
    ClientRequest request = WithBody(ClientRequest(asked->method, "/" + asked->number, options), asked->method);
    const bool whole = dice.Chance(60);
    Asked* const it = asked.get();
    all.push_back(std::move(asked));
    auto shared = std::make_shared<ClientRequest>(std::move(request));
    ASSERT_TRUE(server.shard(it->shard).Post([this, it, whole, shared] {
      auto task = whole ? AskWhole(it, std::move(*shared)) : AskInPieces(it, std::move(*shared));
      ASSERT_TRUE(std::move(task).Start(&it->root));
    }));
  }

  // To the request "METHOD /NUMBER ...".
  std::string AnswerTo(const std::string& request) {
    const size_t slash = request.find('/');
    const std::string number = request.substr(slash + 1, request.find(' ', slash) - slash - 1);
    const bool head = request.starts_with("HEAD");
    std::string answer;
    while (dice.Chance(10)) answer += "HTTP/1.1 100 Continue\r\n\r\n";
    answer += absl::StrCat("HTTP/1.", dice.Chance(10) ? 0 : 1, " 200 OK\r\nNumber: ", number, "\r\n");
    const bool old = answer.find("HTTP/1.0 200") != std::string::npos;
    if (dice.Chance(10)) answer += "Connection: close\r\n";
    if (dice.Chance(30) && !old) {
      answer += "Transfer-Encoding: chunked\r\n\r\n";
      if (!head) {
        for (const char c : number) answer += absl::StrCat("1\r\n", std::string(1, c), "\r\n");
        answer += dice.Chance(30) ? "0\r\nTrailer: x\r\n\r\n" : "0\r\n\r\n";
      }
    } else if (dice.Chance(80) || head) {
      answer += absl::StrCat("Content-Length: ", number.size(), "\r\n\r\n", head ? "" : number);
    } else {
      answer += absl::StrCat("\r\n", number);
      to_the_end = true;
    }
    return answer;
  }

  void Serve(sim::SimPeer* peer, const std::string& request) {
    to_the_end = false;
    Script script{peer, AnswerTo(request)};
    if (to_the_end) {
      script.then = Script::Then::kHalfClose;
    } else if (dice.Chance(6)) {
      // Where it comes after the next question was sent, nobody can tell it from an answer to that; so it is none.
      script.rest += "unasked\r\n";
    } else if (dice.Chance(6)) {
      script.then = Script::Then::kClose;
    } else if (dice.Chance(6)) {
      script.rest.resize(dice.Pick(script.rest.size()));
      script.then = dice.Chance(50) ? Script::Then::kReset : Script::Then::kHalfClose;
    } else if (dice.Chance(4)) {
      script.rest.resize(dice.Pick(script.rest.size()));  // and never goes on
    } else if (dice.Chance(4)) {
      script.rest[dice.Pick(script.rest.find("\r\n\r\n"))] = '\x01';
    } else if (dice.Chance(4)) {
      script = {peer, "", Script::Then::kClose};
    }
    scripts.push_back(std::move(script));
  }

  void Move() {
    upstream.Accept();
    switch (dice.Pick(12)) {
      case 0:
      case 1:
        return Begin();
      case 2:
        if (!all.empty() && dice.Chance(30)) {
          Asked* asked = all[dice.Pick(all.size())].get();
          if (!asked->ended) server.OnShard(asked->shard, [&](net::Engine&) { asked->root.scope.Cancel(); });
        }
        return;
      case 3:
        server.world.RunFor(static_cast<int64_t>(dice.Between(1, 400)));
        return;
      case 4:
      case 5:
      case 6:
      case 7: {
        if (scripts.empty()) return;
        const size_t i = dice.Pick(scripts.size());
        Script& script = scripts[i];
        const size_t part = dice.Chance(50) ? script.rest.size() : dice.Pick(script.rest.size() + 1);
        script.peer->Send(std::string_view(script.rest).substr(0, part));
        script.rest.erase(0, part);
        if (!script.rest.empty()) return;
        switch (script.then) {
          case Script::Then::kHalfClose:
            script.peer->HalfClose();
            break;
          case Script::Then::kClose:
            script.peer->Close();
            break;
          case Script::Then::kReset:
            script.peer->Reset();
            break;
          default:
            break;
        }
        scripts.erase(scripts.begin() + static_cast<std::ptrdiff_t>(i));
        return;
      }
      default:
        if (upstream.peers.empty()) return;
        sim::SimPeer* peer = upstream.peers[dice.Pick(upstream.peers.size())];
        const bool talks = std::any_of(scripts.begin(), scripts.end(), [&](const Script& s) { return s.peer == peer; });
        if (peer->ended() || talks) return;
        if (const size_t bytes = RequestBytes(peer->received()); bytes != 0) {
          Serve(peer, peer->TakeReceived().substr(0, bytes));
        } else if (dice.Chance(3)) {
          peer->Reset();
        } else if (dice.Chance(3)) {
          peer->Send("unasked\r\n");
        }
    }
  }

  net::SimServer server;
  net::Upstream upstream;
  sim::SeededDecisions decisions;
  net::Dice dice;
  std::unique_ptr<HttpClient> clients[kShards];
  std::vector<std::unique_ptr<Asked>> all;
  std::vector<Script> scripts;
  bool to_the_end = false;
  uint64_t failures[8] = {};
};

TEST(ClientModel, AnAnswerReachesWhoAskedForIt) {
  constexpr uint64_t kSeeds = 40;
  const uint64_t first = net::Seed(1);
  uint64_t failures[8] = {}, reused = 0, retried = 0, interim = 0;
  for (uint64_t seed = first; seed < first + (net::SeedGiven() ? 1 : kSeeds); ++seed) {
    SCOPED_TRACE(absl::StrCat("MOORING_SEED=", seed));
    Model model(seed);
    for (int move = 0; move < 1200; ++move) {
      model.Move();
      for (uint64_t steps = model.dice.Pick(6); steps > 0 && model.server.world.Step(); --steps) {
      }
      if (testing::Test::HasFailure()) return;
    }
    net::RunWith(&model.server, 60'000, [&] { model.upstream.Accept(); });
    for (const auto& asked : model.all) {
      EXPECT_TRUE(asked->ended) << asked->number;
      EXPECT_EQ(asked->root.done_calls, 1) << asked->number;
      EXPECT_EQ(asked->root.error, nullptr);
    }
    for (const auto& client : model.clients) {
      const auto count = [&](PoolCount which) { return client->pool().counters().Read(which); };
      EXPECT_EQ(client->pool().open(), 0u) << "the idle ones are old by now";
      uint64_t closed = 0;
      for (int which = static_cast<int>(PoolCount::kClosedUnreturned); which < static_cast<int>(PoolCount::kCount);
           ++which) {
        closed += count(static_cast<PoolCount>(which));
      }
      EXPECT_EQ(closed, count(PoolCount::kOpened)) << "each connection is closed once";
      reused += count(PoolCount::kReused);
      retried += client->counters().Read(ClientCount::kRetried);
      interim += client->counters().Read(ClientCount::kInterim);
    }
    for (size_t i = 0; i < std::size(failures); ++i) failures[i] += model.failures[i];
    if (testing::Test::HasFailure()) return;
  }
  std::printf("answered %llu reused %llu retried %llu interim %llu; failures:",
              static_cast<unsigned long long>(failures[0]), static_cast<unsigned long long>(reused),
              static_cast<unsigned long long>(retried), static_cast<unsigned long long>(interim));
  for (size_t i = 1; i < std::size(failures); ++i) std::printf(" %llu", static_cast<unsigned long long>(failures[i]));
  std::printf("\n");
  if (net::SeedGiven()) return;
  EXPECT_EQ(failures[static_cast<size_t>(ClientFailure::kRequest)], 0u);
  // The model goes to where it is meant to go.
  EXPECT_GT(failures[0], kSeeds * 8);
  for (const ClientFailure which : {ClientFailure::kTooManyWait, ClientFailure::kDeadline, ClientFailure::kCancelled,
                                    ClientFailure::kEnded, ClientFailure::kRefused}) {
    EXPECT_GT(failures[static_cast<size_t>(which)], 5u) << static_cast<int>(which);
  }
  EXPECT_GT(reused, kSeeds);
  EXPECT_GT(retried, 5u);
  EXPECT_GT(interim, 5u);
}

}  // namespace
}  // namespace mooring::server::http
