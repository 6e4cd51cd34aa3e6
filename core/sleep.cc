// SPDX-License-Identifier: Apache-2.0
#include "core/sleep.h"

namespace mooring::core {

void Sleep::Begin(CancelScope* scope) {
  scope_ = scope;
  if (scope->cancelled()) {
    Complete(Woken::kCancelled);
    return;
  }
  Shard* shard = Shard::Current();
  scope->WaitAt(this);
  timer_.sleep = this;
  shard->wheel().Arm(&timer_, TimerKind::kSleep, shard->DeadlineMs(duration_));
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
  shard->wheel().Arm(&timer_, TimerKind::kFunction, shard->DeadlineMs(duration_));
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
