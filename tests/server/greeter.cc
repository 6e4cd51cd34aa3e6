// SPDX-License-Identifier: Apache-2.0
// A program of the library's: it greets by line, counts on each shard, and says on stderr what its hooks do.
#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

#include "absl/flags/flag.h"
#include "mooring/mooring.h"

ABSL_FLAG(std::string, greeting, "hello", "what each line is answered with");
ABSL_FLAG(bool, loud, false, "whether it shouts");
ABSL_FLAG(int, most, 3, "a number, to be got wrong");
ABSL_FLAG(std::string, fail_in, "", "where an exception is thrown: per-shard or start");

namespace {

using namespace mooring;

std::atomic<int> objects{0};

struct Count {
  explicit Count(std::string what) : what(std::move(what)) {
    if (absl::GetFlag(FLAGS_fail_in) == "per-shard") throw std::runtime_error("no count today");
    ++objects;
  }
  ~Count() { std::fprintf(stderr, "count: %s %d on shard %u\n", what.c_str(), n, Shard::Current()->id()); }
  std::string what;
  int n = 0;
};

Task<> Greet(Connection& conn) {
  while (auto line = co_await conn.ReadLine()) {
    ++Local<Count>().n;
    conn.Write(absl::GetFlag(FLAGS_greeting));
    conn.Write(absl::GetFlag(FLAGS_loud) ? "!\n" : "\n");
  }
}

// Callbacks with something of their own: each shard has a copy.
struct Shout final : Handler {
  explicit Shout(char with) : with(with) {}
  void OnData(Connection& conn, Lease data) override { conn.Write(std::string(data.size(), with)); }
  char with;
};

}  // namespace

int main(int argc, char** argv) {
  return Server(argc, argv, {.summary = "greeter greets."})
      .PerShard<Count>(std::string("greeted"))
      .Listen("tcp://127.0.0.1:0", Greet, {.summary = "says hello", .limits = {.idle_timeout_s = 60}})
      .Listen("127.0.0.1:0", Shout('x'))
      .Listen("127.0.0.1:0", Shout('y'))
      .Listen("127.0.0.1:0", [] { return std::make_unique<Shout>('z'); }, {.name = "made"})
      .Listen("127.0.0.1:0",
              [with = std::string("capt")](Connection& conn) -> Task<> {
                while (auto line = co_await conn.ReadLine()) conn.Write(with + "ured\n");
              },
              {.name = "lambda"})
      .OnShardStart([] {
        if (absl::GetFlag(FLAGS_fail_in) == "start") throw std::runtime_error("not in the mood");
        std::fprintf(stderr, "start: shard %u of %u, %d counts\n", Shard::Current()->id(),
                     Shard::Current()->shards()->size(), objects.load());
      })
      .OnShardStart([who = std::string("background")]() -> Task<> {
        const Woken woken = co_await Sleep(3600 * core::kNanosPerSecond);
        std::fprintf(stderr, "%s: %s\n", who.c_str(), woken == Woken::kCancelled ? "cancelled" : "woken");
      })
      .OnShardStop([] { std::fprintf(stderr, "stop: greeted %d\n", Local<Count>().n); })
      .Run();
}
