// SPDX-License-Identifier: Apache-2.0
#include "tests/net/trial_services.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "core/channel.h"
#include "core/scope.h"
#include "core/sleep.h"
#include "core/task.h"
#include "net/engine.h"
#include "server/echo.h"
#include "server/line.h"
#include "tests/net/dice.h"
#include "tests/net/trial_across.h"
#include "tests/net/trial_http.h"

namespace mooring::net {
namespace {

using core::kNanosPerMs;

core::Task<> EchoTask(Connection& conn) {
  for (;;) {
    auto data = co_await conn.Read({.max_bytes = 5000});
    if (!data) co_return;
    conn.Write(*data);
    if (const bool room = co_await conn.Writable(); !room) co_return;
  }
}

core::Task<> Exactly(Connection& conn) {
  for (;;) {
    auto data = co_await conn.ReadExactly(1000);
    if (!data) break;
    conn.Write(*data);
  }
  conn.Write(conn.Partial());
}

core::Task<> SlowLines(Connection& conn) {
  for (;;) {
    auto line = co_await conn.ReadLine({.max_bytes = 20000});
    if (!line) break;
    if (line.size % 7 == 0) co_await core::Sleep((line.size % 5) * kNanosPerMs);
    conn.Write(*line);
    conn.Write("\n");
  }
  conn.Write(conn.Partial());
}

// Reads a line and writes it while the view is good; how it went.
core::Task<ReadReason> OneLine(Connection* conn) {
  auto line = co_await conn->ReadLine({.max_bytes = 20000});
  if (!line) co_return line.reason;
  conn->Write(*line);
  conn->Write("\n");
  co_return ReadReason::kNone;
}

// Waits with a deadline of the read, and with one of a task around it, in turn.
core::Task<> Impatient(Connection& conn) {
  for (;;) {
    auto line = co_await conn.ReadLine({.max_bytes = 20000, .deadline = kNanosPerMs});
    if (line) {
      conn.Write(*line);
      conn.Write("\n");
    } else if (line.reason != ReadReason::kDeadline) {
      break;
    }
    auto outcome = co_await core::WithDeadline(3000 * kNanosPerMs, OneLine(&conn));
    const bool gave_up = outcome.expired() && *outcome == ReadReason::kCancelled;
    if (*outcome != ReadReason::kNone && !gave_up) break;
  }
  conn.Write(conn.Partial());
}

core::Task<> Pusher(Connection& conn) {
  for (uint32_t i = 0; i < kPushes; ++i) {
    conn.Write(PushText());
    if (const bool room = co_await conn.Writable(); !room) co_return;
  }
}

core::Task<> WriteAllOf(core::Channel<alloc::Lease>* from, Connection* conn) {
  while (auto lease = co_await from->Receive()) {
    conn->Write(std::move(*lease));
    if (const bool room = co_await conn->Writable(); !room) break;
  }
  from->Close();  // the reader may be waiting for room in it
}

core::Task<> Piped(Connection& conn) {
  core::Channel<alloc::Lease> channel(conn.id().value % 4);
  auto read_all = [&conn, &channel](core::Scope& scope) -> core::Task<> {
    if (!scope.Spawn(WriteAllOf(&channel, &conn))) co_return;
    for (;;) {
      auto data = co_await conn.Read({.max_bytes = 3000});
      if (!data) break;
      if (const bool sent = co_await channel.Send(conn.Keep(data)); !sent) break;
    }
    channel.Close();  // what is in it is still written
  };
  co_await core::Scoped(read_all);
}

class Keeper final : public Handler {
 public:
  class OfConnection : public Handler {
   public:
    OfConnection(Connection* conn, uint64_t seed) : decisions_(seed), dice_(&decisions_), conn_(conn) {
      timer_.argument = this;
      timer_.call = [](void* self) { static_cast<OfConnection*>(self)->Flush(); };
    }
    void OnData(Connection& conn, alloc::Lease data) override {
      if (kept_ == kMax) Flush();
      leases_[kept_++] = std::move(data);
      if (dice_.Chance(40)) conn.Pause();
      if (timer_.armed()) return;
      core::Shard* shard = core::Shard::Current();
      shard->wheel().Arm(&timer_, core::TimerKind::kFunction, shard->now_ms() + static_cast<int64_t>(dice_.Pick(30)));
    }
    void OnEof(Connection& conn) override {
      Flush();
      conn.Close();
    }
    void OnDrain(Connection& conn) override {
      Flush();
      conn.Close();
    }
    void OnClose(Connection&, CloseCause) override {
      core::Shard::Current()->wheel().Cancel(&timer_);
      for (alloc::Lease& lease : leases_) lease.Reset();
    }

   private:
    static constexpr size_t kMax = 40;
    void Flush() {
      for (size_t i = 0; i < kept_; ++i) conn_->Write(std::move(leases_[i]));
      kept_ = 0;
      conn_->Resume();
    }
    sim::SeededDecisions decisions_;
    Dice dice_;
    Connection* const conn_;
    std::array<alloc::Lease, kMax> leases_;  // no heap: a server that is destroyed in mid-air destroys no handler
    size_t kept_ = 0;
    core::CallTimer timer_;
  };
  void OnOpen(Connection& conn) override {
    if (conn.New<OfConnection>(&conn, conn.id().value) == nullptr) conn.Abort();
  }
  void OnData(Connection& conn, alloc::Lease) override { conn.Abort(); }  // the handler of the connection gets these
};

class Farewell final : public Handler {
 public:
  class OfConnection : public Handler {
   public:
    OfConnection() = default;
    void OnData(Connection& conn, alloc::Lease data) override {
      if (left_ == 0) return;
      data.Truncate(static_cast<uint32_t>(std::min<size_t>(data.size(), left_)));
      left_ -= data.size();
      conn.Write(std::move(data));
      if (left_ == 0) conn.ShutdownWrite();
    }

   private:
    size_t left_ = kFarewellBytes;
  };
  void OnOpen(Connection& conn) override {
    if (conn.New<OfConnection>() == nullptr) conn.Abort();
  }
  void OnData(Connection& conn, alloc::Lease) override { conn.Abort(); }
};

class Mailer final : public Handler {
 public:
  explicit Mailer(const std::vector<core::Shard*>* shards) : shards_(shards) {}

  class OfConnection : public Handler {
   public:
    OfConnection(Connection* conn, core::Shard* other) : conn_(conn), id_(conn->id()), other_(other) {}
    void OnData(Connection&, alloc::Lease data) override {
      ++away_;
      core::Shard* home = core::Shard::Current();
      home->PostAlways(other_, [this, home, other = other_, id = id_, text = std::string(data.view())]() mutable {
        other->PostAlways(home, [this, id, text = std::move(text)] {
          Connection* conn = Engine::Current()->Find(id);
          if (conn == nullptr) return;  // gone meanwhile, and this with it
          conn->Write(text);
          OnBack();
        });
      });
    }
    void OnEof(Connection&) override { Finish(); }
    void OnDrain(Connection&) override { Finish(); }

   private:
    void OnBack() {
      --away_;
      if (over_ && away_ == 0) conn_->Close();
    }
    void Finish() {
      over_ = true;
      if (away_ == 0) conn_->Close();
    }
    Connection* const conn_;
    const ConnectionId id_;
    core::Shard* const other_;
    uint32_t away_ = 0;
    bool over_ = false;
  };
  void OnOpen(Connection& conn) override {
    const size_t next = (core::Shard::Current()->id() + 1) % shards_->size();
    if (conn.New<OfConnection>(&conn, (*shards_)[next]) == nullptr) conn.Abort();
  }
  void OnData(Connection& conn, alloc::Lease) override { conn.Abort(); }

 private:
  const std::vector<core::Shard*>* const shards_;
};

class Greeter final : public Handler {
 public:
  void OnOpen(Connection& conn) override { conn.Write(kGreeting); }
  void OnData(Connection& conn, alloc::Lease data) override { conn.Write(std::move(data)); }
};

}  // namespace

const char* Name(TrialService service) {
  switch (service) {
    case TrialService::kEcho: return "echo";
    case TrialService::kEchoTask: return "echo_task";
    case TrialService::kExactly: return "exactly";
    case TrialService::kKeeper: return "keeper";
    case TrialService::kLine: return "line";
    case TrialService::kSlowLines: return "slow_lines";
    case TrialService::kImpatient: return "impatient";
    case TrialService::kFarewell: return "farewell";
    case TrialService::kPusher: return "pusher";
    case TrialService::kPiped: return "piped";
    case TrialService::kMailer: return "mailer";
    case TrialService::kPoster: return "poster";
    case TrialService::kAsker: return "asker";
    case TrialService::kHttp: return "http";
    case TrialService::kMember: return "member";
    case TrialService::kGreeter: return "greeter";
    case TrialService::kCount: break;
  }
  return "?";
}

std::string_view PushText() {
  static const std::string text = [] {
    std::string pattern;
    for (size_t i = 0; i < 700; ++i) pattern += static_cast<char>('a' + i * 7 % 23);
    return pattern;
  }();
  return text;
}

ServiceFactory FactoryOf(TrialService service, const std::vector<core::Shard*>* shards) {
  switch (service) {
    case TrialService::kEcho: return Callbacks<server::Echo>();
    case TrialService::kEchoTask: return Coroutine(EchoTask);
    case TrialService::kExactly: return Coroutine(Exactly);
    case TrialService::kKeeper: return Callbacks<Keeper>();
    case TrialService::kLine: return Coroutine(server::Line);
    case TrialService::kSlowLines: return Coroutine(SlowLines);
    case TrialService::kImpatient: return Coroutine(Impatient);
    case TrialService::kFarewell: return Callbacks<Farewell>();
    case TrialService::kPusher: return Coroutine(Pusher);
    case TrialService::kPiped: return Coroutine(Piped);
    case TrialService::kMailer: return Callbacks<Mailer>(shards);
    case TrialService::kPoster: return Poster();
    case TrialService::kAsker: return Asker();
    case TrialService::kHttp: return TrialHttp();
    case TrialService::kMember: return Member();
    case TrialService::kGreeter: return Callbacks<Greeter>();
    case TrialService::kCount: break;
  }
  return {};
}

}  // namespace mooring::net
