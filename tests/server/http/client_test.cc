// SPDX-License-Identifier: Apache-2.0
// HttpClient over the simulated kernel, each thing under several seeds: what it sends, what it makes of answers however
// they are cut, and what becomes of the connection.
#include "server/http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/event.h"
#include "core/sleep.h"
#include "tests/server/http/client_bed.h"

namespace mooring::server::http {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;
using core::Task;
using net::PoolCount;
using testing::HasSubstr;

constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
constexpr char kChunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

class Client : public testing::TestWithParam<uint64_t> {
 protected:
  uint64_t seed() const { return net::Seed(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Seeds, Client, testing::Range<uint64_t>(1, 7));

AskOptions Within(int64_t ms) { return {.deadline = ms * kNanosPerMs, .body_bytes_max = {}}; }

TEST_P(Client, AsksOneThingAfterTheOtherOnOneConnection) {
  ClientBed bed(seed());
  bed.Say(kHello);
  for (int i = 0; i < 5; ++i) {
    const ClientResult got = Ask(&bed, Get("/things?id=7").Header("X-A", "b"));
    ASSERT_TRUE(got) << got.Explain();
    EXPECT_EQ(got.status(), 200);
    EXPECT_EQ(got.minor(), 1);
    EXPECT_EQ(got.Header("content-TYPE"), "text/plain");
    EXPECT_EQ(got.Header("no"), "");
    EXPECT_EQ(got.body(), "hello");
  }
  EXPECT_THAT(bed.asked, testing::Each("GET /things?id=7 HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nUser-Agent: mooring\r\n"
                                       "X-A: b\r\n\r\n"));
  EXPECT_EQ(bed.upstream.peers.size(), 1u);
  EXPECT_EQ(bed.Count(PoolCount::kOpened), 1u);
  EXPECT_EQ(bed.Count(PoolCount::kReused), 4u);
  EXPECT_EQ(bed.Count(ClientCount::kRequests), 5u);
  EXPECT_EQ(bed.Count(ClientCount::kAnswers), 5u);
  EXPECT_EQ(bed.client->pool().idle(), 1u);
}

enum class After { kKept, kClosed, kAborted };

struct Told {
  std::string_view answer;
  Method method;
  int status;
  std::string_view body;
  After after;
  bool ends = false;  // the peer closes behind it
};

constexpr Told kAnswers[] = {
    {kHello, Method::kGet, 200, "hello", After::kKept},
    {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Method::kGet, 404, "", After::kKept},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: x\r\n\r\n",
     Method::kPost, 200, "hello", After::kKept},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::kHead, 200, "", After::kKept},
    {"HTTP/1.1 204 No Content\r\n\r\n", Method::kDelete, 204, "", After::kKept},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Method::kGet, 304, "", After::kKept},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\n"
     "Content-Length: 2\r\n\r\nok",
     Method::kPost, 201, "ok", After::kKept},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", Method::kGet, 200, "ok", After::kKept},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Method::kGet, 200, "ok", After::kClosed},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", Method::kGet, 200, "ok", After::kClosed},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Method::kGet,
     200, "ok", After::kClosed},
    {"HTTP/1.1 200 OK\r\n\r\nto the end", Method::kGet, 200, "to the end", After::kClosed, true},
    {"HTTP/1.0 200 OK\r\n\r\n", Method::kGet, 200, "", After::kClosed, true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", Method::kGet, 200, "ok", After::kAborted},
    {"HTTP/1.1 204 OK\r\n\r\nx", Method::kGet, 204, "", After::kAborted},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n0\r\n\r\n", Method::kGet, 200, "", After::kAborted},
};

TEST_P(Client, AnAnswerIsTheSameHoweverItIsCut) {
  for (const Told& told : kAnswers) {
    ClientBed bed(seed());
    for (size_t cut = 0; cut <= told.answer.size(); ++cut) {
      SCOPED_TRACE(testing::Message() << "cut at " << cut << ": " << told.answer);
      sim::SimPeer* asked = nullptr;
      bed.answer = [&](sim::SimPeer* peer, std::string_view) {
        asked = peer;
        peer->Send(told.answer.substr(0, cut));
      };
      Asking asking(&bed, ClientRequest(told.method, "/"));
      bed.Run();
      ASSERT_NE(asked, nullptr);
      asked->Send(told.answer.substr(cut));
      if (told.ends) asked->HalfClose();
      bed.Run();
      ASSERT_TRUE(asking.done());
      const ClientResult& got = asking.got;
      ASSERT_TRUE(got) << got.Explain();
      EXPECT_EQ(got.status(), told.status);
      EXPECT_EQ(got.body(), told.body);
      const bool kept = bed.client->pool().open() == 1;
      EXPECT_EQ(bed.client->pool().idle(), bed.client->pool().open());
      EXPECT_EQ(kept, told.after == After::kKept);
      EXPECT_EQ(asked->saw_reset(), told.after == After::kAborted);
      EXPECT_EQ(asked->saw_fin(), told.after == After::kClosed);
    }
    const uint64_t times = told.answer.size() + 1;
    EXPECT_EQ(bed.Count(PoolCount::kOpened), told.after == After::kKept ? 1 : times) << told.answer;
  }
}

TEST_P(Client, AnAnswerAgainstTheRulesEndsTheConnection) {
  struct Bad {
    std::string_view answer;
    Refusal why;
  };
  const Bad table[] = {
      {"220 mail.example ESMTP\r\n", Refusal::kNoHttp},
      {"HTTP/2.0 200 OK\r\n\r\n", Refusal::kVersion},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", Refusal::kLengthAndCoding},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Refusal::kLengthRepeated},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", Refusal::kLengthRepeated},
      {"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", Refusal::kLength},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", Refusal::kCoding},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", Refusal::kCoding},
      {"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", Refusal::kBareLf},
      {"HTTP/1.1 200 OK\r\nA: b\r\r\nContent-Length: 5\r\n\r\nhello", Refusal::kBareCr},
      {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 5\r\n\r\nhello", Refusal::kObsFold},
      {"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello", Refusal::kSpaceBeforeColon},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", Refusal::kChunkSize},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n", Refusal::kChunkEnd},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA : b\r\n\r\n",
       Refusal::kSpaceBeforeColon},
      {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", Refusal::kNone},
  };
  ClientBed bed(seed());
  size_t asked = 0;
  for (const Bad& bad : table) {
    SCOPED_TRACE(bad.answer);
    bed.Say(bad.answer);
    const ClientResult got = Ask(&bed, Get());
    EXPECT_EQ(got.failure(), ClientFailure::kRefused) << got.Explain();
    EXPECT_EQ(Name(got.refusal()), Name(bad.why));
    EXPECT_EQ(got.body(), "");
    EXPECT_EQ(bed.client->pool().open(), 0u);
    ASSERT_EQ(bed.upstream.peers.size(), ++asked);
    EXPECT_TRUE(bed.upstream.peers.back()->saw_reset());
  }
  EXPECT_EQ(bed.Count(ClientCount::kRefused), std::size(table));
  EXPECT_EQ(bed.Count(ClientCount::kRetried), 0u);
  bed.Say("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello");
  EXPECT_EQ(Ask(&bed, Get()).Explain(), "127.0.0.1:9000: the answer is against the rules: length_repeated");
}

TEST_P(Client, AnAnswerHasLimits) {
  ClientOptions options = To(net::kUpstream);
  options.head_bytes_max = 200;
  options.fields_max = 3;
  options.body_bytes_max = 10;
  ClientBed bed(seed(), options);
  const auto ask = [&](std::string answer, AskOptions with = {}) {
    bed.Say(answer);
    return Ask(&bed, Get("/", with));
  };
  EXPECT_TRUE(ask(absl::StrCat("HTTP/1.1 204 OK\r\nA: ", std::string(200 - 24, 'a'), "\r\n\r\n")));
  EXPECT_EQ(ask(absl::StrCat("HTTP/1.1 204 OK\r\nA: ", std::string(201 - 24, 'a'), "\r\n\r\n")).refusal(),
            Refusal::kFieldsTooLarge);
  EXPECT_TRUE(ask("HTTP/1.1 204 OK\r\nA: 1\r\nA: 2\r\nA: 3\r\n\r\n"));
  EXPECT_EQ(ask("HTTP/1.1 204 OK\r\nA: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\n\r\n").refusal(), Refusal::kTooManyFields);
  EXPECT_EQ(ask("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789").body(), "0123456789");
  const ClientResult large = ask("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n");  // its body need not come for it
  EXPECT_EQ(large.failure(), ClientFailure::kRefused);
  EXPECT_EQ(large.refusal(), Refusal::kBodyTooLarge);
  EXPECT_EQ(large.status(), 200);
  EXPECT_THAT(large.Explain(), HasSubstr("larger than 10 bytes"));
  EXPECT_TRUE(ask(absl::StrCat(kChunked, "5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n")));
  EXPECT_EQ(ask(absl::StrCat(kChunked, "5\r\nhello\r\n6\r\nhello!\r\n")).refusal(), Refusal::kBodyTooLarge);
  EXPECT_EQ(ask("HTTP/1.1 200 OK\r\n\r\nhellohello!").refusal(), Refusal::kBodyTooLarge);
  EXPECT_TRUE(ask("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello hello", {.deadline = {}, .body_bytes_max = 11}));
  std::string interims;
  for (int i = 0; i < 16; ++i) interims += "HTTP/1.1 103 Early Hints\r\n\r\n";
  EXPECT_TRUE(ask(interims + "HTTP/1.1 204 OK\r\n\r\n"));
  EXPECT_THAT(ask(interims + "HTTP/1.1 100 OK\r\n\r\n").Explain(), HasSubstr("too many interim answers"));
}

TEST_P(Client, WhatIsAskedCannotBreakTheHead) {
  ClientBed bed(seed());
  bed.Say("HTTP/1.1 204 OK\r\n\r\n");
  for (const char* target : {"", "x", "http://a/", "/a b", "/a\r\nX: y", "/\x7f", "/#x", "/\xc3\xa4", "*"}) {
    const ClientResult got = Ask(&bed, Get(target));
    EXPECT_EQ(got.failure(), ClientFailure::kRequest) << target;
    EXPECT_THAT(got.Explain(), HasSubstr("target")) << target;
  }
  EXPECT_EQ(Ask(&bed, ClientRequest(Method::kConnect, "/")).failure(), ClientFailure::kRequest);
  EXPECT_TRUE(bed.upstream.peers.empty());
  EXPECT_TRUE(Ask(&bed, ClientRequest(Method::kOptions, "*")));
  ClientRequest request = Get();
  for (const char* name : {"Host", "content-length", "TRANSFER-ENCODING", "Connection", "Keep-Alive", "TE", "Trailer",
                           "Upgrade", "Expect", "Proxy-Connection", "User-Agent", "", "A B", "A:", "A\r\nB"}) {
    EXPECT_FALSE(request.AddHeader(name, "x")) << name;
  }
  for (const std::string_view value :
       {std::string_view("a\r\nB: c"), std::string_view("a\n"), std::string_view("a\0", 2)}) {
    EXPECT_FALSE(request.AddHeader("A", value));
  }
  EXPECT_TRUE(request.AddHeader("A", "\tb \xff"));
  EXPECT_TRUE(Ask(&bed, std::move(request)));
  EXPECT_EQ(bed.asked.back(), "GET / HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nUser-Agent: mooring\r\nA: \tb \xff\r\n\r\n");
  EXPECT_EQ(bed.Count(ClientCount::kHeadersLeftOut), 18u);
}

TEST_P(Client, TheHostIsTheTargets) {
  const auto host_of = [&](std::string host) {
    ClientOptions options = To(net::kUpstream);
    options.host = std::move(host);
    options.agent = "";
    ClientBed bed(seed(), options);
    bed.Say("HTTP/1.1 204 OK\r\n\r\n");
    EXPECT_TRUE(Ask(&bed, Get()));
    return bed.asked.at(0);
  };
  EXPECT_EQ(host_of(""), "GET / HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n\r\n");
  EXPECT_EQ(host_of("www.example"), "GET / HTTP/1.1\r\nHost: www.example\r\n\r\n");
  {
    ClientOptions broken = To(net::kUpstream);
    broken.host = "a\r\nX: y";
    ClientBed bed(seed(), broken);
    EXPECT_EQ(Ask(&bed, Get()).failure(), ClientFailure::kRequest);
    EXPECT_TRUE(bed.upstream.peers.empty());
  }
  ClientOptions options = To("127.0.0.1:80");
  ClientBed bed(seed(), options);
  net::Upstream web(&bed.server, "127.0.0.1:80");
  Asking asking(&bed, Get());
  bed.Run();
  web.Accept();
  ASSERT_EQ(web.peers.size(), 1u);
  EXPECT_THAT(web.peers[0]->received(), HasSubstr("\r\nHost: 127.0.0.1\r\n"));
  web.peers[0]->Reset();
  bed.Run();
  EXPECT_TRUE(asking.done());
}

TEST_P(Client, BodiesGoOutWhole) {
  ClientBed bed(seed());
  bed.Say("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
  const auto sent = [&](ClientRequest request) {
    const ClientResult got = Ask(&bed, std::move(request));
    EXPECT_TRUE(got) << got.Explain();
    const std::string& asked = bed.asked.back();
    const size_t head = asked.find("\r\n\r\n") + 4;
    return std::pair<std::string, std::string>(asked.substr(0, head), asked.substr(head));
  };
  const auto post = [] { return ClientRequest(Method::kPost, "/"); };
  EXPECT_THAT(sent(post()).first, HasSubstr("\r\nContent-Length: 0\r\n"));
  EXPECT_THAT(sent(ClientRequest(Method::kDelete, "/")).first, testing::Not(HasSubstr("Content-Length")));
  const auto text = sent(post().Body("text/plain", "hello"));
  EXPECT_THAT(text.first, HasSubstr("\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"));
  EXPECT_EQ(text.second, "hello");
  // Beyond what may be queued; some seeds have a network of very small pieces.
  std::string large(GetParam() == 1 ? 3'000'000 : 200'000, 'x');
  for (size_t i = 0; i < large.size(); i += 1000) large[i] = static_cast<char>('a' + i / 1000 % 26);
  EXPECT_TRUE(sent(post().Body("text/plain", large)).second == large);
  EXPECT_TRUE(sent(post().Body("text/plain", alloc::SharedBytes::Copy(large))).second == large);
  EXPECT_EQ(sent(post().Body("text/plain", alloc::SharedBytes::Copy("shared"))).second, "shared");
  EXPECT_EQ(bed.client->pool().idle(), 1u);
  EXPECT_EQ(bed.Count(PoolCount::kOpened), 1u);
  // Streams.
  const auto write = [](RequestBody& body) -> Task<> {
    for (const char* piece : {"one ", "", "two ", "three"}) {
      if (const bool room = co_await body.Write(std::string_view(piece)); !room) co_return;
      co_await core::Sleep(kNanosPerMs);
    }
    co_await body.Write(alloc::SharedBytes::Copy(" four"));
  };
  bed.answer = [](sim::SimPeer* peer, std::string_view) { peer->Send("HTTP/1.1 204 OK\r\n\r\n"); };
  Asking chunked(&bed, post().Stream("text/plain", write));
  bed.Run(100);
  EXPECT_TRUE(chunked.got) << chunked.got.Explain();
  EXPECT_THAT(bed.asked.back(),
              HasSubstr("\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n"
                        "5\r\n four\r\n0\r\n\r\n"));
  Asking sized(&bed, post().Stream("text/plain", write, 18));
  bed.Run(100);
  EXPECT_TRUE(sized.got) << sized.got.Explain();
  EXPECT_THAT(bed.asked.back(), HasSubstr("\r\nContent-Length: 18\r\n\r\none two three four"));
  EXPECT_EQ(bed.Count(PoolCount::kOpened), 1u);
  // What is shorter or longer than it said must not look whole.
  for (const uint64_t length : {17u, 19u}) {
    Asking wrong(&bed, post().Stream("text/plain", write, length));
    bed.Run(100);
    EXPECT_TRUE(wrong.done());
    EXPECT_EQ(wrong.got.failure(), ClientFailure::kRequest) << wrong.got.Explain();
    EXPECT_TRUE(bed.upstream.peers.back()->saw_reset());
    EXPECT_EQ(bed.client->pool().open(), 0u);
  }
}

TEST_P(Client, AnEarlyRefusalStopsTheBody) {
  ClientBed bed(seed());
  for (const bool streamed : {false, true}) {
    const std::string body = streamed ? "" : "no!";  // without one it is complete at once
    bool over = false;
    Asking asking(&bed, streamed ? ClientRequest(Method::kPost, "/")
                                       .Stream("a/b",
                                               [&over](RequestBody& body) -> Task<> {
                                                 const std::string piece(10'000, 'x');
                                                 for (bool going = true; going;) going = co_await body.Write(piece);
                                                 over = true;
                                               })
                                 : ClientRequest(Method::kPost, "/").Body("a/b", std::string(10'000'000, 'x')));
    // The peer reads no more than the head.
    for (int i = 0; i < 1000 && bed.upstream.peers.size() == (streamed ? 1u : 0u); ++i) {
      bed.server.world.Step();
      bed.upstream.Accept();
    }
    sim::SimPeer* peer = bed.upstream.peers.back();
    peer->Stall();
    bed.Run(50);
    EXPECT_FALSE(asking.done());
    peer->Send(absl::StrCat("HTTP/1.1 413 Content Too Large\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
    bed.Run(50);
    ASSERT_TRUE(asking.done());
    EXPECT_EQ(asking.got.status(), 413);
    EXPECT_EQ(asking.got.body(), body);
    EXPECT_EQ(over, streamed);
    EXPECT_EQ(bed.client->pool().open(), 0u);
    EXPECT_TRUE(peer->saw_reset() || (peer->Resume(), bed.Run(50), peer->saw_reset()));
  }
}

TEST_P(Client, ASuccessThatBeginsEarlyWaitsForTheRest) {
  ClientBed bed(seed());
  Asking asking(&bed, ClientRequest(Method::kPost, "/").Body("a/b", std::string(1'000'000, 'x')));
  bool answered = false;
  for (int i = 0; i < 100'000 && !answered; ++i) {
    bed.server.world.Step();
    bed.upstream.Accept();
    for (sim::SimPeer* peer : bed.upstream.peers) {
      if (peer->received().empty() || answered) continue;
      peer->Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      answered = true;
    }
  }
  bed.Run(1000);
  ASSERT_TRUE(asking.done());
  EXPECT_EQ(asking.got.body(), "ok") << asking.got.Explain();
  EXPECT_EQ(RequestBytes(bed.upstream.peers[0]->received()), bed.upstream.peers[0]->received().size());
  EXPECT_EQ(bed.upstream.peers[0]->saw_reset(), false);
}

TEST_P(Client, AStaleConnectionCostsNoAnswer) {
  enum class End { kFin, kReset };
  for (const Method method :
       {Method::kGet, Method::kHead, Method::kPut, Method::kDelete, Method::kOptions, Method::kPost, Method::kPatch}) {
    for (const End end : {End::kFin, End::kReset}) {
      SCOPED_TRACE(testing::Message() << Name(method) << (end == End::kFin ? " FIN" : " RST"));
      ClientBed bed(seed());
      bed.Say("HTTP/1.1 204 OK\r\n\r\n");
      EXPECT_TRUE(Ask(&bed, Get()));
      // The first connection is closed in the moment in which the next request comes.
      bed.answer = [&](sim::SimPeer* peer, std::string_view) {
        if (peer != bed.upstream.peers[0]) return peer->Send("HTTP/1.1 204 OK\r\n\r\n");
        end == End::kFin ? peer->Close() : peer->Reset();
      };
      const bool harmless = method != Method::kPost && method != Method::kPatch;
      const ClientResult got = Ask(&bed, ClientRequest(method, "/"));
      EXPECT_EQ(static_cast<bool>(got), harmless) << got.Explain();
      if (!harmless) {
        EXPECT_EQ(got.failure(), ClientFailure::kEnded);
        EXPECT_THAT(got.Explain(), testing::AnyOf(HasSubstr("without an answer"), HasSubstr("before an answer")));
      }
      EXPECT_EQ(bed.upstream.peers.size(), harmless ? 2u : 1u);
      EXPECT_EQ(bed.Count(ClientCount::kRetried), harmless ? 1u : 0u);
    }
  }
}

TEST_P(Client, AnotherAttemptIsMadeOnceAndOnlyWhereNothingHasCome) {
  // Both end without a byte.
  {
    ClientBed bed(seed());
    bed.Say("HTTP/1.1 204 OK\r\n\r\n");
    EXPECT_TRUE(Ask(&bed, Get()));
    bed.answer = [](sim::SimPeer* peer, std::string_view) { peer->Close(); };
    EXPECT_EQ(Ask(&bed, Get()).failure(), ClientFailure::kEnded);
    EXPECT_EQ(bed.upstream.peers.size(), 2u);
    EXPECT_EQ(bed.Count(ClientCount::kRetried), 1u);
    EXPECT_EQ(bed.Count(ClientCount::kEnded), 1u);
  }
  // A new connection that ends so says something about the server.
  {
    ClientBed bed(seed());
    bed.answer = [](sim::SimPeer* peer, std::string_view) { peer->Close(); };
    EXPECT_EQ(Ask(&bed, Get()).failure(), ClientFailure::kEnded);
    EXPECT_EQ(bed.upstream.peers.size(), 1u);
  }
  // A byte, or an interim answer.
  for (const char* begun : {"H", "HTTP/1.1 100 Continue\r\n\r\n"}) {
    ClientBed bed(seed());
    bed.Say("HTTP/1.1 204 OK\r\n\r\n");
    EXPECT_TRUE(Ask(&bed, Get()));
    bed.answer = [&](sim::SimPeer* peer, std::string_view) {
      peer->Send(begun);
      peer->HalfClose();
    };
    EXPECT_EQ(Ask(&bed, Get()).failure(), ClientFailure::kEnded);
    EXPECT_EQ(bed.upstream.peers.size(), 1u);
  }
  // A body that cannot be had again.
  {
    ClientBed bed(seed());
    bed.Say("HTTP/1.1 204 OK\r\n\r\n");
    EXPECT_TRUE(Ask(&bed, Get()));
    bed.answer = [](sim::SimPeer* peer, std::string_view) { peer->Close(); };
    const auto write = [](RequestBody& body) -> Task<> { co_await body.Write(std::string_view("x")); };
    EXPECT_EQ(Ask(&bed, ClientRequest(Method::kPut, "/").Stream("a/b", write)).failure(), ClientFailure::kEnded);
    EXPECT_EQ(bed.upstream.peers.size(), 1u);
  }
  // One that can, a long one too; and a pool whose idle ones are all of an earlier time is not gone through.
  {
    ClientOptions options = To(net::kUpstream);
    options.connections_max = 3;
    ClientBed bed(seed(), options);
    {
      std::vector<std::unique_ptr<Asking>> asking;
      for (int i = 0; i < 3; ++i) asking.push_back(std::make_unique<Asking>(&bed, Get()));
      bed.Run();
      bed.Say("HTTP/1.1 204 OK\r\n\r\n");
      bed.Run();
    }
    EXPECT_EQ(bed.client->pool().idle(), 3u);
    bed.answer = [&](sim::SimPeer* peer, std::string_view) {
      for (int i = 0; i < 3; ++i) {
        if (peer == bed.upstream.peers[i]) return peer->Reset();
      }
      peer->Send("HTTP/1.1 204 OK\r\n\r\n");
    };
    const std::string body(200'000, 'x');
    EXPECT_TRUE(Ask(&bed, ClientRequest(Method::kPut, "/").Body("a/b", body)));
    EXPECT_EQ(bed.Count(ClientCount::kRetried), 1u);
    EXPECT_EQ(bed.Count(PoolCount::kOpened), 4u);
    EXPECT_TRUE(bed.asked.back().ends_with(body));
  }
}

TEST_P(Client, OneDeadlineHoldsForAllOfIt) {
  const auto expect = [](ClientBed* bed, std::string_view why) {
    Asking asking(bed, Get("/", Within(700)));
    bed->Run(699);
    EXPECT_FALSE(asking.done());
    bed->Run(3);
    ASSERT_TRUE(asking.done());
    EXPECT_TRUE(asking.got.expired()) << asking.got.Explain();
    EXPECT_THAT(asking.got.Explain(), HasSubstr(std::string(why)));
    EXPECT_EQ(bed->Count(ClientCount::kExpired), 1u);
  };
  {  // waits for a connection
    ClientOptions options = To(net::kUpstream);
    options.connections_max = 1;
    ClientBed bed(seed(), options);
    Asking first(&bed, Get("/", Within(0)));
    bed.Run();
    expect(&bed, "none of 1 connections came back in time");
    first.Cancel();
    bed.Run();
    EXPECT_EQ(first.got.failure(), ClientFailure::kCancelled);
  }
  {  // connects
    ClientBed bed(seed());
    for (int i = 0; i < 200; ++i) bed.server.world.kernel().Connect(net::kUpstream);
    bed.server.world.RunUntilIdle();
    Asking asking(&bed, Get("/", Within(700)));
    bed.server.world.RunFor(699);
    EXPECT_FALSE(asking.done());
    bed.server.world.RunFor(3);
    ASSERT_TRUE(asking.done());
    EXPECT_TRUE(asking.got.expired()) << asking.got.Explain();
    EXPECT_THAT(asking.got.Explain(), HasSubstr("timed out"));
  }
  {
    ClientBed bed(seed());
    expect(&bed, "no answer in time");
    EXPECT_TRUE(bed.upstream.peers[0]->saw_reset());
  }
  for (const char* part : {"HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r"}) {
    ClientBed bed(seed());
    bed.Say(part);
    expect(&bed, "the answer's head was not complete in time");
    EXPECT_TRUE(bed.upstream.peers[0]->saw_reset());
  }
  for (const char* part : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 200 OK\r\n\r\nhello",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}) {
    ClientBed bed(seed());
    bed.Say(part);
    expect(&bed, "the answer's body was not complete in time");
    EXPECT_TRUE(bed.upstream.peers[0]->saw_reset());
    EXPECT_EQ(bed.client->pool().open(), 0u);
  }
}

TEST_P(Client, ABodyThatTricklesIsReadToItsEndOrItsDeadline) {
  for (const bool in_time : {true, false}) {
    ClientBed bed(seed());
    bed.Say("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n");
    Asking asking(&bed, Get("/", Within(in_time ? 6000 : 4000)));
    bed.Run();
    for (int i = 0; i < 50 && !asking.done(); ++i) {
      bed.upstream.peers[0]->Send("x");
      bed.Run(100);
    }
    ASSERT_TRUE(asking.done());
    EXPECT_EQ(static_cast<bool>(asking.got), in_time);
    EXPECT_EQ(asking.got.expired(), !in_time);
    EXPECT_EQ(asking.got.body(), in_time ? std::string(50, 'x') : "");
  }
}

TEST_P(Client, AnEndInMidAnswerIsAFailure) {
  struct Part {
    std::string_view bytes;
    std::string_view where;
  };
  const Part parts[] = {{"H", "in the middle of the answer's head"},
                        {"HTTP/1.1 200 OK\r\n\r", "in the middle of the answer's head"},
                        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "in the middle of the answer's body"},
                        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
                         "in the middle of the answer's body"}};
  for (const Part& part : parts) {
    for (const bool reset : {false, true}) {
      ClientBed bed(seed());
      Asking asking(&bed, Get());
      bed.Run();
      sim::SimPeer* peer = bed.upstream.peers.at(0);
      peer->Send(part.bytes);
      bed.Run();
      EXPECT_FALSE(asking.done());
      reset ? peer->Reset() : peer->HalfClose();
      bed.Run();
      ASSERT_TRUE(asking.done());
      EXPECT_EQ(asking.got.failure(), ClientFailure::kEnded);
      EXPECT_THAT(asking.got.Explain(), HasSubstr(std::string(part.where)));
      EXPECT_THAT(asking.got.Explain(), HasSubstr(reset ? "broke" : "was closed"));
      EXPECT_EQ(bed.client->pool().open(), 0u);
    }
  }
  // A reset is no end of a body that ends with its connection.
  ClientBed bed(seed());
  bed.Say("HTTP/1.1 200 OK\r\n\r\nhello");
  Asking asking(&bed, Get());
  bed.Run();
  bed.upstream.peers[0]->Reset();
  bed.Run();
  ASSERT_TRUE(asking.done());
  EXPECT_EQ(asking.got.failure(), ClientFailure::kEnded);
}

TEST_P(Client, WhoCannotBeReachedIsAFailure) {
  ClientBed bed(seed(), To("127.0.0.1:9"));
  const ClientResult got = Ask(&bed, Get());
  EXPECT_EQ(got.failure(), ClientFailure::kConnect);
  EXPECT_EQ(got.Explain(), "127.0.0.1:9: connection refused: nobody listens on the target");
  EXPECT_EQ(got.status(), 0);
  EXPECT_EQ(bed.Count(ClientCount::kNoConnection), 1u);
  ClientOptions crowded = To(net::kUpstream);
  crowded.connections_max = 1;
  crowded.waiters_max = 0;
  ClientBed full(seed(), crowded);
  Asking first(&full, Get());
  full.Run();
  EXPECT_EQ(Ask(&full, Get()).failure(), ClientFailure::kTooManyWait);
  full.Say("HTTP/1.1 204 OK\r\n\r\n");
  full.Run();
  EXPECT_TRUE(first.got);
}

TEST_P(Client, MayBeCancelledAtEachStep) {
  for (const bool large : {false, true}) {
    bool ended_by_itself = false;
    for (int at = 0; !ended_by_itself; at += large ? 1 + at / 10 : 1) {
      ASSERT_LT(at, 10'000);
      SCOPED_TRACE(testing::Message() << (large ? "large, " : "") << "cancelled after step " << at);
      ClientBed bed(seed());
      bed.Say(kHello);
      ClientRequest request(Method::kPost, "/");
      Asking asking(&bed, large ? std::move(request).Body("a/b", std::string(70'000, 'x')) : std::move(request));
      for (int i = 0; i < at && bed.server.world.Step(); ++i) bed.Answer();
      ended_by_itself = asking.done();
      asking.Cancel();
      bed.Run();
      ASSERT_TRUE(asking.done());
      EXPECT_TRUE(asking.got || asking.got.failure() == ClientFailure::kCancelled) << asking.got.Explain();
      EXPECT_EQ(bed.client->pool().open(), bed.client->pool().idle());
      EXPECT_EQ(Ask(&bed, Get()).body(), "hello");
    }
  }
}

TEST_P(Client, MayBeCutAtEachStep) {
  bool ended_by_itself = false;
  for (int at = 0; !ended_by_itself; at += 1 + at / 10) {
    ASSERT_LT(at, 10'000);
    SCOPED_TRACE(testing::Message() << "cut after step " << at);
    ClientBed bed(seed());
    bed.Say(kHello);
    Asking asking(&bed, ClientRequest(Method::kPost, "/").Body("a/b", std::string(70'000, 'x')));
    for (int i = 0; i < at && bed.server.world.Step(); ++i) bed.Answer();
    ended_by_itself = asking.done();
    bed.server.CutAll();
    bed.Run();
    ASSERT_TRUE(asking.done());
    EXPECT_EQ(bed.client->pool().open(), 0u);
  }
}

TEST_P(Client, ADrainLetsAnswersComeAndKeepsNothing) {
  ClientBed bed(seed());
  Asking asking(&bed, Get());
  bed.Run();
  bed.server.BeginDrain();
  bed.Run(100);
  EXPECT_FALSE(asking.done());
  EXPECT_FALSE(bed.server.drained());
  bed.Say(kHello);
  bed.Run(100);
  ASSERT_TRUE(asking.done());
  EXPECT_EQ(asking.got.body(), "hello");
  EXPECT_EQ(bed.client->pool().open(), 0u);
  bed.Run(1000);
  EXPECT_TRUE(bed.server.drained());
}

TEST_P(Client, AStreamThatThrowsThrowsToWhoAsks) {
  ClientBed bed(seed());
  const auto write = [](RequestBody& body) -> Task<> {
    co_await body.Write(std::string_view("x"));
    throw 7;
  };
  bool thrown = false;
  const auto ask = [&](HttpClient* client) -> Task<> {
    try {
      const ClientResult got = co_await client->Send(ClientRequest(Method::kPost, "/").Stream("a/b", write));
    } catch (int) {
      thrown = true;
    }
  };
  net::Running run(&bed.server, [&] { return ask(bed.client.get()); });
  bed.Run();
  EXPECT_TRUE(run.done());
  EXPECT_TRUE(thrown);
  EXPECT_EQ(bed.client->pool().open(), 0u);
}

}  // namespace
}  // namespace mooring::server::http
