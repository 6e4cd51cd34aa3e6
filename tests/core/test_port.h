// SPDX-License-Identifier: Apache-2.0
// FakePort and RingPort: event ports for tests of what sleeps in one.
//
// FakePort is for one thread and a manual clock: a wait passes at once and moves the clock. RingPort is the smallest
// port that really sleeps: a ring, and an eventfd that wakes it.
//
// Threads:  FakePort one; RingPort the one that opened it, Wake from any.
#ifndef MOORING_TESTS_CORE_TEST_PORT_H_
#define MOORING_TESTS_CORE_TEST_PORT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "core/clock.h"
#include "core/event_port.h"
#include "core/ring.h"
#include "core/shard.h"

namespace mooring::core {

class FakePort final : public EventPort {
 public:
  explicit FakePort(ManualClock* clock) : clock_(clock) {}

  void Poll(Nanos wait, Sleeper* sleeper) override;
  int Watch(int, uint32_t, Watcher*) override;
  void Unwatch(int) override {}
  void Wake() override { ++wakes_; }

  std::function<void()> deliver;  // what "happened": called once a Poll, after OnAwake
  std::vector<Nanos> waits;       // as asked for, one a Poll
  int wakes() const { return wakes_; }

 private:
  ManualClock* const clock_;
  int wakes_ = 0;
  int wakes_seen_ = 0;
};

// A shard that is stepped, its clock and its port.
struct SteppedShard {
  explicit SteppedShard(Shard::Options options = {}) : shard(With(options, &clock)) { shard.SetPort(&port); }

  void RunTurns(int turns) {
    for (int i = 0; i < turns; ++i) shard.RunTurn();
  }
  // Turns until nothing is left that would end a wait, at most `turns_max`; how many there were.
  int RunUntilIdle(int turns_max = 10'000);

  ManualClock clock{1'000 * kNanosPerSecond};
  FakePort port{&clock};
  Shard shard;

 private:
  static Shard::Options With(Shard::Options options, Clock* clock) {
    options.clock = clock;
    return options;
  }
};

class RingPort final : public EventPort {
 public:
  // On the thread that runs the turns.
  static absl::StatusOr<std::unique_ptr<RingPort>> Open(Kernel* kernel, const Ring::Options& options);
  ~RingPort() override;

  void Poll(Nanos wait, Sleeper* sleeper) override;
  int Watch(int fd, uint32_t events, Watcher* watcher) override;
  void Unwatch(int fd) override;
  void Wake() override;

 private:
  struct Watched {
    uint64_t id;  // also the operation's user_data; never used twice
    uint32_t events;
    Watcher* watcher;
  };
  static constexpr uint64_t kWakeId = 1;
  static constexpr uint64_t kNobody = 2;

  RingPort(Kernel* kernel, std::unique_ptr<Ring> ring, int event_fd)
      : kernel_(kernel), ring_(std::move(ring)), event_fd_(event_fd) {}
  void ArmWake();
  void ArmPoll(int fd, const Watched& watched);
  void OnCompletion(const io_uring_cqe& cqe);

  Kernel* const kernel_;
  const std::unique_ptr<Ring> ring_;
  const int event_fd_;
  uint64_t wake_count_ = 0;  // read into by the kernel until the last completion of kWakeId
  bool wake_armed_ = false;
  uint64_t next_id_ = 3;
  std::map<int, Watched> watched_;
};

}  // namespace mooring::core

#endif  // MOORING_TESTS_CORE_TEST_PORT_H_
