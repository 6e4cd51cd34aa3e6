// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <atomic>
#include <thread>

#include "core/mailbox.h"

namespace mooring::core {
namespace {

void BM_MailboxPushPop(benchmark::State& state) {
  Mailbox box(static_cast<uint32_t>(state.range(0)));
  uint64_t sum = 0;
  for (auto _ : state) {
    Mail mail = [&sum] { ++sum; };
    benchmark::DoNotOptimize(box.Push(mail));
    Mail got;
    box.Pop(&got);
    got();
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(BM_MailboxPushPop)->Arg(64)->Arg(1024);

// One piece there and one back, both sides spinning: what the cache lines cost, without a wake-up.
void BM_MailboxPingPong(benchmark::State& state) {
  Mailbox there(64);
  Mailbox back(64);
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      Mail mail;
      if (!there.Pop(&mail)) {
        std::this_thread::yield();  // both threads may be on one core
        continue;
      }
      while (back.Push(mail) == Mailbox::Pushed::kFull) std::this_thread::yield();
    }
  });
  for (auto _ : state) {
    Mail mail = [] {};
    there.Push(mail);
    while (!back.Pop(&mail)) std::this_thread::yield();
  }
  stop = true;
  other.join();
}
BENCHMARK(BM_MailboxPingPong)->UseRealTime();

}  // namespace
}  // namespace mooring::core
