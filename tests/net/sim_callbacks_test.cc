// SPDX-License-Identifier: Apache-2.0
// What services of callbacks may ask of a connection: a deadline of their own, its slot for longer than it lives, and
// that a task takes it over. Over the simulated kernel, under several seeds.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "core/sleep.h"
#include "core/task.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;

struct Log {
  std::string text;
  Connection* conn = nullptr;
};

class SimCallbacks : public testing::TestWithParam<uint64_t> {
 protected:
  Log log;  // before the server, whose end is logged too
  SimServer server{Seed(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(Seeds, SimCallbacks, testing::Range<uint64_t>(1, 9));

// "d": the deadline; "x": the end. Each byte that it gets is a number of seconds for the deadline.
class Timed : public Handler {
 public:
  explicit Timed(Log* log) : log_(log) {}
  void OnOpen(Connection& conn) override {
    log_->conn = &conn;
    conn.SetDeadline(3 * kNanosPerSecond);
  }
  void OnData(Connection& conn, alloc::Lease data) override {
    conn.SetDeadline((data.view().back() - '0') * kNanosPerSecond);
  }
  void OnDeadline(Connection& conn) override {
    log_->text += 'd';
    if (log_->text == "dd") conn.Close(CloseCause::kIdle);
  }
  void OnClose(Connection&, CloseCause cause) override { log_->text += cause == CloseCause::kIdle ? 'i' : 'x'; }

 private:
  Log* const log_;
};

TEST_P(SimCallbacks, ADeadlineIsToldOnceAndNotBeforeItsTime) {
  auto* peer = server.ConnectNow(server.Listen(Callbacks<Timed>(&log)));
  server.world.RunFor(2900);
  EXPECT_EQ(log.text, "");
  server.world.RunFor(1200);
  EXPECT_EQ(log.text, "d");
  server.world.RunFor(60'000);
  EXPECT_EQ(log.text, "d") << "it is not set any more";
  peer->Send("5");
  server.world.RunFor(4900);
  EXPECT_EQ(log.text, "d");
  server.world.RunFor(1200);
  EXPECT_EQ(log.text, "dd");
  peer->Close();
  server.world.RunFor(1000);
  EXPECT_EQ(log.text, "ddi");
  EXPECT_EQ(server.Cause(CloseCause::kIdle), 1u);
}

TEST_P(SimCallbacks, ADeadlineThatIsMovedOrTakenBackIsNotTold) {
  auto* peer = server.ConnectNow(server.Listen(Callbacks<Timed>(&log)));
  for (int i = 0; i < 5; ++i) {
    server.world.RunFor(2000);
    peer->Send("3");
  }
  server.world.RunFor(2000);
  EXPECT_EQ(log.text, "");
  peer->Send("0");
  server.world.RunFor(60'000);
  EXPECT_EQ(log.text, "");
  peer->Close();
}

// Keeps the slot of a connection that has ended until it is told.
class Holding : public Handler {
 public:
  explicit Holding(Log* log) : log_(log) {}
  void OnOpen(Connection& conn) override {
    log_->conn = &conn;
    conn.HoldSlot();
  }
  void OnData(Connection&, alloc::Lease) override {}
  void OnClose(Connection&, CloseCause) override { log_->text += 'x'; }

 private:
  Log* const log_;
};

TEST_P(SimCallbacks, AHeldSlotOutlivesItsConnectionAndADrainWaitsForIt) {
  auto* peer = server.ConnectNow(server.Listen(Callbacks<Holding>(&log)));
  peer->Reset();
  server.world.RunFor(1000);
  EXPECT_EQ(log.text, "x");
  EXPECT_EQ(server.live(), 1u);
  EXPECT_FALSE(log.conn->open()) << "it may still be asked";
  server.BeginDrain();
  server.world.RunFor(1000);
  EXPECT_FALSE(server.drained());
  server.OnShard(0, [&](Engine&) { log.conn->ReleaseSlot(); });
  server.world.RunFor(1000);
  EXPECT_EQ(server.live(), 0u);
  EXPECT_TRUE(server.drained());
}

core::Task<> Lines(Connection* conn, Log* log) {
  while (auto line = co_await conn->ReadLine()) {
    co_await core::Sleep(kNanosPerMs);
    log->text += std::string(*line) + ";";
    conn->Write(*line);
  }
  log->text += "end";
}

// Waits for an exclamation mark; what is behind it belongs to a task.
class Switching : public Handler {
 public:
  explicit Switching(Log* log) : log_(log) {}
  void OnOpen(Connection& conn) override { conn.New<OfConnection>(log_); }
  void OnData(Connection&, alloc::Lease) override {}

 private:
  class OfConnection : public Handler {
   public:
    explicit OfConnection(Log* log) : log_(log) {}
    ~OfConnection() override { log_->text += "~"; }
    void OnData(Connection& conn, alloc::Lease data) override {
      const size_t at = data.view().find('!');
      if (at == std::string_view::npos) return;
      data.RemovePrefix(static_cast<uint32_t>(at) + 1);
      conn.TakeOver(Lines(&conn, log_), std::move(data));
    }
    void OnClose(Connection&, CloseCause) override { log_->text += "never"; }

   private:
    Log* const log_;
  };
  Log* const log_;
};

TEST_P(SimCallbacks, ATaskTakesOverWithTheBytesThatCameBehind) {
  const std::string text = "abc!one\ntwo\nth";
  for (size_t split = 0; split <= text.size(); ++split) {
    log = {};
    auto* peer = server.ConnectNow(server.Listen(Callbacks<Switching>(&log)));
    peer->Send(text.substr(0, split));
    server.world.RunUntilIdle();
    peer->Send(text.substr(split));
    server.world.RunFor(10);
    peer->Send("ree\n");
    server.world.RunFor(10);
    EXPECT_EQ(peer->received(), "onetwothree") << "split at " << split;
    peer->Close();
    server.world.RunFor(1000);
    EXPECT_EQ(log.text, "~one;two;three;end");
  }
  EXPECT_EQ(server.live(), 0u);
}

TEST_P(SimCallbacks, ADeadlineGoesWithTheHandlerThatATaskFollows) {
  class TimedSwitch final : public Timed {
   public:
    TimedSwitch(Log* log) : Timed(log), log_(log) {}
    void OnData(Connection& conn, alloc::Lease data) override {
      conn.SetDeadline(3 * kNanosPerSecond);
      conn.TakeOver(Lines(&conn, log_), std::move(data));
    }

   private:
    Log* const log_;
  };
  auto* peer = server.ConnectNow(server.Listen(Callbacks<TimedSwitch>(&log)));
  peer->Send("a\n");
  server.world.RunFor(60'000);
  EXPECT_EQ(log.text, "a;");
  peer->Send("b\n");
  server.world.RunFor(100);
  EXPECT_EQ(peer->received(), "ab");
  peer->Close();
}

}  // namespace
}  // namespace mooring::net
