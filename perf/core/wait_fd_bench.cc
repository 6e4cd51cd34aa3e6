// SPDX-License-Identifier: Apache-2.0
// What a wait for a descriptor costs.
#include "core/wait_fd.h"

#include <benchmark/benchmark.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <vector>

#include "perf/core/real_shard.h"

namespace mooring::core {
namespace {

Task<> Waits(int fd, int times) {
  for (int i = 0; i < times; ++i) co_await WaitReadable(fd);
}

// A wait on a descriptor that is ready: two turns, with `others` that wait for descriptors that are not.
void BM_WaitFdReady(benchmark::State& state) {
  const auto shard = ShardOf(state);
  const int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
  std::vector<int> fds;
  std::list<TaskRoot> roots;
  if (shard->ok()) {
    Shard::Enter enter(&shard->shard());
    for (int64_t i = 0; i < state.range(1); ++i) {
      fds.push_back(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
      roots.emplace_back();
      roots.back().done = [](TaskRoot*, std::exception_ptr) {};
      Waits(fds.back(), 1).Start(&roots.back());
    }
  }
  while (state.KeepRunningBatch(100)) shard->Run([&] { return Waits(fd, 100); });
  if (shard->ok()) {
    Shard::Enter enter(&shard->shard());
    for (TaskRoot& root : roots) root.scope.Cancel();
  }
  if (shard->ok()) shard->shard().RunTurn(0);
  for (const int other : fds) close(other);
  close(fd);
}
BENCHMARK(BM_WaitFdReady)->ArgsProduct({{0, 1, 2}, {0, 1000}});

// With a limit: a timer more.
Task<> WaitsWithLimit(int fd, int times) {
  for (int i = 0; i < times; ++i) co_await WaitReadable(fd, kNanosPerSecond);
}
void BM_WaitFdReadyWithLimit(benchmark::State& state) {
  const auto shard = ShardOf(state);
  const int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
  while (state.KeepRunningBatch(100)) shard->Run([&] { return WaitsWithLimit(fd, 100); });
  close(fd);
}
BENCHMARK(BM_WaitFdReadyWithLimit)->DenseRange(0, 2);

}  // namespace
}  // namespace mooring::core
