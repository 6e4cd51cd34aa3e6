// SPDX-License-Identifier: Apache-2.0
#include "alloc/shared_bytes.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "alloc/buffer_pool.h"
#include "alloc/poison.h"

namespace mooring::alloc {
namespace {

#if defined(MOORING_ASAN) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(thread_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

TEST(SharedBytes, CopyHasItsOwnBytes) {
  std::string text = "hello";
  const SharedBytes bytes = SharedBytes::Copy(text);
  text[0] = 'j';
  ASSERT_TRUE(bytes);
  EXPECT_EQ(bytes.view(), "hello");
  EXPECT_EQ(bytes.size(), 5u);
  EXPECT_FALSE(bytes.empty());
  EXPECT_EQ(bytes.holders(), 1u);
}

TEST(SharedBytes, TakeTakesOverWhatTheStringHasAllocated) {
  std::string text(100'000, 'x');
  const char* data = text.data();
  const SharedBytes bytes = SharedBytes::Take(std::move(text));
  EXPECT_EQ(bytes.view().data(), data);
  EXPECT_EQ(bytes.view(), std::string(100'000, 'x'));
  const SharedBytes small = SharedBytes::Take("ok");  // inside the string itself
  const SharedBytes same = small;
  EXPECT_EQ(same.view(), "ok");
}

TEST(SharedBytes, MakeHasWhatWasWrittenIntoIt) {
  const SharedBytes::Total before = SharedBytes::Live();
  const char* written = nullptr;
  SharedBytes bytes = SharedBytes::Make(100, [&](char* to) {
    written = to;
    std::memset(to, 'x', 7);
    return 7;
  });
  EXPECT_EQ(bytes.view(), "xxxxxxx");
  EXPECT_EQ(bytes.view().data(), written) << "no copy";
  EXPECT_EQ(bytes.holders(), 1u);
  EXPECT_GE(SharedBytes::Live().bytes - before.bytes, 100u) << "the room that is left over too";
  bytes = SharedBytes::Make(10, [](char*) { return 0; });
  EXPECT_TRUE(bytes);
  EXPECT_TRUE(bytes.empty());
  bytes = SharedBytes::Make(SharedBytes::kBytesMax + 1, [](char*) {
    ADD_FAILURE() << "called without memory";
    return 0;
  });
  EXPECT_FALSE(bytes);
  EXPECT_EQ(SharedBytes::Live().bodies, before.bodies);
  EXPECT_EQ(SharedBytes::Live().bytes, before.bytes);
}

TEST(SharedBytes, NoBodyAndAnEmptyBodyDiffer) {
  const SharedBytes none;
  EXPECT_FALSE(none);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.view(), "");
  EXPECT_EQ(none.holders(), 0u);
  for (const SharedBytes& empty : {SharedBytes::Copy(""), SharedBytes::Copy({}), SharedBytes::Take({})}) {
    EXPECT_TRUE(empty);
    EXPECT_TRUE(empty.empty());
    EXPECT_EQ(empty.view(), "");
  }
}

TEST(SharedBytes, CopiesCountAndMovesDoNot) {
  SharedBytes first = SharedBytes::Copy("body");
  const std::string_view view = first.view();
  SharedBytes second = first;
  EXPECT_EQ(first.holders(), 2u);
  EXPECT_EQ(second.view().data(), view.data()) << "no byte is copied";
  SharedBytes third = std::move(first);
  EXPECT_FALSE(first);  // NOLINT: the state after a move is promised
  EXPECT_EQ(third.holders(), 2u);
  SharedBytes& alias = third;
  third = alias;
  third = std::move(alias);
  EXPECT_EQ(third.holders(), 2u) << "assigned to itself";
  second = SharedBytes();
  EXPECT_EQ(third.holders(), 1u);
  EXPECT_EQ(third.view(), "body");
}

TEST(SharedBytes, LiveCountsBodiesOnceAndWhatTheyAllocate) {
  const SharedBytes::Total before = SharedBytes::Live();
  {
    const SharedBytes copied = SharedBytes::Copy(std::string(1000, 'c'));
    const SharedBytes taken = SharedBytes::Take(std::string(2000, 't'));
    const std::vector<SharedBytes> holders(100, copied);
    const SharedBytes::Total now = SharedBytes::Live();
    EXPECT_EQ(now.bodies - before.bodies, 2u);
    EXPECT_GE(now.bytes - before.bytes, 3000u);
    EXPECT_LE(now.bytes - before.bytes, 3000u + 2 * 128);
  }
  EXPECT_EQ(SharedBytes::Live().bodies, before.bodies);
  EXPECT_EQ(SharedBytes::Live().bytes, before.bytes);
}

TEST(SharedBytes, ThereIsNoBodyForMoreThanFits) {
  EXPECT_FALSE(SharedBytes::Copy(std::string_view("never read", SharedBytes::kBytesMax + 1)));
}

TEST(SharedBytes, ThereIsNoBodyWhenThereIsNoMemory) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's heap ends the process instead";
  const std::string text(8 << 20, 'x');
  const SharedBytes::Total live = SharedBytes::Live();
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  rlimit none = before;
  none.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_AS, &none), 0);
  const SharedBytes bytes = SharedBytes::Copy(text);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_FALSE(bytes);
  EXPECT_EQ(SharedBytes::Live().bytes, live.bytes);
}

// Under ThreadSanitizer (tag tsan): reading by one thread and freeing by another are ordered by the count alone.
TEST(SharedBytes, TheLastHolderFreesOnWhateverThread) {
  const SharedBytes::Total before = SharedBytes::Live();
  constexpr int kThreads = 4;
  constexpr int kRounds = 2000;
  std::atomic<int> wrong{0};
  std::vector<std::atomic<int>> arrived(kRounds);
  std::vector<SharedBytes> hands(kThreads);
  std::vector<std::thread> threads;
  std::vector<std::vector<SharedBytes>> bodies(kThreads);
  for (int round = 0; round < kRounds; ++round) {
    const SharedBytes body = SharedBytes::Copy(std::string(64, static_cast<char>('a' + round % 26)));
    for (auto& of_thread : bodies) of_thread.push_back(body);
  }
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        arrived[round].fetch_add(1, std::memory_order_relaxed);  // all at once, and ordering nothing
        while (arrived[round].load(std::memory_order_relaxed) < kThreads) std::this_thread::yield();
        SharedBytes mine = std::move(bodies[t][round]);
        for (int i = 0; i < 3; ++i) {
          const SharedBytes more = mine;
          if (more.view() != std::string(64, static_cast<char>('a' + round % 26))) wrong.fetch_add(1);
        }
        mine = SharedBytes();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(SharedBytes::Live().bodies, before.bodies);
  EXPECT_EQ(SharedBytes::Live().bytes, before.bytes);
}

class SharedBlocks : public testing::Test {
 protected:
  Accounting accounting_;
  BufferPool pool_{&accounting_, 4};
};

TEST_F(SharedBlocks, LeasesOnOneBodyShareABlockWhichIsOneHolder) {
  const SharedBytes body = SharedBytes::Copy(std::string(50'000, 'b'));
  {
    std::vector<Lease> leases;
    for (int i = 0; i < 1000; ++i) leases.push_back(pool_.Share(body));
    EXPECT_EQ(leases.front().data(), body.view().data());
    EXPECT_EQ(leases.back().view(), body.view());
    EXPECT_EQ(leases.front().block(), leases.back().block());
    EXPECT_EQ(leases.front().block()->refs, 1000u);
    EXPECT_EQ(body.holders(), 2u);
    EXPECT_EQ(pool_.shared_live(), 1u);
    EXPECT_EQ(pool_.blocks_live(), 0u);
    EXPECT_EQ(accounting_.Total(), 4096u) << "a page of descriptors, and no byte of the body";
  }
  EXPECT_EQ(body.holders(), 1u);
  EXPECT_EQ(pool_.shared_live(), 0u);
  pool_.Trim(true);
  EXPECT_EQ(accounting_.Total(), 0u);
}

TEST_F(SharedBlocks, ABodyOutlivesItsSharedBytesWhileItIsLeased) {
  const uint64_t bodies = SharedBytes::Live().bodies;
  Lease lease = pool_.Share(SharedBytes::Take(std::string(1000, 'b')));
  EXPECT_EQ(lease.view(), std::string(1000, 'b'));
  Lease tail = lease.Share(500, 500);
  lease.Reset();
  EXPECT_EQ(tail.view(), std::string(500, 'b'));
  EXPECT_EQ(SharedBytes::Live().bodies, bodies + 1);
  tail.Reset();
  EXPECT_EQ(SharedBytes::Live().bodies, bodies);
}

TEST_F(SharedBlocks, AShareAfterTheLastLeaseHasAFreshBlock) {
  const SharedBytes body = SharedBytes::Copy("body");
  for (int i = 0; i < 10; ++i) {
    const Lease lease = pool_.Share(body);
    EXPECT_EQ(lease.view(), "body");
    EXPECT_EQ(lease.block()->refs, 1u);
    // The slot of its descriptor has another owner in between.
    const Lease other(pool_.Acquire(100), 0, 100);
    EXPECT_EQ(other.block()->shared, nullptr);
  }
  Lease gone = pool_.Share(body);
  gone.Reset();
  const Lease other(pool_.Acquire(100), 0, 100);
  EXPECT_NE(pool_.Share(body).block(), other.block());
}

// A body that was forgotten gets a second block: more memory, nothing else.
TEST_F(SharedBlocks, ManyBodiesInTurnEachKeepTheirBytes) {
  std::vector<SharedBytes> bodies;
  for (int i = 0; i < 10; ++i) bodies.push_back(SharedBytes::Copy(std::string(100 + i, static_cast<char>('0' + i))));
  std::vector<Lease> leases;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 10; ++i) leases.push_back(pool_.Share(bodies[i]));
  }
  for (size_t i = 0; i < leases.size(); ++i) EXPECT_EQ(leases[i].view(), bodies[i % 10].view());
  std::vector<Lease> alternating;
  const uint64_t before = pool_.shared_live();
  for (int round = 0; round < 100; ++round) {
    for (uint32_t i = 0; i < BufferPool::kSharedRemembered; ++i) alternating.push_back(pool_.Share(bodies[i]));
  }
  EXPECT_LE(pool_.shared_live() - before, BufferPool::kSharedRemembered) << "so many in turn cost a block each";
  leases.clear();
  alternating.clear();
  EXPECT_EQ(pool_.shared_live(), 0u);
  for (const SharedBytes& body : bodies) EXPECT_EQ(body.holders(), 1u);
}

TEST_F(SharedBlocks, NobodyMayAppendToThem) {
  Lease lease = pool_.Share(SharedBytes::Copy("hello world"));
  lease.Truncate(5);
  EXPECT_EQ(lease.block()->refs, 1u);
  EXPECT_FALSE(lease.block()->Appendable());
  Lease own(pool_.Acquire(100), 0, 50);
  EXPECT_TRUE(own.block()->Appendable());
  const Lease second = own.Share(0, 10);
  EXPECT_FALSE(own.block()->Appendable());
  const Lease received(pool_.AcquireReceive(), 0, 50);
  EXPECT_FALSE(received.block()->Appendable());
}

TEST_F(SharedBlocks, NothingIsHeldWhenThereIsNoMemoryForADescriptor) {
  const SharedBytes body = SharedBytes::Copy("body");
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &before), 0);
  rlimit none = before;
  none.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &none), 0);
  const Lease lease = pool_.Share(body);
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &before), 0);
  EXPECT_FALSE(lease);
  EXPECT_EQ(body.holders(), 1u);
  EXPECT_EQ(pool_.shared_live(), 0u);
  EXPECT_EQ(pool_.Share(body).view(), "body");
}

TEST(SharedBlocksOfTwoShards, AreTwoHolders) {
  const SharedBytes body = SharedBytes::Copy("body");
  Accounting accounting;
  BufferPool one(&accounting);
  BufferPool other(&accounting);
  {
    const Lease a = one.Share(body);
    const Lease b = other.Share(body);
    const Lease c = other.Share(body);
    EXPECT_EQ(a.data(), b.data());
    EXPECT_EQ(body.holders(), 3u);
  }
  EXPECT_EQ(body.holders(), 1u);
}

TEST(SharedBlocksOfTwoShards, APoolThatGoesLetsGoOfWhatItHeld) {
  const SharedBytes body = SharedBytes::Copy("body");
  Accounting accounting;
  {
    BufferPool pool(&accounting);
    pool.LeaveLive();
    pool.Share(body).Detach();
    EXPECT_EQ(body.holders(), 2u);
  }
  EXPECT_EQ(body.holders(), 1u);
}

// Under ThreadSanitizer: shards that send one body at once share its count and nothing else.
TEST(SharedBlocksOfTwoShards, SendOneBodyAtOnce) {
  constexpr int kShards = 4;
  SharedBytes body = SharedBytes::Copy(std::string(1000, 'b'));
  std::vector<SharedBytes> mailed(kShards, body);
  std::atomic<int> wrong{0};
  std::vector<std::thread> shards;
  for (int i = 0; i < kShards; ++i) {
    shards.emplace_back([&, i] {
      Accounting accounting;
      BufferPool pool(&accounting);
      SharedBytes mine = std::move(mailed[i]);
      for (int round = 0; round < 200; ++round) {
        std::vector<Lease> queued;
        for (int n = 0; n < 50; ++n) queued.push_back(pool.Share(mine));
        for (const Lease& lease : queued) {
          if (std::count(lease.data(), lease.data() + lease.size(), 'b') != 1000) wrong.fetch_add(1);
        }
      }
    });
  }
  for (std::thread& shard : shards) shard.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(body.holders(), 1u);
}

}  // namespace
}  // namespace mooring::alloc
