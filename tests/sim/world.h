// SPDX-License-Identifier: Apache-2.0
// World: a simulated machine with shards on it, and who moves next.
//
// A step is one turn of one shard that is awake, one delivery of the network, or one foreign job, as the seed says.
// When all shards are asleep, the network is quiet and no job is due, the clock moves to the next moment at which
// somebody wants to wake.
//
// RingEnter and EpollWait never block here, so a turn whose wait would sleep is cut in two: the first half submits and leaves the
// shard asleep, as it was before (mail to it signals its eventfd, its time stands still); the second, when it is woken,
// reads the clock and delivers. For this World puts a port of its own between a shard and its port at the first step.
//
//   World world(seed, {.shards = 2});
//   ... open a transport on world.shard(i), listen ...
//   auto* peer = world.kernel().Connect("127.0.0.1:7000");
//   world.RunUntilIdle();      // as far as it goes at this very time
//   world.RunFor(5000);        // 5 s of simulated time
//
// Threads:  one: all shards run on it.
// Owns:     clock, kernel, job runner and shards. Ports are the test's: they go before the World, which then makes no
//           more steps.
#ifndef MOORING_TESTS_SIM_WORLD_H_
#define MOORING_TESTS_SIM_WORLD_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "core/clock.h"
#include "core/shard.h"
#include "core/shards.h"
#include "tests/sim/sim_job_runner.h"
#include "tests/sim/sim_kernel.h"

namespace mooring::sim {

class World {
 public:
  struct Options {
    uint32_t shards = 1;
    Mood mood = Mood::kSeeded;
    KernelAge age = KernelAge::k6_18;
    uint64_t steps_max = 20'000'000;  // at one moment: beyond that something runs in circles, and the test fails
    Decisions* decisions = nullptr;   // null: the seed's
    core::Shard::Options shard = {};  // of each; World fills in id and clock
    SimJobRunner::Options jobs = {};
  };
  explicit World(uint64_t seed) : World(seed, Options()) {}
  World(uint64_t seed, const Options& options);
  ~World();
  World(const World&) = delete;

  SimKernel& kernel() { return kernel_; }
  core::ManualClock& clock() { return clock_; }
  SimJobRunner& jobs() { return jobs_; }
  core::Shard& shard(size_t i) { return *members_[i].shard; }
  size_t shards() const { return members_.size(); }
  int64_t now_ms() { return clock_.Now() / core::kNanosPerMs; }
  uint64_t steps() const { return steps_; }
  // The shard that made the last step, or -1 when it was the network's or a job's.
  int moved() const { return moved_; }

  // One step at this time; false when there is none to make.
  bool Step();
  // The clock to the next deadline, but not beyond `end`; false when that is not before `end` (then it stands at end).
  bool MoveClock(core::Nanos end);

  void RunUntilIdle();
  void RunFor(int64_t ms);
  // Steps, and time, until `done` says so; false when `ms` have passed first.
  template <class F>
  bool RunUntil(F&& done, int64_t ms) {
    const core::Nanos end = clock_.Now() + ms * core::kNanosPerMs;
    for (;;) {
      if (done()) return true;
      if (Step()) continue;
      if (!MoveClock(end)) return done();
    }
  }

 private:
  class SplitPort;
  struct Member {
    std::unique_ptr<core::Shard> shard;
    std::unique_ptr<SplitPort> port;
  };
  bool Awake(Member& member);

  core::ManualClock clock_;
  SimKernel kernel_;
  SimJobRunner jobs_;  // outlives the shards: what it drops in the end wakes none
  std::unique_ptr<core::Shards> shards_;
  std::vector<Member> members_;
  std::vector<Member*> awake_;  // of the step under way
  const uint64_t steps_max_;
  uint64_t steps_ = 0;
  int moved_ = -1;
  uint64_t steps_now_ = 0;  // since the clock moved
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_WORLD_H_
