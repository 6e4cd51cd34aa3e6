// SPDX-License-Identifier: Apache-2.0
// Services against a model: what each peer has sent decides what it must have received, whatever the kernel, the network
// and the other peers did meanwhile.
//
// MOORING_SEED=n replays one seed; MOORING_SEEDS=n runs that many.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/sleep.h"
#include "server/echo.h"
#include "server/line.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

using core::kNanosPerMs;

// splitmix64, apart from the kernel's, so that a test's own choices do not shift the kernel's.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t Pick(uint64_t n) { return Next() % n; }
  uint64_t Between(uint64_t low, uint64_t high) { return low + Pick(high - low + 1); }
  bool Chance(unsigned percent) { return Pick(100) < percent; }

 private:
  uint64_t state_;
};

core::Task<> EchoTask(Connection& conn) {
  for (;;) {
    auto data = co_await conn.Read({.max_bytes = 5000});
    if (!data) co_return;
    conn.Write(*data);
    if (const bool room = co_await conn.Writable(); !room) co_return;
  }
}

// Takes messages of 1,000 bytes, and the rest of the stream from Partial.
core::Task<> EchoExactly(Connection& conn) {
  for (;;) {
    auto data = co_await conn.ReadExactly(1000);
    if (!data) break;
    conn.Write(*data);
  }
  conn.Write(conn.Partial());
}

// Thinks about each line, with its view in hand.
core::Task<> EchoLinesSlowly(Connection& conn) {
  for (;;) {
    auto line = co_await conn.ReadLine({.max_bytes = 20000});
    if (!line) break;
    if (line.size % 7 == 0) co_await core::Sleep((line.size % 5) * kNanosPerMs);
    conn.Write(*line);
    conn.Write("\n");
  }
  conn.Write(conn.Partial());
}

// Echo that pauses now and then, keeps what it got for some milliseconds, and writes it then.
class Keeper final : public Handler {
 public:
  class OfConnection : public Handler {
   public:
    OfConnection(Connection* conn, uint64_t seed) : dice_(seed), conn_(conn) {
      timer_.argument = this;
      timer_.call = [](void* self) { static_cast<OfConnection*>(self)->Flush(); };
    }
    void OnData(Connection& conn, alloc::Lease data) override {
      kept_.push_back(std::move(data));
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
      kept_.clear();
    }

   private:
    void Flush() {
      for (alloc::Lease& lease : kept_) conn_->Write(std::move(lease));
      kept_.clear();
      conn_->Resume();
    }
    Dice dice_;
    Connection* const conn_;
    std::vector<alloc::Lease> kept_;
    core::CallTimer timer_;
  };
  void OnOpen(Connection& conn) override { conn.New<OfConnection>(&conn, conn.id().value); }
  void OnData(Connection&, alloc::Lease) override { ADD_FAILURE() << "the handler of the connection gets these"; }
};

enum class Service { kEcho, kEchoTask, kEchoExactly, kKeeper, kLine, kSlowLines, kCount };

struct PeerModel {
  sim::SimPeer* peer = nullptr;
  Service service = Service::kEcho;
  std::string sent;
  size_t budget = 0;      // bytes that it has still to send
  bool too_long = false;  // has sent a line over the limit
  bool ended = false;     // says nothing more
  bool broken = false;    // in a way that may cost it answers
  bool vanished = false;

  bool line() const { return service == Service::kLine; }

  // What the service has to answer to the first `bytes` of what was sent; at_end: FIN follows them.
  std::string Expected(size_t bytes, bool at_end) const {
    if (service == Service::kSlowLines && !at_end) {
      const size_t end = bytes == 0 ? std::string::npos : sent.rfind('\n', bytes - 1);
      return end == std::string::npos ? "" : sent.substr(0, end + 1);
    }
    if (service == Service::kEchoExactly && !at_end) return sent.substr(0, bytes / 1000 * 1000);
    if (!line()) return sent.substr(0, bytes);
    std::string out;
    size_t begin = 0;
    for (size_t end; (end = sent.find('\n', begin)) < bytes && end - begin <= server::kLineBytesMax; begin = end + 1) {
      out += "OK\n";
    }
    return out;
  }
};

class Model {
 public:
  explicit Model(uint64_t seed, bool drain) : dice_(seed), server_(seed, OptionsOf(dice_)), drain_(drain) {
    for (int i = 0; i < static_cast<int>(Service::kCount); ++i) {
      at_[i] = server_.Listen(FactoryOf(static_cast<Service>(i)), RandomOptions());
    }
  }

  void Run() {
    const uint64_t peers = dice_.Between(1, 20);
    const uint64_t rounds = dice_.Between(10, 150);
    for (uint64_t round = 0; round < rounds; ++round) {
      if (peers_.size() < peers && (peers_.empty() || dice_.Chance(30))) Open();
      for (uint64_t n = dice_.Pick(3); n > 0; --n) Act(peers_[dice_.Pick(peers_.size())]);
      for (uint64_t n = dice_.Pick(60); n > 0; --n) server_.world.Step();
      if (dice_.Chance(10)) server_.world.RunFor(static_cast<int64_t>(dice_.Between(1, 40)));
      if (dice_.Chance(3)) server_.world.RunUntilIdle();
    }
    drain_ ? Drain() : Finish();
    if (!testing::Test::HasFailure()) server_.ExpectNothingLeft();
  }

 private:
  static SimServer::Options OptionsOf(Dice& dice) {
    return {.shards = static_cast<uint32_t>(dice.Between(1, 3)),
            .slots = dice.Chance(80) ? 512u : 260u,  // the smaller one accepts near its bound, one by one
            .backlog = 24,
            .steps_max = 3'000'000};
  }
  static ServiceFactory FactoryOf(Service service) {
    switch (service) {
      case Service::kEcho: return Callbacks<server::Echo>();
      case Service::kEchoTask: return Coroutine(EchoTask);
      case Service::kEchoExactly: return Coroutine(EchoExactly);
      case Service::kKeeper: return Callbacks<Keeper>();
      case Service::kLine: return Coroutine(server::Line);
      case Service::kSlowLines: return Coroutine(EchoLinesSlowly);
      case Service::kCount: break;
    }
    return {};
  }
  ServiceOptions RandomOptions() {
    const uint32_t high = static_cast<uint32_t>(dice_.Chance(50) ? dice_.Between(2, 8000) : 65536);
    return {.idle_timeout_s = 30, .write_stall_s = 20, .queue_high_bytes = high, .queue_low_bytes = high / 4};
  }

  void Open() {
    PeerModel model;
    model.service = static_cast<Service>(dice_.Pick(static_cast<uint64_t>(Service::kCount)));
    model.peer = server_.Connect(at_[static_cast<int>(model.service)]);
    model.budget = dice_.Chance(10) ? dice_.Between(0, 200'000) : dice_.Between(0, 20'000);
    if (drain_) model.peer->CloseOnEof();
    peers_.push_back(std::move(model));
  }

  void Send(PeerModel& model) {
    size_t bytes = dice_.Chance(50) ? dice_.Between(1, 20) : dice_.Between(1, 1 + model.budget);
    bytes = std::min(bytes, model.budget);
    model.budget -= bytes;
    std::string chunk;
    // No line gets over the limit by accident.
    if (model.line() && model.sent.size() - (model.sent.rfind('\n') + 1) > 4000) chunk = "\n";
    while (chunk.size() < bytes) {
      if (model.line() && !drain_ && dice_.Chance(1)) {
        model.too_long = true;
        chunk.append(server::kLineBytesMax + dice_.Between(2, 3000), 'x');
      }
      chunk.append(dice_.Chance(90) ? dice_.Between(0, 40) : dice_.Between(0, 4000), static_cast<char>('a' + dice_.Pick(26)));
      chunk += dice_.Chance(50) ? "\r\n" : "\n";
    }
    if (!model.too_long && dice_.Chance(50)) chunk.resize(bytes);  // in mid-line
    // Without CR where the answer does not show it.
    if (model.service == Service::kSlowLines) chunk.erase(std::remove(chunk.begin(), chunk.end(), '\r'), chunk.end());
    model.sent += chunk;
    model.peer->Send(chunk);
  }

  void Act(PeerModel& model) {
    if (model.ended) return;
    switch (const uint64_t what = dice_.Pick(100); what) {
      case 0:
        model.peer->Close();
        model.ended = model.broken = true;
        return;
      case 1:
        model.peer->Reset();
        model.ended = model.broken = true;
        return;
      case 2:
        model.peer->Vanish();
        model.ended = model.broken = model.vanished = true;
        return;
      case 3:
        model.peer->HalfClose();
        model.ended = true;
        return;
      default:
        if (what < 10) return model.peer->Stall();
        if (what < 15) {
          return model.peer->ReadSlowly(dice_.Between(1, 3000), static_cast<int64_t>(dice_.Between(1, 20)));
        }
        if (what < 30) return model.peer->Resume();
        return Send(model);
    }
  }

  void ExpectPrefix(const PeerModel& model, const std::string& all, const std::string& what) {
    const std::string& got = model.peer->received();
    const auto [at, unused] = std::mismatch(got.begin(), got.end(), all.begin(), all.end());
    if (at != got.end()) {
      ADD_FAILURE() << what << ": received " << got.size() << " bytes, wrong from " << at - got.begin() << " on, of "
                    << all.size() << " at most";
    }
  }

  std::string Describe(const PeerModel& model, size_t i) {
    return "peer " + std::to_string(i) + " of service " + std::to_string(static_cast<int>(model.service)) + ", sent " +
           std::to_string(model.sent.size());
  }

  void Finish() {
    for (PeerModel& model : peers_) {
      if (!model.ended) model.peer->HalfClose();
      model.ended = true;
      if (!model.broken) model.peer->Resume();
    }
    server_.world.RunFor(100'000);
    for (size_t i = 0; i < peers_.size(); ++i) {
      const PeerModel& model = peers_[i];
      const std::string what = Describe(model, i);
      const std::string all = model.Expected(model.sent.size(), true);
      ExpectPrefix(model, all, what);
      if (model.broken) continue;
      if (model.too_long && model.peer->saw_reset()) continue;  // it said too much after the goodbye
      EXPECT_EQ(model.peer->received().size(), all.size()) << what;
      EXPECT_TRUE(model.peer->saw_fin()) << what;
      EXPECT_FALSE(model.peer->saw_reset()) << what;
    }
  }

  void Drain() {
    // Wherever things are: some peers are not accepted yet, some in the middle of a message.
    std::vector<size_t> acknowledged;
    for (PeerModel& model : peers_) {
      acknowledged.push_back(model.peer->connected() ? model.sent.size() - model.peer->unacknowledged() : 0);
    }
    std::vector<bool> was_connected;
    for (PeerModel& model : peers_) was_connected.push_back(model.peer->connected());
    server_.BeginDrain();
    for (uint64_t n = dice_.Pick(200); n > 0; --n) {
      server_.world.Step();
      if (dice_.Chance(20)) {
        PeerModel& model = peers_[dice_.Pick(peers_.size())];
        if (!model.ended) Send(model);
      }
    }
    for (PeerModel& model : peers_) {
      // A reader may finish what it has begun.
      if (!model.ended && (model.line() || model.service == Service::kSlowLines) && !model.sent.empty() && model.sent.back() != '\n') {
        model.sent += "\n";
        model.peer->Send("\n");
      }
      if (!model.ended && model.service == Service::kEchoExactly && model.sent.size() % 1000 != 0) {
        const std::string rest(1000 - model.sent.size() % 1000, '.');
        model.sent += rest;
        model.peer->Send(rest);
      }
      if (!model.broken) model.peer->Resume();
    }
    server_.world.RunFor(15'000);
    for (size_t i = 0; i < peers_.size(); ++i) {
      const PeerModel& model = peers_[i];
      const std::string what = Describe(model, i) + ", acknowledged before the drain " + std::to_string(acknowledged[i]);
      ExpectPrefix(model, model.Expected(model.sent.size(), true), what);
      if (model.broken || !was_connected[i]) continue;
      EXPECT_GE(model.peer->received().size(), model.Expected(acknowledged[i], false).size()) << what;
      EXPECT_TRUE(model.peer->saw_fin()) << what;
      EXPECT_FALSE(model.peer->saw_reset()) << what;
      if (model.line()) {
        EXPECT_EQ(model.peer->received().size() % 3, 0u) << what;
      }
    }
    server_.CutAll();
    server_.world.RunFor(6'000);
    EXPECT_TRUE(server_.drained());
    server_.world.RunFor(4'000);
  }

  Dice dice_;
  SimServer server_;
  const bool drain_;
  std::string at_[static_cast<size_t>(Service::kCount)];
  std::vector<PeerModel> peers_;
};

void RunSeeds(bool drain, uint64_t count) {
  const char* asked = std::getenv("MOORING_SEEDS");
  if (asked != nullptr) count = std::strtoull(asked, nullptr, 10);
  const uint64_t first = Seed(1);
  if (SeedGiven()) count = 1;
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + count - 1));
  for (uint64_t seed = first; seed < first + count && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("MOORING_SEED=" + std::to_string(seed));
    Model(seed, drain).Run();
  }
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MOORING_SLOW_BUILD
#endif
#endif
#if defined(MOORING_SLOW_BUILD) || defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kSeeds = 100;
#else
constexpr uint64_t kSeeds = 600;  // two tests, 10 s of a core each
#endif

TEST(SimModel, EveryPeerGetsTheAnswersToWhatItSentInOrderAndNothingIsLeft) { RunSeeds(false, kSeeds); }
TEST(SimModel, DrainAnswersWhatWasAcknowledgedBeforeItAndResetsNobody) { RunSeeds(true, kSeeds); }

}  // namespace
}  // namespace mooring::net
