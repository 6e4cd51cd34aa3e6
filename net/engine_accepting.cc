// SPDX-License-Identifier: Apache-2.0
// Engine: how freely listeners may accept, and what happens when they can't.
#include <algorithm>
#include <cassert>
#include <utility>

#include "net/engine.h"

namespace mooring::net {

void Engine::Listen(ListenerId id, int listen_fd, int backlog, bool shared) {
  Listener& listener = *listeners_[id];
  assert(!draining_ && !listener.retired);
  listener.backlog = backlog;
  listener.listening = true;
  backlogs_ += static_cast<uint32_t>(backlog);
  ++listeners_open_;
  transport_->Listen(id, listen_fd, backlog, shared);
  UpdateAcceptModes(/*again=*/false);
}

// In a turn that accepted or released, and when others have brought a credit near its end, or away from it: what was
// accepted unasked and what was released, in one step.
void Engine::SettleCredit() {
  settle_due_ = false;
  for (auto& listener : listeners_) {
    if (listener->bounds.credit != nullptr) SettleCredit(*listener);
  }
  const int64_t net = std::exchange(returned_, 0) - std::exchange(unasked_, 0);
  Credit* credit = options_.credit;
  if (credit != nullptr && net > 0) {
    credit->Give(net);
    WakeWaiting(credit);
  }
  if (credit != nullptr && net < 0) credit->TakeUnasked(-net);
  UpdateAcceptModes(/*again=*/false);
}

// `again` also tells a transport that is stuck for want of credit, or of a token.
void Engine::UpdateAcceptModes(bool again) {
  watched_.clear();
  const bool near = Watch(options_.credit, backlogs_);
  for (auto& listener : listeners_) {
    if (!listener->listening) continue;
    const bool own_near = Watch(listener->bounds.credit, listener->backlog);
    if (listener->backing_off) continue;
    const bool one_by_one = near || own_near || HasRate(*listener);
    const AcceptMode mode = one_by_one ? AcceptMode::kNear : AcceptMode::kRoomy;
    if (listener->told == mode && !(again && mode == AcceptMode::kNear)) continue;
    listener->told = mode;
    EndStop(*listener);
    transport_->SetAcceptMode(listener->id, mode);
  }
}

// Out of descriptors or memory: try again after 10 ms, doubling to a second.
void Engine::OnAcceptError(ListenerId id, int error) {
  Listener& listener = *listeners_[id];
  counters_.Add(EngineCount::kAcceptErrors);
  accept_failures_.Add(FailureOf(error));
  listener.told = AcceptMode::kStopped;
  listener.backing_off = true;
  if (listener.timer.armed()) return;  // it waits to be stopped, and that tries again
  listener.backoff_ms = std::clamp(listener.backoff_ms * 2, 10u, 1000u);
  listener.timer.call = [](void* argument) {
    auto* due = static_cast<Listener*>(argument);
    due->backing_off = false;
    due->engine->UpdateAcceptModes(/*again=*/false);
  };
  shard_->wheel().Arm(&listener.timer, core::TimerKind::kFunction, shard_->now_ms() + listener.backoff_ms);
}

}  // namespace mooring::net
