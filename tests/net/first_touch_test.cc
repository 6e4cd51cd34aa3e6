// SPDX-License-Identifier: Apache-2.0
// Where there are several NUMA nodes, the kernel takes a page from the node of the CPU that touches it first
// (set_mempolicy(2), the default policy). Shards are made by the main thread and run on threads of their own, so what
// they hold for connections must not be touched before they run.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <thread>
#include <vector>

#include "alloc/accounting.h"
#include "core/clock.h"
#include "core/shard.h"
#include "net/engine.h"
#include "tests/alloc/resident.h"

namespace mooring::net {
namespace {

constexpr uint32_t kConnections = 1 << 20;  // 128 MB of them, were they touched
constexpr int64_t kMade = 1 << 20;          // what making a shard may touch: objects, mailbox, timer lists

int64_t PagesTouchedByThisThread() {
  rusage usage = {};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt;
}

TEST(FirstTouch, OfAShardsPoolsIsOnItsOwnThread) {
  core::MonotonicClock clock;
  const int64_t before = alloc::ResidentBytes();
  core::Shard shard({.clock = &clock});
  auto engine = std::make_unique<Engine>(&shard, Engine::Options{.connections_max = kConnections});
  EXPECT_LT(alloc::ResidentBytes() - before, kMade);
  for (const alloc::Purpose purpose : {alloc::Purpose::kConnections, alloc::Purpose::kFrames, alloc::Purpose::kReceiveBlocks,
                                       alloc::Purpose::kBlocks, alloc::Purpose::kSegments, alloc::Purpose::kRings}) {
    EXPECT_EQ(shard.accounting().Bytes(purpose), 0u) << alloc::Name(purpose);
  }

  std::thread([&] {
    core::Shard::Enter enter(&shard);
    const int64_t touched = PagesTouchedByThisThread();
    constexpr int kPages = 512;
    std::vector<alloc::Block*> blocks;
    for (int i = 0; i < kPages / 4; ++i) {
      blocks.push_back(shard.buffers().AcquireReceive());
      for (uint32_t at = 0; at < blocks.back()->capacity; at += 4096) blocks.back()->data[at] = 1;
    }
    EXPECT_GE(PagesTouchedByThisThread() - touched, kPages) << "somebody has touched them before";
    for (alloc::Block* block : blocks) shard.buffers().Release(block);
  }).join();
}

}  // namespace
}  // namespace mooring::net
