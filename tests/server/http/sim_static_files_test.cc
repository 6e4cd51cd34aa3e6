// SPDX-License-Identifier: Apache-2.0
// Folders served over the simulated kernel: its files are in memory as the seed says, its network delivers as it likes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/transport.h"
#include "server/http/static_files.h"
#include "tests/server/http/sample_routes.h"
#include "tests/server/http/sim_http.h"
#include "tests/sim/fault_plan.h"

namespace mooring::server::http {
namespace {

constexpr size_t kLarge = 1'300'000;  // beyond what the cache takes
constexpr char kRoot[] = "www";

std::string GetOf(std::string_view target, std::string_view lines = "", std::string_view method = "GET") {
  return absl::StrCat(std::string(method), " ", std::string(target), " HTTP/1.1\r\nHost: sim\r\n", std::string(lines), "\r\n");
}

class Served {
 public:
  explicit Served(uint64_t seed, const net::SimServer::Options& sim = {}, StaticOptions options = {})
      : http_(seed, Routes(this), {}, sim) {
    files().MakeFolder(kRoot);
    options.root = kRoot;
    options.media_types = "";
    options.kernel = &world().kernel();
    auto opened = StaticFiles::Open(std::move(options));
    EXPECT_TRUE(opened.ok()) << opened.status();
    action_ = opened->action();
  }

  sim::World& world() { return http_.server.world; }
  sim::SimFiles& files() { return world().kernel().files(); }
  SimHttp& http() { return http_; }
  void Write(std::string_view name, std::string bytes) { files().Write(Path(name), std::move(bytes)); }
  static std::string Path(std::string_view name) { return absl::StrCat(kRoot, "/", std::string(name)); }

  // A head and all of a large file are there, or the connection has ended.
  bool HasAll(const sim::SimPeer* peer) {
    const auto has = [peer] {
      const size_t head = peer->received().find("\r\n\r\n");
      return head != std::string::npos && peer->received().size() >= head + 4 + kLarge;
    };
    return http_.MsUntil([&] { return has() || peer->ended(); }) >= 0;
  }
  // Answered, however long the helpers take.
  Answer Ask(std::string_view target, std::string_view lines = "", std::string_view method = "GET") {
    auto* peer = http_.Connect();
    peer->Send(GetOf(target, absl::StrCat("Connection: close\r\n", std::string(lines)), method));
    EXPECT_GE(http_.MsUntil([&] { return peer->ended(); }), 0);
    const Answers answers(peer->received(), {method == "HEAD"});
    EXPECT_EQ(answers.complete(), 1u);
    EXPECT_EQ(answers.error(), "") << target;
    peer->Close();
    world().RunFor(5);
    return answers.size() == 0 ? Answer() : answers[0];
  }

 private:
  static Router Routes(Served* self) {
    Router router;
    router.Fallback(Action{.now = [self](Request& request) { return self->action_.now(request); },
                           .later = [self](Request& request) { return self->action_.later(request); }});
    return router;
  }

  SimHttp http_;
  Action action_;
};

class SimStaticFiles : public testing::TestWithParam<net::TransportKind> {
 protected:
  static net::SimServer::Options On(uint32_t shards = 1) { return {.shards = shards, .transport = GetParam()}; }
};

TEST_P(SimStaticFiles, AllThatAFileCanBeAnsweredWith) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    Served served(seed, On());
    served.Write("a.html", "0123456789");
    served.Write("a.html.gz", "zipped");
    served.Write("empty.txt", "");
    served.Write("large.bin", Pattern(kLarge));
    served.Write("dir/index.html", "index");
    served.files().Link(Served::Path("out"), "../secret");
    served.files().Write("secret", "secret");
    served.files().MakeFifo(Served::Path("fifo"));
    served.files().MakeDevice(Served::Path("device"));
    for (int round = 0; round < 2; ++round) {  // from the folder, from the cache
      const Answer whole = served.Ask("/a.html");
      EXPECT_EQ(whole.status, 200);
      EXPECT_EQ(whole.body, "0123456789");
      EXPECT_EQ(whole.Field("content-type"), "text/html; charset=utf-8");
      EXPECT_EQ(whole.Field("content-length"), "10");
      EXPECT_EQ(whole.Field("vary"), "Accept-Encoding");
      EXPECT_EQ(whole.Field("accept-ranges"), "bytes");
      EXPECT_EQ(whole.Count("content-type"), 1);
      EXPECT_EQ(whole.Count("date"), 1);
      EXPECT_EQ(whole.Count("server"), 1);
      const std::string etag = whole.Field("etag");
      const Answer head = served.Ask("/a.html", "", "HEAD");
      EXPECT_EQ(head.fields.size(), whole.fields.size());
      EXPECT_EQ(head.Field("content-length"), "10");
      EXPECT_EQ(head.Field("etag"), etag);
      const Answer zipped = served.Ask("/a.html", "Accept-Encoding: gzip\r\n");
      EXPECT_EQ(zipped.body, "zipped");
      EXPECT_EQ(zipped.Field("content-encoding"), "gzip");
      const Answer same = served.Ask("/a.html", "If-None-Match: " + etag + "\r\n");
      EXPECT_EQ(same.status, 304);
      EXPECT_EQ(same.Field("etag"), etag);
      EXPECT_EQ(same.Field("vary"), "Accept-Encoding");
      EXPECT_EQ(same.Count("content-type"), 0);
      EXPECT_EQ(served.Ask("/a.html", "If-Match: \"x\"\r\n").status, 412);
      const Answer part = served.Ask("/a.html", "Range: bytes=3-5\r\n");
      EXPECT_EQ(part.status, 206);
      EXPECT_EQ(part.body, "345");
      EXPECT_EQ(part.Field("content-range"), "bytes 3-5/10");
      const Answer behind = served.Ask("/a.html", "Range: bytes=10-\r\n");
      EXPECT_EQ(behind.status, 416);
      EXPECT_EQ(behind.Field("content-range"), "bytes */10");
      EXPECT_EQ(served.Ask("/empty.txt").Field("content-length"), "0");
      const Answer large = served.Ask("/large.bin");
      EXPECT_TRUE(large.body == Pattern(kLarge));
      EXPECT_EQ(large.Field("content-length"), absl::StrCat(kLarge));
      EXPECT_FALSE(large.chunked);
      EXPECT_EQ(served.Ask("/large.bin", "", "HEAD").Field("content-length"), absl::StrCat(kLarge));
      const Answer tail = served.Ask("/large.bin", "Range: bytes=-200000\r\n");
      EXPECT_EQ(tail.status, 206);
      EXPECT_TRUE(tail.body == Pattern(kLarge).substr(kLarge - 200'000));
      EXPECT_EQ(served.Ask("/dir/").body, "index");
      const Answer redirect = served.Ask("//dir?x=1");
      EXPECT_EQ(redirect.status, 301);
      EXPECT_EQ(redirect.Field("location"), "/dir/?x=1");
      for (const char* target : {"/out", "/fifo", "/device", "/..%2fsecret", "/%2e%2e/secret", "/../secret", "/a.html/",
                                 "//secret", "/nothing", "/"}) {
        EXPECT_EQ(served.Ask(target).status, 404) << target;
      }
    }
    EXPECT_EQ(served.http().Count(HttpCount::kStreamsCut), 0u);
  }
}

TEST_P(SimStaticFiles, PipelinedAnswersComeInOrder) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    Served served(seed, On());
    std::vector<std::pair<std::string, std::string>> files;
    for (const size_t size : {0, 1, 700, 20'000, 65'536, 200'000, 1'048'577, 1'200'000}) {
      files.emplace_back(absl::StrCat("f", size), Pattern(size, static_cast<unsigned>(size)));
      served.Write(files.back().first, files.back().second);
    }
    std::string requests;
    std::vector<std::string> bodies;
    std::vector<bool> heads;
    std::mt19937_64 dice(seed);
    for (int i = 0; i < 20; ++i) {
      const auto& [name, bytes] = files[dice() % files.size()];
      heads.push_back(dice() % 4 == 0);
      requests += GetOf("/" + name, "", heads.back() ? "HEAD" : "GET");
      bodies.push_back(heads.back() ? "" : bytes);
    }
    requests += GetOf("/f1", "Connection: close\r\n");
    auto* peer = served.http().Connect();
    peer->Send(requests);
    EXPECT_GE(served.http().MsUntil([&] { return peer->ended(); }), 0);
    const Answers answers(peer->received(), heads);
    EXPECT_EQ(answers.error(), "");
    ASSERT_EQ(answers.complete(), 21u);
    for (size_t i = 0; i < 20; ++i) EXPECT_TRUE(answers[i].body == bodies[i]) << i;
    peer->Close();
    served.world().RunFor(5);
  }
}

TEST_P(SimStaticFiles, ChangesAreSeenAfterASecond) {
  Served served(1, On());
  served.Write("a.txt", "one");
  EXPECT_EQ(served.Ask("/a.txt").body, "one");
  served.Write("a.txt", "longer");
  served.world().RunFor(1000);
  EXPECT_EQ(served.Ask("/a.txt").body, "longer");
  served.files().Replace(Served::Path("a.txt"), "LONGER");
  served.world().RunFor(1000);
  EXPECT_EQ(served.Ask("/a.txt").body, "LONGER");
  served.files().Remove(Served::Path("a.txt"));
  served.world().RunFor(1000);
  EXPECT_EQ(served.Ask("/a.txt").status, 404);
}

// A client that has read some of a large file and stops.
struct Stopped {
  Stopped(Served* served, std::string_view name) {
    peer = served->http().Connect();
    peer->ReadSlowly(100'000, 1);
    peer->Send(GetOf(absl::StrCat("/", std::string(name))));
    EXPECT_GE(served->http().MsUntil([&] { return peer->received().size() > 300'000; }), 0);
    peer->Stall();
    served->world().RunFor(300);
    EXPECT_FALSE(peer->ended());
  }
  sim::SimPeer* peer;
};

TEST_P(SimStaticFiles, AFileThatShrinksBreaksTheConnectionOff) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    Served served(seed, On());
    served.Write("large.bin", Pattern(kLarge));
    Stopped stopped(&served, "large.bin");
    served.files().Truncate(Served::Path("large.bin"), 100'000);
    stopped.peer->Resume();
    EXPECT_GE(served.http().MsUntil([&] { return stopped.peer->ended(); }), 0);
    EXPECT_LT(Answers(stopped.peer->received()).complete(), 1u);
    EXPECT_LT(stopped.peer->received().size(), kLarge);
    EXPECT_EQ(served.http().Count(HttpCount::kStreamsCut), 1u);
    stopped.peer->Close();
    served.world().RunFor(5);
  }
}

TEST_P(SimStaticFiles, WhatBecomesOfTheNameDoesNotReachIntoAStream) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    Served served(seed, On());
    served.Write("gone.bin", Pattern(kLarge));
    served.Write("new.bin", Pattern(kLarge));
    Stopped gone(&served, "gone.bin");
    Stopped replaced(&served, "new.bin");
    served.files().Remove(Served::Path("gone.bin"));
    served.files().Replace(Served::Path("new.bin"), Pattern(kLarge, 99));
    for (sim::SimPeer* peer : {gone.peer, replaced.peer}) {
      peer->Resume();
      EXPECT_TRUE(served.HasAll(peer));
      const Answers answers(peer->received());
      ASSERT_EQ(answers.complete(), 1u);
      EXPECT_TRUE(answers[0].body == Pattern(kLarge));
      peer->Close();
    }
    served.world().RunFor(5);
  }
}

TEST_P(SimStaticFiles, AFileThatGrowsGoesOutAsLongAsItWas) {
  Served served(3, On());
  served.Write("log.txt", Pattern(kLarge));
  Stopped stopped(&served, "log.txt");
  served.Write("log.txt", Pattern(kLarge) + "more");
  stopped.peer->Resume();
  EXPECT_TRUE(served.HasAll(stopped.peer));
  ASSERT_EQ(Answers(stopped.peer->received()).complete(), 1u);
  EXPECT_TRUE(Answers(stopped.peer->received())[0].body == Pattern(kLarge));
  stopped.peer->Close();
  served.world().RunFor(5);
}

TEST_P(SimStaticFiles, WhoDoesNotReadHoldsLittle) {
  Served served(5, On());
  served.Write("large.bin", Pattern(kLarge));
  const uint64_t before = served.http().server.shard().accounting().Total();
  const uint64_t shared_before = alloc::SharedBytes::Live().bytes;
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 20; ++i) {
    peers.push_back(served.http().Connect());
    peers.back()->Stall();
    peers.back()->Send(GetOf("/large.bin"));
  }
  served.world().RunFor(2000);
  const uint64_t held = served.http().server.shard().accounting().Total() - before +
                        (alloc::SharedBytes::Live().bytes - shared_before);
  // A queue up to its watermark, and the piece that went over it; frames and descriptors beside them.
  EXPECT_LE(held, peers.size() * (Http(Router()).limits().queue_high_bytes + 2 * StaticFiles::kPieceBytes));
  for (sim::SimPeer* peer : peers) peer->Resume();
  for (sim::SimPeer* peer : peers) {
    EXPECT_TRUE(served.HasAll(peer));
    ASSERT_EQ(Answers(peer->received()).complete(), 1u);
    peer->Close();
  }
  served.world().RunFor(5);
}

TEST_P(SimStaticFiles, WhoGoesAwayInTheMiddleLeavesNothing) {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE(seed);
    Served served(seed, On(2));
    served.Write("large.bin", Pattern(kLarge));
    served.Write("small.txt", Pattern(50'000));
    std::mt19937_64 dice(seed);
    std::vector<sim::SimPeer*> peers;
    for (int i = 0; i < 12; ++i) {
      peers.push_back(served.http().Connect());
      peers.back()->Send(GetOf(dice() % 2 == 0 ? "/large.bin" : "/small.txt"));
      served.world().RunFor(static_cast<int64_t>(dice() % 30));
      if (dice() % 2 == 0) peers[dice() % peers.size()]->Reset();
    }
    for (sim::SimPeer* peer : peers) peer->Reset();
    served.world().RunFor(500);
    EXPECT_EQ(served.http().server.live(), 0u);
  }
}

// Whatever fails: an answer that says so, a connection that is broken off, or the right bytes.
TEST_P(SimStaticFiles, FaultsOfTheFolderNeverMakeAShortBodyLookWhole) {
  int failed = 0;
  int cut = 0;
  int right = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Served served(seed, On());
    served.Write("large.bin", Pattern(kLarge));
    served.Write("small.txt", Pattern(50'000));
    sim::FaultPlan faults(&served.world().kernel().choices(),
                          {{sim::FaultSite::kOpenFile, 60}, {sim::FaultSite::kStatFile, 60},
                           {sim::FaultSite::kReadFile, 60}}, 20);
    for (const char* name : {"large.bin", "small.txt", "small.txt"}) {
      auto* peer = served.http().Connect();
      peer->Send(GetOf(absl::StrCat("/", name), "Connection: close\r\n"));
      ASSERT_GE(served.http().MsUntil([&] { return peer->ended(); }), 0);
      const Answers answers(peer->received());
      EXPECT_EQ(answers.error(), "");
      if (answers.complete() == 0) {
        ++cut;
      } else if (answers[0].status == 200) {
        ++right;
        EXPECT_TRUE(answers[0].body == Pattern(name[0] == 'l' ? kLarge : 50'000));
      } else {
        ++failed;
        EXPECT_TRUE(answers[0].status >= 500 || answers[0].status == 404) << answers[0].status;
      }
      peer->Close();
      served.world().RunFor(5);
    }
    faults.Off();
    served.world().RunFor(1000);
    EXPECT_TRUE(served.Ask("/small.txt").body == Pattern(50'000)) << "no fault is remembered";
    EXPECT_TRUE(served.Ask("/large.bin").body == Pattern(kLarge));
  }
  EXPECT_GT(failed, 0);
  EXPECT_GT(cut, 0);
  EXPECT_GT(right, 0);
}

TEST_P(SimStaticFiles, ADrainFinishesTheFileUnderWay) {
  Served served(2, On());
  served.Write("large.bin", Pattern(kLarge));
  Stopped stopped(&served, "large.bin");
  served.http().server.BeginDrain();
  served.world().RunFor(100);
  stopped.peer->Resume();
  EXPECT_GE(served.http().MsUntil([&] { return stopped.peer->ended(); }), 0);
  ASSERT_EQ(Answers(stopped.peer->received()).complete(), 1u);
  EXPECT_TRUE(Answers(stopped.peer->received())[0].body == Pattern(kLarge));
  stopped.peer->Close();
  served.world().RunFor(10);
  EXPECT_TRUE(served.http().server.drained());
}

INSTANTIATE_TEST_SUITE_P(Transports, SimStaticFiles, testing::ValuesIn(net::kTransportKinds), [](const auto& info) {
  std::string name(net::Name(info.param));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace mooring::server::http
