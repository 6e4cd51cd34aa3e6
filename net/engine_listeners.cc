// SPDX-License-Identifier: Apache-2.0
// Engine: listeners that come, change and go while the engine runs, and the profiles that their connections keep.
//
//   AddListener ──> Listen ──> RetireListener, or a drain: RefuseNew ── 200 ms ──> StopAccept ──> closed
//       │             ChangeListener: a new profile; the old one goes with its last connection
//       └──────────── closed, and the last connection is gone: the number may be given again
#include <algorithm>
#include <cassert>
#include <utility>

#include "net/engine.h"

namespace mooring::net {

ListenerId Engine::AddListener(std::string name, Handler* handler, const ServiceOptions& options,
                               const ListenerBounds& bounds) {
  size_t id = 0;
  while (id < listeners_.size() && !listeners_[id]->gone) ++id;
  if (id == ListenerCountersTable::kListenersMax) return kNoProfile;
  AddListenerAs(static_cast<ListenerId>(id), std::move(name), handler, options, bounds);
  return static_cast<ListenerId>(id);
}

void Engine::AddListenerAs(ListenerId id, std::string name, Handler* handler, const ServiceOptions& options,
                           const ListenerBounds& bounds) {
  assert(id < ListenerCountersTable::kListenersMax);
  // What lies between was given to nobody.
  while (listeners_.size() <= id) {
    listeners_.push_back(std::make_unique<Listener>());
    listeners_.back()->gone = true;
  }
  assert(listeners_[id]->gone);
  listeners_[id] = std::make_unique<Listener>();
  Listener& listener = *listeners_[id];
  listener.name = std::move(name);
  listener.bounds = bounds;
  listener.engine = this;
  listener.id = id;
  listener.timer.argument = &listener;
  listener.counters = listener_counters_.Renew(id);
  listener.profile = AddProfile(id, handler, options);
}

bool Engine::ChangeListener(ListenerId id, Handler* handler, const ServiceOptions& options,
                            std::function<void(Handler*)> forgotten) {
  Listener& listener = *listeners_[id];
  assert(!listener.gone);
  const uint16_t before = listener.profile;
  const uint16_t now = AddProfile(id, handler, options);
  if (now == kNoProfile) return false;
  listener.profile = now;
  profiles_[before]->forgotten = std::move(forgotten);
  StopCurrent(before);
  return true;
}

void Engine::RetireListener(ListenerId id, std::function<void()> closed, std::function<void()> gone) {
  Listener& listener = *listeners_[id];
  assert(!listener.retired);
  listener.retired = true;
  listener.on_closed = std::move(closed);
  listener.on_gone = std::move(gone);
  if (!listener.listening) return EndListener(listener);
  if (cut_) return transport_->StopAccept(id, /*empty_queue=*/false);
  if (!listener.stopping) RefuseThenStop(listener);
}

// New handshakes are refused; for 200 ms those under way finish and are accepted. Then the queue is emptied.
void Engine::RefuseThenStop(Listener& listener) {
  listener.stopping = true;
  settle_due_ = true;  // it does not wait for tokens any more
  transport_->RefuseNew(listener.id);
  listener.timer.call = [](void* argument) {
    auto* due = static_cast<Listener*>(argument);
    due->engine->StopListener(*due);
  };
  shard_->wheel().Arm(&listener.timer, core::TimerKind::kFunction, shard_->now_ms() + kRefuseMs);
}

void Engine::StopListener(Listener& listener) {
  listener.backing_off = false;
  UpdateAcceptModes(/*again=*/false);
  transport_->StopAccept(listener.id, /*empty_queue=*/true);
}

void Engine::OnAcceptStopped(ListenerId id) {
  Listener& listener = *listeners_[id];
  shard_->wheel().Cancel(&listener.timer);
  EndStop(listener);
  listener.listening = false;
  listener.backing_off = false;
  backlogs_ -= static_cast<uint32_t>(listener.backlog);
  settle_due_ = true;  // its credit is not watched any more
  --listeners_open_;
  if (listener.retired) EndListener(listener);
}

// It is closed, or never had a socket.
void Engine::EndListener(Listener& listener) {
  if (listener.on_closed) to_tell_.push_back(std::exchange(listener.on_closed, nullptr));
  StopCurrent(listener.profile);
}

// Profiles.

uint16_t Engine::AddProfile(ListenerId listener, Handler* handler, const ServiceOptions& options) {
  const auto free = std::find(profiles_.begin(), profiles_.end(), nullptr);
  const auto profile = static_cast<size_t>(free - profiles_.begin());
  if (profile == kOwnedProfile) return kNoProfile;
  EnsurePeerAddresses(options);
  if (free == profiles_.end()) profiles_.emplace_back();
  profiles_[profile] = std::make_unique<Profile>(
      Profile{.handler = handler, .options = options, .listener = listener, .counters = listeners_[listener]->counters});
  return static_cast<uint16_t>(profile);
}

void Engine::Admit(Connection& conn, uint16_t profile) {
  CountLive();
  conn.profile_ = profile;
  if (profile >= kOwnedProfile) return;
  ++profiles_[profile]->live;
  profiles_[profile]->counters->Open();
}

void Engine::Dismiss(Connection& conn) {
  live_counter_.Add(static_cast<uint64_t>(-1));
  if (conn.profile_ >= kOwnedProfile) return;
  Profile& profile = *profiles_[conn.profile_];
  profile.counters->Release(conn.state_);
  if (--profile.live == 0 && !profile.current) [[unlikely]] ForgetIfUnused(conn.profile_);
}

void Engine::StopCurrent(uint16_t profile) {
  profiles_[profile]->current = false;
  ForgetIfUnused(profile);
}

void Engine::ForgetIfUnused(uint16_t id) {
  if (profiles_[id]->current || profiles_[id]->live != 0) return;
  const std::unique_ptr<Profile> profile = std::exchange(profiles_[id], nullptr);
  bool others = false;
  bool same_handler = false;
  for (const std::unique_ptr<Profile>& each : profiles_) {
    if (each == nullptr || each->listener != profile->listener) continue;
    others = true;
    same_handler |= each->handler == profile->handler;
  }
  if (!same_handler && profile->forgotten) {
    to_tell_.push_back([forgotten = std::move(profile->forgotten), handler = profile->handler] { forgotten(handler); });
  }
  if (others) return;
  // Its credit is settled first, at the end of this turn.
  to_tell_.push_back([this, id = profile->listener] {
    Listener& listener = *listeners_[id];
    listener.bounds = {};  // they may go
    listener.gone = true;
    if (listener.on_gone) std::exchange(listener.on_gone, nullptr)();
  });
}

}  // namespace mooring::net
