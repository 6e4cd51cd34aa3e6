// SPDX-License-Identifier: Apache-2.0
// Reading in messages, whatever chunks the bytes come in: what each read gives is decided by the whole stream alone, and
// a view stays as it is until the next read.
//
// Input: how many reads (1 byte), two bytes each; how many chunk sizes (1), a byte each; the high watermark (1); how often
// the rest is repeated (1); the stream.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/shard.h"
#include "core/sleep.h"
#include "core/task.h"
#include "net/connection.h"
#include "net/engine.h"
#include "net/task_service.h"
#include "tests/fuzz/chunk_transport.h"
#include "tests/fuzz/fuzz.h"

namespace mooring::net {
namespace {

using fuzz::Bytes;
using fuzz::ChunkTransport;
using fuzz::Expect;
using namespace std::string_view_literals;

constexpr size_t kStreamBytesMax = 100'000;
constexpr size_t kWaitsMax = 1000;   // reads after which the service does something else before the next
constexpr int kTurnsMax = 100'000;

// A read as the input asks for it, and what the stream says it gives.
struct Step {
  enum Kind : uint8_t { kLine, kUntil, kExactly, kAny };
  Kind kind = kAny;
  uint32_t number = 8192;        // max_bytes, or how many exactly
  std::string_view terminator = "\n";
  bool answer = false;           // write what was read, and wait for room
  bool hold = false;             // look at the view again later

  static Step From(Bytes& in) {
    static constexpr std::string_view kTerminators[] = {"\n"sv, "\r\n"sv,  "ab"sv,   "aab"sv,
                                                        "\0"sv, "aaaa"sv, "abab"sv, "\r\n\r\n"sv};
    static constexpr uint32_t kNumbers[] = {0, 1, 2, 3, 4, 7, 16, 63, 64, 255, 256, 1000, 4096, 8192, 16384, 70'000};
    const uint8_t what = in.Next();
    Step step;
    step.kind = static_cast<Kind>(what & 3);
    step.terminator = kTerminators[what >> 2 & 7];
    if (step.kind == kLine) step.terminator = "\n";
    step.answer = (what & 32) != 0;
    step.hold = (what & 64) != 0;
    step.number = in.Of(kNumbers);
    if (step.kind == kAny && step.number == 0) step.number = 1;
    return step;
  }

  struct Result {
    ReadReason reason = ReadReason::kNone;
    size_t size = 0;
    size_t next = 0;  // where the next read begins
  };
  Result In(std::string_view stream, size_t at) const {
    const std::string_view rest = stream.substr(at);
    if (kind == kExactly) {
      if (rest.size() < number) return {ReadReason::kEof, 0, at};
      return {ReadReason::kNone, number, at + number};
    }
    const size_t found = rest.find(terminator);
    if (found != std::string_view::npos) {
      const size_t size = kind == kLine && found > 0 && rest[found - 1] == '\r' ? found - 1 : found;
      if (size > number) return {ReadReason::kTooLong, 0, at};
      return {ReadReason::kNone, size, at + found + terminator.size()};
    }
    const size_t most = number + (kind == kLine ? 2 : terminator.size());  // a beginning of the terminator is no content
    if (rest.size() >= most) return {ReadReason::kTooLong, 0, at};
    return {ReadReason::kEof, 0, at};
  }
};

class Case {
 public:
  explicit Case(Bytes in) {
    for (uint8_t n = in.Next() % 64; n > 0; --n) steps_.push_back(Step::From(in));
    if (steps_.empty()) steps_.emplace_back();
    std::vector<uint8_t> chunks(in.Next() % 64);
    for (uint8_t& chunk : chunks) chunk = in.Next();
    static constexpr uint32_t kHighs[] = {64 << 10, 1, 10, 300, 5000};
    const uint32_t high = in.Of(kHighs);
    const unsigned repeat = 1 + in.Next() % 64;
    const std::string part = in.Take(in.left());
    std::string stream;
    for (unsigned i = 0; i < repeat && stream.size() + part.size() <= kStreamBytesMax; ++i) stream += part;

    transport_ = std::make_unique<ChunkTransport>(&shard_, std::move(stream), std::move(chunks));
    transport_->events = engine_.events();
    shard_.SetPort(transport_.get());
    engine_.SetTransport(transport_.get());
    engine_.AddListener("fuzz", &service_, {.queue_high_bytes = high, .queue_low_bytes = high / 4});
  }

  void Run() {
    for (int turns = 0; !transport_->released(); ++turns) {
      Expect(turns < kTurnsMax, "a connection whose peer has sent its FIN comes to its end");
      clock_.Set(clock_.Now() + core::kNanosPerMs);
      shard_.RunTurn(0);
    }
    shard_.RunTurn(0);
    Expect(served_, "the service was started, and ended");
    Expect(transport_->answered == answer_, "what was written is sent, in order");
    Expect(engine_.live() == 0, "no slot is left");
    Expect(shard_.frames().live() == 0, "no frame is left");
    Expect(shard_.buffers().receive_live() == 0, "no receive block is left");
    Expect(shard_.buffers().blocks_live() == 0, "no block is left");
    Expect(shard_.wheel().armed() == 0 || engine_.retained_blocks() == 0, "nothing is retained");
  }

 private:
  core::Task<> Serve(Connection& conn) {
    const std::string& stream = transport_->stream();
    size_t at = 0;
    size_t failures = 0;
    for (size_t i = 0;; ++i) {
      // After a failure the same read once more: it says the same.
      Step step = steps_[(i - failures) % steps_.size()];
      if (i > kWaitsMax) step.hold = step.answer = false;
      const ReadOptions options = {.max_bytes = step.number};
      ReadResult got;
      switch (step.kind) {
        case Step::kLine: got = co_await conn.ReadLine(options); break;
        case Step::kUntil: got = co_await conn.ReadUntil(step.terminator, options); break;
        case Step::kExactly: got = co_await conn.ReadExactly(step.number); break;
        case Step::kAny: got = co_await conn.Read(options); break;
      }
      Step::Result want;
      if (step.kind == Step::kAny) {
        // Any part of what has come will do.
        if (at == stream.size()) want = {ReadReason::kEof, 0, at};
        if (at < stream.size()) want = {ReadReason::kNone, got.size, at + got.size};
        Expect(got.size <= step.number && got.size <= transport_->delivered() - at, "Read gives at most max_bytes");
        Expect(!got || got.size > 0, "Read gives something");
      } else {
        want = step.In(stream, at);
      }
      Expect(got.reason == want.reason, "the read ends as the stream says");
      if (!got) {
        if (got.reason == ReadReason::kEof) Expect(conn.Partial() == std::string_view(stream).substr(at), "the tail is there");
        if (++failures == 2) break;
        continue;
      }
      const std::string_view expected = std::string_view(stream).substr(at, want.size);
      Expect(*got == expected, "the read gives the stream's bytes");
      if (step.hold) {
        co_await core::Sleep(core::kNanosPerMs);
        Expect(*got == expected, "a view lives until the next read");
      }
      // Nothing but reads of no bytes would go on for ever.
      if (want.next == at && ++idle_ > steps_.size()) break;
      at = want.next;
      if (step.answer) {
        Expect(conn.Write(*got), "an open connection takes a write");
        answer_.append(expected);
        const bool room = co_await conn.Writable();
        Expect(room, "a peer that reads makes room");
        Expect(*got == expected, "a view lives until the next read");
      }
    }
    served_ = true;
  }

  core::ManualClock clock_{core::kNanosPerSecond};
  core::Shard shard_{{.clock = &clock_}};
  core::Shard::Enter enter_{&shard_};
  Engine engine_{&shard_, {.connections_max = 4}};
  TaskService service_{[this](Connection& conn) { return Serve(conn); }};
  std::unique_ptr<ChunkTransport> transport_;
  std::vector<Step> steps_;
  std::string answer_;
  size_t idle_ = 0;
  bool served_ = false;
};

}  // namespace
}  // namespace mooring::net

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mooring::net::Case(mooring::fuzz::Bytes(data, size)).Run();
  return 0;
}
