// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.h"

#include <algorithm>
#include <cinttypes>

namespace mooring::sim {

// Not zero, so that a deadline of zero, or a time that was never set, shows.
constexpr core::Nanos kStart = 1'000 * core::kNanosPerSecond;

// The port that a shard sees. It holds OnAwake back while the ring sleeps.
class World::SplitPort final : public core::EventPort {
 public:
  SplitPort(SimKernel* kernel, core::EventPort* real) : kernel_(kernel), real_(real), gate_(this) {}

  void Poll(core::Nanos wait, Sleeper* sleeper) override {
    sleeper_ = sleeper;
    kernel_->ForgetLastWait();
    real_->Poll(wait, &gate_);
  }
  // The second half. Only the delivery: the shard's turn is the next thing it does.
  void EndSleep() {
    sleeping_ = false;
    real_->Poll(0, sleeper_);
  }
  bool sleeping() const { return sleeping_; }
  bool MustEndSleep(core::Nanos now) const { return !wait_->asleep() || wait_->wake_at() <= now; }
  core::Nanos wake_at() const { return sleeping_ ? wait_->wake_at() : INT64_MAX; }

  int Watch(int fd, uint32_t events, Watcher* watcher) override { return real_->Watch(fd, events, watcher); }
  void Unwatch(int fd) override { real_->Unwatch(fd); }
  void Wake() override { real_->Wake(); }

 private:
  struct Gate final : Sleeper {
    explicit Gate(SplitPort* of) : port(of) {}
    void OnAwake() override { port->OnAwake(); }
    SplitPort* const port;
  };
  void OnAwake() {
    wait_ = kernel_->last_wait();
    sleeping_ = wait_ != nullptr && wait_->asleep();
    if (!sleeping_) sleeper_->OnAwake();
  }

  SimKernel* const kernel_;
  core::EventPort* const real_;
  Gate gate_;
  Sleeper* sleeper_ = nullptr;
  const SimSleep* wait_ = nullptr;
  bool sleeping_ = false;
};

World::World(uint64_t seed, const Options& options)
    : clock_(kStart),
      kernel_(seed, &clock_, options.mood, options.age),
      jobs_(options.jobs, &kernel_.choices(), &clock_),
      steps_max_(options.steps_max) {
  kernel_.files().SetInTurn([] { return core::Shard::Current() != nullptr; });
  if (options.decisions != nullptr) kernel_.choices().SetDecisions(options.decisions);
  core::Shard::Options of_shard = options.shard;
  of_shard.clock = &clock_;
  std::vector<core::Shard*> shards;
  for (uint32_t i = 0; i < options.shards; ++i) {
    of_shard.id = i;
    members_.push_back({std::make_unique<core::Shard>(of_shard), nullptr});
    shards.push_back(members_.back().shard.get());
    shards.back()->SetJobRunner(&jobs_);
  }
  shards_ = std::make_unique<core::Shards>(std::move(shards));
}

World::~World() = default;

bool World::Awake(Member& member) {
  if (member.shard->port() == nullptr) return false;  // not set up
  if (member.port == nullptr) {
    member.port = std::make_unique<SplitPort>(&kernel_, member.shard->port());
    member.shard->SetPort(member.port.get());
  }
  return !member.port->sleeping() || member.port->MustEndSleep(clock_.Now());
}

bool World::Step() {
  kernel_.network().RunTimers();
  awake_.clear();
  for (Member& member : members_) {
    if (Awake(member)) awake_.push_back(&member);
  }
  const bool network = !kernel_.network().quiet();
  const bool job = jobs_.due();
  if (awake_.empty() && !network && !job) return false;
  ++steps_;
  if (++steps_now_ > steps_max_) {
    kernel_.choices().Fail("%" PRIu64 " steps and still not idle: something runs in circles", steps_now_);
  }
  const size_t choices = awake_.size() + (network ? 1 : 0) + (job ? 1 : 0);
  const size_t choice = kernel_.choices().calm() ? steps_ % choices : kernel_.choices().Pick(choices);
  moved_ = -1;
  if (job && choice == choices - 1) {
    jobs_.RunOne();
    return true;
  }
  if (choice == awake_.size()) return kernel_.network().DeliverOne() || !awake_.empty() || job;
  Member& member = *awake_[choice];
  moved_ = static_cast<int>(member.shard->id());
  if (member.port->sleeping()) {
    core::Shard::Enter enter(member.shard.get());
    member.port->EndSleep();
  } else {
    member.shard->RunTurn();
  }
  return true;
}

bool World::MoveClock(core::Nanos end) {
  core::Nanos next = std::min(kernel_.network().NextTimer(), jobs_.NextDue());
  for (const Member& member : members_) {
    if (member.port != nullptr) next = std::min(next, member.port->wake_at());
  }
  if (next > clock_.Now()) steps_now_ = 0;
  clock_.Set(std::max(clock_.Now(), std::min(next, end)));
  return next < end;
}

void World::RunUntilIdle() {
  while (Step()) {
  }
}

void World::RunFor(int64_t ms) {
  const core::Nanos end = clock_.Now() + ms * core::kNanosPerMs;
  do {
    RunUntilIdle();
  } while (MoveClock(end));
  RunUntilIdle();
}

}  // namespace mooring::sim
