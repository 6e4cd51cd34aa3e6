// SPDX-License-Identifier: Apache-2.0
// Connections that a coroutine owns, over the simulated kernel, each under several seeds: made, read, cancelled at any
// step, cut, drained.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/sleep.h"
#include "net/address.h"
#include "net/connect.h"
#include "net/resolve.h"
#include "server/line.h"
#include "tests/core/test_root.h"
#include "tests/net/sim_server.h"
#include "tests/net/upstream.h"

namespace mooring::net {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;

class SimConnect : public testing::TestWithParam<uint64_t> {
 protected:
  uint64_t seed() const { return Seed(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Seeds, SimConnect, testing::Range<uint64_t>(1, 13));

struct Log {
  std::vector<std::string> lines;
  void Add(std::string line) { lines.push_back(std::move(line)); }
};

core::Task<> AskOnce(Endpoint to, ConnectOptions options, Log* log) {
  auto up = co_await Connect(to, options);
  if (!up) {
    log->Add(up.Explain());
    co_return;
  }
  log->Add("connected");
  up->Write("ping\n");
  auto line = co_await up->ReadLine();
  log->Add(line ? std::string(*line) : "no line");
}

TEST_P(SimConnect, IsReadAndWrittenByItsOwnerAndClosedWithIt) {
  SimServer server(seed());
  const int listener = server.world.kernel().ListenAsPeer(kUpstream);
  Log log;
  Running run(&server, [&] { return AskOnce(*Address::Parse(kUpstream), {}, &log); });
  server.world.RunUntilIdle();
  sim::SimPeer* upstream = server.world.kernel().TakeAccepted(listener);
  ASSERT_NE(upstream, nullptr);
  EXPECT_EQ(upstream->received(), "ping\n");
  upstream->Send("po");
  server.world.RunUntilIdle();
  upstream->Send("ng\n");
  server.world.RunUntilIdle();
  EXPECT_EQ(log.lines, (std::vector<std::string>{"connected", "pong"}));
  EXPECT_TRUE(run.done());
  EXPECT_TRUE(upstream->saw_fin());
  EXPECT_FALSE(upstream->saw_reset());
  upstream->Close();
  server.world.RunUntilIdle();
  EXPECT_EQ(server.live(), 0u);
  EXPECT_EQ(server.Cause(CloseCause::kService), 1u);
}

TEST_P(SimConnect, ARefusalSaysSo) {
  SimServer server(seed());
  Log log;
  Running run(&server, [&] { return AskOnce(*Address::Parse("127.0.0.1:9"), {}, &log); });
  server.world.RunUntilIdle();
  EXPECT_EQ(log.lines, std::vector<std::string>{"127.0.0.1:9: connection refused: nobody listens on the target"});
  EXPECT_TRUE(run.done());
  EXPECT_EQ(server.live(), 0u);
  EXPECT_EQ(server.Cause(CloseCause::kConnectFailed), 1u);
}

// The kernel's want of memory is no want of slots.
TEST_P(SimConnect, WhatTheKernelRefusesIsAFailedConnect) {
  SimServer server(seed());
  server.world.kernel().choices().SetFaults(
      [](const sim::FaultPoint& at) { return at.site == sim::FaultSite::kConnect ? ENOBUFS : 0; });
  ConnectFailure failure = ConnectFailure::kNone;
  Running run(&server, [&]() -> core::Task<> {
    return [](ConnectFailure* to) -> core::Task<> {
      auto up = co_await Connect(*Address::Parse(kUpstream));
      EXPECT_EQ(up.error, ENOBUFS);
      *to = up.failure;
    }(&failure);
  });
  server.world.RunUntilIdle();
  EXPECT_TRUE(run.done());
  EXPECT_EQ(failure, ConnectFailure::kConnect);
  EXPECT_EQ(server.Cause(CloseCause::kConnectFailed), 1u);
}

TEST_P(SimConnect, AUnixPathAndNoTargetAreSaidNotToBeThere) {
  SimServer server(seed());
  Log log;
  Running path(&server, [&] { return AskOnce(*Endpoint::Parse("unix:/run/x.sock"), {}, &log); });
  Running none(&server, [&] { return AskOnce(Endpoint(), {}, &log); });
  server.world.RunUntilIdle();
  EXPECT_EQ(log.lines, (std::vector<std::string>{
                           "unix:/run/x.sock: connecting to Unix paths is not there yet; give an address",
                           "no target is given: write HOST:PORT"}));
}


enum class Blow { kCancel, kCut };

// What a task is told that is struck at any of its steps, and that nothing of it is left.
void StrikeAtEachStep(uint64_t seed, Blow blow) {
  bool ended_by_itself = false;
  for (int at = 0; !ended_by_itself; ++at) {
    ASSERT_LT(at, 2000);
    SCOPED_TRACE(testing::Message() << "struck after step " << at);
    SimServer server(seed);
    Upstream upstream(&server);
    Log log;
    Running run(&server, [&] { return AskOnce(*Address::Parse(kUpstream), {}, &log); });
    int steps = 0;
    while (steps < at && server.world.Step()) {
      upstream.Answer();
      ++steps;
    }
    ended_by_itself = run.done();
    if (blow == Blow::kCancel) run.Cancel();
    if (blow == Blow::kCut) server.CutAll();
    server.world.RunUntilIdle();
    ASSERT_TRUE(run.done());
    const std::string& last = log.lines.back();
    if (ended_by_itself) {
      EXPECT_EQ(last, "pong");
    } else if (last != "pong") {  // it may have won the race
      const bool connected = log.lines.front() == "connected";
      EXPECT_EQ(last, connected                ? "no line"
                      : blow == Blow::kCancel ? "127.0.0.1:9000: cancelled"
                                              : "127.0.0.1:9000: the server is ending");
    }
    RunWith(&server, 60'000, [&] { upstream.Accept(); });
    EXPECT_EQ(server.live(), 0u);
  }
}

TEST_P(SimConnect, MayBeCancelledAtEachStep) { StrikeAtEachStep(seed(), Blow::kCancel); }
TEST_P(SimConnect, MayBeCutAtEachStep) { StrikeAtEachStep(seed(), Blow::kCut); }

TEST_P(SimConnect, ADeadlineEndsWhatNobodyAnswers) {
  SimServer server(seed());
  Upstream upstream(&server);
  std::vector<sim::SimPeer*> crowd;  // fills its backlog
  for (int i = 0; i < 200; ++i) crowd.push_back(server.world.kernel().Connect(kUpstream));
  server.world.RunUntilIdle();
  Log log;
  Running run(&server, [&] { return AskOnce(*Address::Parse(kUpstream), {.deadline = 300 * kNanosPerMs}, &log); });
  server.world.RunFor(299);
  EXPECT_TRUE(log.lines.empty());
  server.world.RunFor(2);
  EXPECT_EQ(log.lines, std::vector<std::string>{"127.0.0.1:9000: timed out: the target does not answer, or its "
                                                "backlog is full: the deadline has passed"});
  server.world.RunUntilIdle();
  EXPECT_EQ(server.live(), 0u);
  EXPECT_EQ(server.Cause(CloseCause::kConnectFailed), 1u);
}

core::Task<> Reasons(OwnedConnection* up, std::vector<ReadReason>* reasons) {
  for (int i = 0; i < 3; ++i) {
    auto line = co_await (*up)->ReadLine({.deadline = kNanosPerSecond});
    reasons->push_back(line.reason);
  }
}
core::Task<> ConnectInto(OwnedConnection* up, ServiceOptions bounds) {
  auto result = co_await Connect(*Address::Parse(kUpstream), {.bounds = bounds});
  EXPECT_TRUE(result) << result.Explain();
  *up = std::move(result.connection);
}

TEST_P(SimConnect, TheOwnersReadsEndAsATasksDo) {
  SimServer server(seed());
  Upstream upstream(&server);
  OwnedConnection ups[3];
  std::vector<ReadReason> reasons[3];
  std::vector<std::unique_ptr<core::TestRoot>> roots;
  server.OnShard(0, [&](Engine&) {
    for (OwnedConnection& up : ups) {
      roots.push_back(std::make_unique<core::TestRoot>());
      ASSERT_TRUE(ConnectInto(&up, {}).Start(roots.back().get()));
    }
  });
  server.world.RunUntilIdle();
  upstream.Accept();
  ASSERT_EQ(upstream.peers.size(), 3u);
  // Which is whose is the seed's: all get the same in turn, and then one end each.
  server.OnShard(0, [&](Engine&) {
    for (int i = 0; i < 3; ++i) {
      ups[i]->Write(std::string(1, static_cast<char>('0' + i)));
      roots.push_back(std::make_unique<core::TestRoot>());
      ASSERT_TRUE(Reasons(&ups[i], &reasons[i]).Start(roots.back().get()));
    }
  });
  server.world.RunUntilIdle();
  for (sim::SimPeer* peer : upstream.peers) {
    peer->Send("line\n");
    if (peer->received() == "0") peer->Reset();
    if (peer->received() == "1") peer->HalfClose();
  }
  server.world.RunFor(5000);
  using R = ReadReason;
  EXPECT_THAT(reasons[0], testing::AnyOf(testing::ElementsAre(R::kNone, R::kReset, R::kReset),
                                         testing::ElementsAre(R::kReset, R::kReset, R::kReset)));
  EXPECT_THAT(reasons[1], testing::ElementsAre(R::kNone, R::kEof, R::kEof));
  EXPECT_THAT(reasons[2], testing::ElementsAre(R::kNone, R::kDeadline, R::kDeadline));
  EXPECT_EQ(server.live(), 3u) << "the slot of one that was reset stays with its owner";
  server.OnShard(0, [&](Engine&) {
    EXPECT_FALSE(ups[0]->open());
    for (OwnedConnection& up : ups) up.Reset();
  });
  server.world.RunFor(60'000);
  EXPECT_EQ(server.live(), 0u);
}

core::Task<> WaitForRoom(Connection* conn, std::vector<std::string>* log) {
  const bool room = co_await conn->Writable();
  log->push_back(room ? "room" : "no room");
}
core::Task<> WaitForLine(Connection* conn, std::vector<std::string>* log) {
  auto line = co_await conn->ReadLine();
  log->push_back(line ? "line" : line.reason == ReadReason::kClosed ? "closed" : "other");
}

TEST_P(SimConnect, WhoStillWaitsIsToldWhenTheOwnerLetsGo) {
  SimServer server(seed());
  Upstream upstream(&server);
  OwnedConnection up;
  Running run(&server, [&] { return ConnectInto(&up, {}); });
  server.world.RunUntilIdle();
  upstream.Accept();
  ASSERT_EQ(upstream.peers.size(), 1u);
  upstream.peers[0]->Stall();
  std::vector<std::string> log;
  core::TestRoot reader, writer;
  server.OnShard(0, [&](Engine&) {
    up->Write(std::string(3'000'000, 'x'));
    ASSERT_TRUE(WaitForRoom(up.get(), &log).Start(&writer));
    ASSERT_TRUE(WaitForLine(up.get(), &log).Start(&reader));
  });
  server.world.RunUntilIdle();
  EXPECT_TRUE(log.empty());
  server.OnShard(0, [&](Engine&) {
    up->Abort();
    up.Reset();
  });
  server.world.RunUntilIdle();
  EXPECT_THAT(log, testing::UnorderedElementsAre("closed", "no room"));
  EXPECT_EQ(server.live(), 0u);
}

TEST_P(SimConnect, ReadingDoesNotWaitForALongQueueWhereTheyHaveNothingToDoWithEachOther) {
  SimServer server(seed());
  Upstream upstream(&server);
  OwnedConnection up;
  Running run(&server, [&] { return ConnectInto(&up, {}); });
  server.world.RunUntilIdle();
  upstream.Accept();
  ASSERT_EQ(upstream.peers.size(), 1u);
  upstream.peers[0]->Stall();
  upstream.peers[0]->Send("line\n");
  std::vector<std::string> log;
  core::TestRoot reader;
  server.OnShard(0, [&](Engine&) {
    up->Write(std::string(3'000'000, 'x'));
    ASSERT_TRUE(WaitForLine(up.get(), &log).Start(&reader));
  });
  server.world.RunUntilIdle();
  EXPECT_EQ(log, std::vector<std::string>{"line"});

  const auto service = [&](Connection& conn) -> core::Task<> {
    conn.Write(std::string(3'000'000, 'x'));
    co_await WaitForLine(&conn, &log);
  };
  const std::string duplex = server.Listen(Coroutine(service), {.full_duplex = true});
  const std::string simple = server.Listen(Coroutine(service));
  for (const std::string& at : {duplex, simple}) {
    auto* peer = server.Connect(at);
    peer->Stall();
    peer->Send("line\n");
    server.world.RunUntilIdle();
    EXPECT_EQ(log, (std::vector<std::string>{"line", "line"})) << "what a request leads to waits, a proxy does not";
  }
  server.OnShard(0, [&](Engine&) { up.Reset(); });
  server.CutAll();
  server.world.RunUntilIdle();
}

// One line for each line, through the upstream.
core::Task<> Forward(Connection& conn) {
  while (auto line = co_await conn.ReadLine()) {
    std::string request(*line);
    request += '\n';
    auto up = co_await Connect(*Address::Parse(kUpstream));
    if (!up) co_return;
    up->Write(request);
    auto answer = co_await up->ReadLine();
    if (!answer) co_return;
    conn.Write(std::string(*answer) + "\n");
  }
}

TEST_P(SimConnect, ADrainWaitsForTheAnswerAndTakesNoTurnsMeanwhile) {
  SimServer server(seed());
  Upstream upstream(&server);
  const std::string at = server.Listen(Coroutine(Forward));
  auto* peer = server.ConnectNow(at);
  peer->CloseOnEof();
  peer->Send("ask\n");
  server.world.RunUntilIdle();
  upstream.Accept();
  ASSERT_EQ(upstream.peers.size(), 1u);
  EXPECT_EQ(upstream.peers[0]->received(), "ask\n");
  server.BeginDrain();
  server.world.RunFor(1000);
  const uint64_t turns = server.shard().counters().Read(core::ShardCount::kTurns);
  server.world.RunFor(5000);
  EXPECT_LE(server.shard().counters().Read(core::ShardCount::kTurns), turns + 20);
  EXPECT_FALSE(server.drained());
  upstream.peers[0]->Send("answer\n");
  server.world.RunFor(1000);
  EXPECT_EQ(peer->received(), "answer\n");
  EXPECT_TRUE(peer->saw_fin());
  EXPECT_TRUE(server.drained());
}

// Reads one block after the other and writes each on, as a proxy does; a copy of each is what must arrive.
core::Task<> Proxy(OwnedConnection* from, OwnedConnection* to, std::vector<alloc::Lease>* kept, std::string* copy) {
  while (auto data = co_await (*from)->Read({.max_bytes = 5000})) {
    alloc::Lease lease = (*from)->Keep(data);
    EXPECT_EQ(lease.view(), *data);
    EXPECT_EQ(lease.data(), data.data) << "no copy";
    *copy += std::string(*data);
    if (kept->size() < 3) kept->push_back(lease.Share(0, lease.size()));
    (*to)->Write(std::move(lease));
    if (const bool room = co_await (*to)->Writable(); !room) co_return;
  }
}

TEST_P(SimConnect, WhatIsKeptIsThereAfterTheNextReadAndAfterTheConnection) {
  SimServer server(seed());
  Upstream upstream(&server);
  OwnedConnection from, to;
  Running first(&server, [&] { return ConnectInto(&from, {}); });
  server.world.RunUntilIdle();
  upstream.Accept();
  Running second(&server, [&] { return ConnectInto(&to, {}); });
  server.world.RunUntilIdle();
  upstream.Accept();
  ASSERT_EQ(upstream.peers.size(), 2u);
  std::vector<alloc::Lease> kept;
  std::string copy;
  Running run(&server, [&] { return Proxy(&from, &to, &kept, &copy); });
  std::string all;
  for (int i = 0; all.size() < 60'000; ++i) all += std::to_string(i) + " ";
  upstream.peers[0]->Send(all);
  upstream.peers[0]->HalfClose();
  server.world.RunFor(1000);
  EXPECT_TRUE(run.done());
  EXPECT_EQ(copy, all);
  EXPECT_EQ(upstream.peers[1]->received(), all);
  server.OnShard(0, [&](Engine& engine) {
    EXPECT_GT(engine.retained_blocks(), 0u) << "charged to who received it";
    from.Reset();
    to.Reset();
  });
  server.world.RunFor(60'000);
  EXPECT_EQ(server.live(), 0u);
  server.OnShard(0, [&](Engine& engine) {
    EXPECT_EQ(engine.retained_blocks(), 0u);
    size_t at = 0;
    for (alloc::Lease& lease : kept) {
      EXPECT_EQ(lease.view(), all.substr(at, lease.size()));
      at += lease.size();
    }
    kept.clear();
  });
}

TEST_P(SimConnect, BoundsAreOfTheConnectionAndNumberedApartFromListeners) {
  SimServer server(seed());
  Upstream upstream(&server);
  OwnedConnection idle, other;
  Running first(&server, [&] { return ConnectInto(&idle, {.idle_timeout_s = 2}); });
  Running second(&server, [&] { return ConnectInto(&other, {}); });
  server.world.RunUntilIdle();
  const std::string at = server.Listen(Coroutine(server::Line));
  auto* peer = server.ConnectNow(at);
  peer->Send("x\n");
  server.world.RunUntilIdle();
  EXPECT_EQ(peer->received(), "OK\n");
  std::vector<std::string> log;
  Running wait(&server, [&] { return WaitForLine(idle.get(), &log); });
  server.world.RunFor(6000);
  EXPECT_EQ(log, std::vector<std::string>{"closed"});
  server.OnShard(0, [&](Engine& engine) {
    EXPECT_TRUE(other->open());
    for (uint32_t i = 0; i < Engine::kOwnedProfilesMax - 2; ++i) {
      EXPECT_NE(engine.OwnedProfile({.idle_timeout_s = 100 + i}), Engine::kNoProfile);
    }
    EXPECT_EQ(engine.OwnedProfile({.idle_timeout_s = 99}), Engine::kNoProfile);
    EXPECT_EQ(engine.OwnedProfile({}), other->listener());
    idle.Reset();
    other.Reset();
  });
  server.world.RunFor(60'000);
  EXPECT_EQ(server.Cause(CloseCause::kIdle), 1u);
}

// Names of the test's own.
class Names final : public NameSource {
 public:
  NameAnswer LookUp(const std::string& host, uint16_t port) override {
    ++asked;
    const auto found = known.find(host);
    if (found == known.end()) return {.error = EAI_NONAME, .system_error = 0, .addresses = {}};
    NameAnswer answer;
    for (const char* each : found->second) {
      answer.addresses.push_back(*Address::Parse(each));
      answer.addresses.back().set_port(port);
    }
    return answer;
  }
  std::map<std::string, std::vector<const char*>> known;
  int asked = 0;
};

core::Task<> AskByName(std::string to, ConnectOptions options, Log* log) {
  auto up = co_await Connect(std::move(to), options);
  for (const ConnectResult::Tried& each : up.tried) log->Add(each.address.ToString());
  if (!up) {
    log->Add(up.Explain());
    co_return;
  }
  up->Write("ping\n");
  auto line = co_await up->ReadLine();
  log->Add(line ? std::string(*line) : "no line");
}

struct Named {
  explicit Named(uint64_t seed) : server(seed), upstream(&server) {
    server.shard().locals().Emplace<NamesInUse>(&names);
  }
  std::vector<std::string> Ask(std::string target, ConnectOptions options = {}) {
    Log log;
    Running run(&server, [&] { return AskByName(target, options, &log); });
    RunWith(&server, 60'000, [&] { upstream.Answer(); });
    EXPECT_TRUE(run.done()) << target;
    return log.lines;
  }
  Names names;
  SimServer server;
  Upstream upstream;
};

TEST_P(SimConnect, ANameIsLookedUpAndItsAddressesAreTriedInTurn) {
  Named named(seed());
  named.names.known["db.example"] = {"127.0.0.2:0", "127.0.0.3:0", "[::1]:0", "127.0.0.1:0"};
  EXPECT_EQ(named.Ask("db.example:9000"),
            (std::vector<std::string>{"127.0.0.2:9000", "[::1]:9000", "127.0.0.3:9000", "pong"}));
  EXPECT_EQ(named.Ask("tcp://127.0.0.1:9000"), std::vector<std::string>{"pong"});
  EXPECT_EQ(named.names.asked, 1) << "digits are not looked up";
  named.names.known["none.example"] = {"127.0.0.2:0", "[::1]:0"};
  EXPECT_EQ(named.Ask("none.example:9000").back(),
            "none.example:9000: 127.0.0.2:9000: connection refused: nobody listens on the target; "
            "[::1]:9000: connection refused: nobody listens on the target");
  EXPECT_EQ(named.server.live(), 0u);
}

TEST_P(SimConnect, WhatIsWrongWithANameIsSaid) {
  Named named(seed());
  EXPECT_EQ(named.Ask("nobody.example:1").back(),
            "nobody.example:1: no such name: look at its spelling, /etc/hosts and `getent ahosts NAME`");
  const std::pair<std::string, const char*> wrong[] = {
      {"db.example", "it has no port"},
      {"db.example:0", "its port is not a number from 1 to 65535"},
      {"db.example:x", "its port is not a number from 1 to 65535"},
      {":5432", "it has no host"},
      {"::1:5432", "an IPv6 host needs brackets"},
      {"a b:5432", "its host is not a name"},
      {std::string("a\0b:5432", 8), "its host is not a name"},
      {std::string(254, 'a') + ":1", "its host has more than 253 characters"},
      {"unix:/run/x:5", "connecting to Unix paths is not there yet"},
  };
  for (const auto& [target, what] : wrong) {
    EXPECT_THAT(named.Ask(target).back(), testing::HasSubstr(what)) << target;
  }
  EXPECT_EQ(named.names.asked, 1);
  named.server.shard().SetJobRunner(nullptr);
  EXPECT_THAT(named.Ask("db.example:1").back(), testing::HasSubstr("no helper thread for the look-up"));
}

TEST_P(SimConnect, ASilentAddressLeavesTheOthersTheirPart) {
  Named named(seed());
  ASSERT_GE(named.server.world.kernel().ListenAsPeer("127.0.0.7:9000"), 0);
  for (int i = 0; i < 200; ++i) named.server.world.kernel().Connect("127.0.0.7:9000");  // fills its backlog
  named.server.world.RunUntilIdle();
  named.names.known["db.example"] = {"127.0.0.7:0", "127.0.0.1:0"};
  const ConnectOptions four_seconds = {.deadline = 4 * kNanosPerSecond};
  const int64_t before = named.server.world.now_ms();
  Log log;
  Running run(&named.server, [&] { return AskByName("db.example:9000", four_seconds, &log); });
  const auto done = [&] {
    named.upstream.Answer();
    return run.done();
  };
  EXPECT_TRUE(named.server.world.RunUntil(done, 10'000));
  EXPECT_EQ(log.lines, (std::vector<std::string>{"127.0.0.7:9000", "pong"}));
  EXPECT_GE(named.server.world.now_ms() - before, 1900);
  EXPECT_LE(named.server.world.now_ms() - before, 2300);
  // At least a second for each: the last ones go without.
  named.names.known["all.silent"] = {"127.0.0.7:0", "127.0.0.7:0", "127.0.0.7:0", "127.0.0.7:0"};
  EXPECT_THAT(named.Ask("all.silent:9000", {.deadline = 2500 * kNanosPerMs}).back(),
              testing::EndsWith(": the deadline has passed; addresses that were not tried: 1"));
}

TEST_P(SimConnect, ADeadlineMayPassWhileANameIsLookedUp) {
  SimServer server(seed());
  Names names;
  names.known["db.example"] = {"127.0.0.1:0"};
  server.shard().locals().Emplace<NamesInUse>(&names);
  struct Stuck final : core::JobRunner {  // a resolver that never answers
    bool Submit(core::Job* job) override {
      jobs.push_back(job);
      return true;
    }
    std::vector<core::Job*> jobs;
  } stuck;
  server.shard().SetJobRunner(&stuck);
  Log log;
  Running late(&server, [&] { return AskByName("db.example:9000", {.deadline = kNanosPerSecond}, &log); });
  Running cancelled(&server, [&] { return AskByName("db.example:9000", {.deadline = 0}, &log); });
  server.world.RunFor(900);
  EXPECT_TRUE(log.lines.empty());
  server.world.RunFor(200);
  cancelled.Cancel();
  server.world.RunUntilIdle();
  EXPECT_EQ(log.lines, (std::vector<std::string>{"db.example:9000: looking the name up: the deadline has passed",
                                                 "db.example:9000: looking the name up: cancelled"}));
  for (core::Job* job : stuck.jobs) job->run(job);  // nobody waits any more
  server.world.RunUntilIdle();
  EXPECT_EQ(server.live(), 0u);
}

TEST_P(SimConnect, ByNameMayBeCancelledAtEachStep) {
  bool ended_by_itself = false;
  for (int at = 0; !ended_by_itself; ++at) {
    ASSERT_LT(at, 2000);
    SCOPED_TRACE(testing::Message() << "cancelled after step " << at);
    Named named(seed());
    named.names.known["db.example"] = {"127.0.0.2:0", "127.0.0.1:0"};
    Log log;
    Running run(&named.server, [&] { return AskByName("db.example:9000", {}, &log); });
    int steps = 0;
    const auto there = [&] {
      named.upstream.Answer();
      return steps++ == at || run.done();
    };
    named.server.world.RunUntil(there, 10'000);
    ended_by_itself = run.done();
    run.Cancel();
    named.server.world.RunUntilIdle();
    ASSERT_TRUE(run.done());
    const std::string& last = log.lines.back();
    EXPECT_TRUE(last == "pong" || last == "no line" || last.ends_with(": cancelled")) << last;
    RunWith(&named.server, 60'000, [&] { named.upstream.Accept(); });
    EXPECT_EQ(named.server.live(), 0u);
  }
}

TEST(Connect, FamiliesTakeTurns) {
  const auto order = [](const std::vector<std::string>& given) {
    std::vector<Address> addresses;
    for (const std::string& each : given) addresses.push_back(*Address::Parse(each));
    std::vector<std::string> out;
    for (const Address& each : Interleaved(addresses)) out.push_back(each.ToString());
    return out;
  };
  using V = std::vector<std::string>;
  EXPECT_EQ(order({}), V{});
  EXPECT_EQ(order({"1.1.1.1:1", "2.2.2.2:1"}), (V{"1.1.1.1:1", "2.2.2.2:1"}));
  EXPECT_EQ(order({"[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"}),
            (V{"[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"}));
  EXPECT_EQ(order({"1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1", "[::1]:1"}),
            (V{"1.1.1.1:1", "[::1]:1", "2.2.2.2:1", "3.3.3.3:1"}));
}

}  // namespace
}  // namespace mooring::net
