// SPDX-License-Identifier: Apache-2.0
#include "core/sleep.h"

#include <algorithm>
#include <limits>

namespace mooring::core {
namespace {

// A deadline `duration` from now, rounded up to a whole millisecond; "for ever" is the end of the clock.
int64_t DeadlineMs(const Shard& shard, Nanos duration) {
  const Nanos longest = std::numeric_limits<Nanos>::max() - shard.now() - (kNanosPerMs - 1);
  return (shard.now() + std::clamp<Nanos>(duration, 0, longest) + (kNanosPerMs - 1)) / kNanosPerMs;
}

}  // namespace

void Sleep::Begin(CancelScope* scope) {
  scope_ = scope;
  if (scope->cancelled()) {
    Complete(Woken::kCancelled);
    return;
  }
  Shard* shard = Shard::Current();
  scope->WaitAt(this);
  timer_.sleep = this;
  shard->wheel().Arm(&timer_, TimerKind::kSleep, DeadlineMs(*shard, duration_));
}

void Sleep::Complete(Woken woken) {
  if (complete_) return;
  complete_ = true;
  woken_ = woken;
  Shard* shard = Shard::Current();
  shard->wheel().Cancel(&timer_);
  shard->MakeRunnable(handle);
}

void DeadlineScope::Begin(CancelScope* outer) {
  outer_ = outer;
  outer->EnterInner(&scope_);
  if (outer->cancelled()) scope_.Cancel();
  Shard* shard = Shard::Current();
  timer_.argument = this;
  timer_.call = [](void* self) {
    auto* deadline = static_cast<DeadlineScope*>(self);
    deadline->expired_ = true;
    deadline->scope_.Cancel();
  };
  shard->wheel().Arm(&timer_, TimerKind::kFunction, DeadlineMs(*shard, duration_));
}

void DeadlineScope::End() {
  if (outer_ == nullptr) return;  // the task had no frame: nothing began
  Shard::Current()->wheel().Cancel(&timer_);
  outer_->Clear();
}

void RegisterSleep(Shard* shard) {
  shard->wheel().SetExpire(
      TimerKind::kSleep,
      [](void*, Timer* timer) { static_cast<Sleep::SleepTimer*>(timer)->sleep->Complete(Woken::kTimer); }, nullptr);
}

}  // namespace mooring::core
