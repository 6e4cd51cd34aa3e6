// SPDX-License-Identifier: Apache-2.0
// What services may do and what happens when they do it wrong: throw, close from inside, write after the end, wait on
// what is closed.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/sleep.h"
#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"

namespace mooring::scenario {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;
using net::CloseCause;
using net::Connection;
using net::EngineCount;
using net::ReadReason;

class ThrowsOnBang final : public net::Handler {
 public:
  void OnData(Connection& conn, alloc::Lease data) override {
    if (data.view() == "!") throw std::runtime_error("bang");
    conn.Write(std::move(data));
  }
};

core::Task<> ThrowsAtOnce(Connection& conn) {
  if (conn.open()) throw std::runtime_error("at once");
  co_return;
}

core::Task<> ThrowsOnBangLater(Connection& conn) {
  while (auto data = co_await conn.Read()) {
    if (*data == "!") throw std::runtime_error("bang");
    conn.Write(*data);
  }
}

core::Task<> Inner(Connection& conn) {
  while (auto data = co_await conn.Read()) {
    if (*data == "!") throw 42;
    conn.Write(*data);
  }
}
core::Task<> ThrowsThroughAChild(Connection& conn) { co_await Inner(conn); }

class Throwing : public ScenarioOf<int> {
 protected:
  static ServiceFactory Service() {
    switch (Param()) {
      case 0: return Callbacks<ThrowsOnBang>();
      case 1: return Coroutine(ThrowsOnBangLater);
      default: return Coroutine(ThrowsThroughAChild);
    }
  }
};

TEST_P(Throwing, EndsItsOwnConnectionOnly) {
  LoopbackServer server(Service(), In());
  Client other(server.port());
  EXPECT_EQ(other.Exchange("a", 1), "a");
  for (int i = 0; i < 10; ++i) {
    Client client(server.port());
    EXPECT_EQ(client.Exchange("a", 1), "a");
    ASSERT_TRUE(client.Send("!"));
    Ending ending;
    client.ReceiveToEnd(&ending);
    EXPECT_EQ(ending, Ending::kReset);
  }
  EXPECT_EQ(other.Exchange("b", 1), "b");
  server.Await([&] { return server.live() == 1; });
  EXPECT_EQ(server.Cause(CloseCause::kServiceFailed), 10u);
}
INSTANTIATE_TEST_SUITE_P(Worlds, Throwing, testing::Combine(EveryWorld(), testing::Range(0, 3)),
                         WorldAnd(+[](int form) {
                           return form == 0 ? "Callbacks" : form == 1 ? "Coroutine" : "ChildCoroutine";
                         }));

class ThrowingAtOnce : public Scenario {};

TEST_P(ThrowingAtOnce, EndsItsOwnConnection) {
  LoopbackServer server(Coroutine(ThrowsAtOnce), In());
  for (int i = 0; i < 10; ++i) {
    Client client(server.port());
    Ending ending;
    client.ReceiveToEnd(&ending);
    EXPECT_EQ(ending, Ending::kReset);
  }
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Cause(CloseCause::kServiceFailed), 10u);
}
INSTANTIATE_TEST_SUITE_P(Worlds, ThrowingAtOnce, EveryWorld(), WorldName());

struct Tally {
  std::atomic<int> made{0}, destroyed{0}, closed{0}, closed_after_destroyed{0};
};

class OwnHandler : public net::Handler {
 public:
  OwnHandler(Tally* tally, std::string greeting) : tally_(tally), greeting_(std::move(greeting)) { ++tally_->made; }
  ~OwnHandler() override { ++tally_->destroyed; }
  void OnData(Connection& conn, alloc::Lease data) override {
    conn.Write(greeting_);
    conn.Write(std::move(data));
  }
  void OnClose(Connection&, CloseCause) override {
    if (tally_->made - tally_->destroyed <= 0) ++tally_->closed_after_destroyed;
    ++tally_->closed;
  }

 private:
  Tally* const tally_;
  const std::string greeting_;
};

class MakesOwn final : public net::Handler {
 public:
  explicit MakesOwn(Tally* tally) : tally_(tally) {}
  void OnOpen(Connection& conn) override {
    ASSERT_NE(conn.New<OwnHandler>(tally_, std::string("a greeting that is too long for a small string ")), nullptr);
  }
  void OnData(Connection&, alloc::Lease) override { FAIL() << "the connection has its own handler"; }
  void OnClose(Connection&, CloseCause) override { FAIL() << "the connection has its own handler"; }

 private:
  Tally* const tally_;
};

class NewHandlers : public Scenario {};

TEST_P(NewHandlers, AreDestroyedAfterOnClose) {
  Tally tally;
  {
    LoopbackServer server([&] { return std::make_unique<MakesOwn>(&tally); }, In());
    std::vector<Client> clients;
    for (int i = 0; i < 50; ++i) {
      clients.emplace_back(server.port());
      const std::string answer = "a greeting that is too long for a small string x";
      EXPECT_EQ(clients.back().Exchange("x", answer.size()), answer);
    }
  }
  EXPECT_EQ(tally.made, 50);
  EXPECT_EQ(tally.closed, 50);
  EXPECT_EQ(tally.destroyed, 50);
  EXPECT_EQ(tally.closed_after_destroyed, 0);
}
INSTANTIATE_TEST_SUITE_P(Worlds, NewHandlers, EveryWorld(), WorldName());

class ClosesFromInside final : public net::Handler {
 public:
  void OnData(Connection& conn, alloc::Lease data) override {
    conn.Write(std::move(data));
    conn.Close();
    EXPECT_FALSE(conn.open());
    EXPECT_FALSE(conn.Write("too late"));
    conn.Close();
  }
  void OnEof(Connection&) override { ADD_FAILURE() << "after Close nothing is delivered"; }
};

class CloseFromInside : public Scenario {};

TEST_P(CloseFromInside, SendsWhatWasWrittenAndNothingLater) {
  LoopbackServer server(Callbacks<ClosesFromInside>(), In());
  Client client(server.port());
  ASSERT_TRUE(client.Send("last"));
  EXPECT_EQ(client.ReceiveToFin(), "last");
  client.Close();
  server.Await([&] { return server.live() == 0; });
  EXPECT_EQ(server.Count(EngineCount::kWritesAfterClose), 1u);
  EXPECT_EQ(server.Cause(CloseCause::kService), 1u);
}
INSTANTIATE_TEST_SUITE_P(Worlds, CloseFromInside, EveryWorld(), WorldName());

std::atomic<bool> stop_looping{false};

core::Task<> IgnoresTheEnd(Connection& conn) {
  while (!stop_looping) (void)co_await conn.ReadLine();
}
core::Task<> IgnoresTheEndOfWriting(Connection& conn) {
  (void)co_await conn.ReadLine();
  conn.Close();
  while (!stop_looping) {
    conn.Write("x");
    (void)co_await conn.Writable();
  }
}

class WaitingOnAClosedConnection : public Scenario {};

TEST_P(WaitingOnAClosedConnection, InALoopDoesNotFreezeTheShard) {
  for (auto* service : {&IgnoresTheEnd, &IgnoresTheEndOfWriting}) {
    stop_looping = false;
    LoopbackServer server(Coroutine(*service), In());
    Client looping(server.port());
    ASSERT_TRUE(looping.Send("line\n"));
    server.Await([&] { return server.Count(EngineCount::kBytesReceived) == 5; });
    looping.Reset();
    server.Await([&] { return server.Causes() == 1; });
    const uint64_t turns =
        server.OnShard(0, [](net::Engine& e) { return e.shard()->counters().Read(core::ShardCount::kTurns); });
    Client other(server.port());  // is accepted and read
    other.Close();
    server.Await([&] { return server.Count(EngineCount::kAccepted) == 2; });
    EXPECT_GT(server.OnShard(0, [](net::Engine& e) { return e.shard()->counters().Read(core::ShardCount::kTurns); }),
              turns);
    stop_looping = true;
    server.Await([&] { return server.live() == 0; });
  }
}
INSTANTIATE_TEST_SUITE_P(Worlds, WaitingOnAClosedConnection, EveryWorld(), WorldName());

core::Task<std::string> OneLine(Connection& conn) {
  auto line = co_await conn.ReadLine();
  if (!line) co_return line.reason == ReadReason::kCancelled ? "cancelled" : "other";
  co_return std::string(*line);
}

core::Task<> ImpatientLines(Connection& conn) {
  for (;;) {
    auto line = co_await core::WithDeadline(20 * kNanosPerMs, OneLine(conn));
    conn.Write(line.expired() ? "late:" : "in time:");
    conn.Write(*line);
    conn.Write("\n");
    if (*line == "other" || *line == "quit") co_return;
  }
}

class WithDeadline : public Scenario {};

TEST_P(WithDeadline, AroundAReadLosesNoByte) {
  LoopbackServer server(Coroutine(ImpatientLines), In());
  Client client(server.port());
  ASSERT_TRUE(client.Send("qu"));
  std::string text;
  // At least three deadlines pass with the half line there.
  for (int i = 0; i < 3; ++i) text = client.Receive(15);
  EXPECT_EQ(text, "late:cancelled\n");
  ASSERT_TRUE(client.Send("it\n"));
  client.ShutdownWrite();
  text = client.ReceiveToFin();
  ASSERT_GE(text.size(), 13u);
  EXPECT_EQ(text.substr(text.size() - 5), "quit\n");
}
INSTANTIATE_TEST_SUITE_P(Worlds, WithDeadline, EveryWorld(), WorldName());

core::Task<> OneSecondToRead(Connection& conn) {
  for (;;) {
    auto line = co_await conn.ReadLine({.max_bytes = 100, .deadline = kNanosPerSecond});
    if (line) {
      conn.Write(*line);
      conn.Write("\n");
    } else {
      conn.Write(line.reason == ReadReason::kDeadline ? "deadline\n" : "end\n");
      if (line.reason != ReadReason::kDeadline) co_return;
    }
  }
}

class ReadDeadline : public Scenario {};

TEST_P(ReadDeadline, IsSaidAndLosesNoByte) {
  LoopbackServer server(Coroutine(OneSecondToRead), In());
  Client client(server.port());
  ASSERT_TRUE(client.Send("ab"));
  EXPECT_EQ(client.Receive(9), "deadline\n");
  EXPECT_EQ(client.Exchange("c\n", 4), "abc\n");
  EXPECT_EQ(client.Receive(9), "deadline\n");
  client.ShutdownWrite();
  EXPECT_EQ(client.ReceiveToFin(), "end\n");
}
INSTANTIATE_TEST_SUITE_P(Worlds, ReadDeadline, EveryWorld(), WorldName());

core::Task<> SleepsThenAnswers(Connection& conn) {
  while (auto line = co_await conn.ReadLine()) {
    const std::string kept(*line);
    if (const auto woken = co_await core::Sleep(30 * kNanosPerMs); woken == core::Woken::kCancelled) co_return;
    conn.Write(kept + "\n");
  }
}

class Sleep : public Scenario {};

TEST_P(Sleep, BetweenReadsKeepsOrderAndBytes) {
  LoopbackServer server(Coroutine(SleepsThenAnswers), In());
  Client client(server.port());
  ASSERT_TRUE(client.Send("1\n2\n3\n"));
  client.ShutdownWrite();
  EXPECT_EQ(client.ReceiveToFin(), "1\n2\n3\n");
}
INSTANTIATE_TEST_SUITE_P(Worlds, Sleep, EveryWorld(), WorldName());

core::Task<> Exact(Connection& conn) {
  while (auto head = co_await conn.ReadUntil("\r\n\r\n")) {
    const auto n = static_cast<uint32_t>(std::stoul(std::string(*head)));
    auto body = co_await conn.ReadExactly(n);
    if (!body) co_return;
    conn.Write(*body);
  }
}

class ReadExactly : public Scenario {};

TEST_P(ReadExactly, TakesLargeBodiesBetweenHeads) {
  LoopbackServer server(Coroutine(Exact), In());
  Client client(server.port());
  std::string text, answer;
  for (size_t n : {1u, 16383u, 16384u, 16385u, 300000u, 2u, 65536u}) {
    const std::string body(n, static_cast<char>('a' + n % 26));
    text += std::to_string(n) + "\r\n\r\n" + body;
    answer += body;
  }
  ASSERT_TRUE(client.Send(text));
  client.ShutdownWrite();
  EXPECT_TRUE(client.ReceiveToFin() == answer);
}
INSTANTIATE_TEST_SUITE_P(Worlds, ReadExactly, EveryWorld(), WorldName());

}  // namespace
}  // namespace mooring::scenario
