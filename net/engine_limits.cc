// SPDX-License-Identifier: Apache-2.0
// Engine: who may be accepted, how long a connection may be here, and what happens when memory runs out.
//
// Capacity (connections, accept rate) is not refused: the listener stops, peers wait in its backlog. What an address may
// not have, and what there is no memory for, is accepted and reset.
#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <utility>

#include "net/engine.h"

namespace mooring::net {

// Capacity.

bool Engine::TakeCredit(ListenerId id) {
  Listener& listener = *listeners_[id];
  const StopCause stop = TakeBounds(listener);
  if (stop != StopCause::kCount) {
    BeginStop(listener, stop);
    settle_due_ = true;
    return false;
  }
  EndStop(listener);
  ++listener.holds;
  return true;
}

void Engine::ReturnCredit(ListenerId id) {
  Listener& listener = *listeners_[id];
  ++returned_;
  --listener.holds;
  settle_due_ = true;
  GiveBackTokens(listener);
}

// One of everything, or none and what there was none of.
StopCause Engine::TakeBounds(Listener& listener) {
  if (AcceptRate* rate = RateOf(listener, listener.bounds.rate); rate != nullptr && !rate->Take(shard_->now())) {
    ArmRateTimer(rate->Due());
    return StopCause::kListenerRate;
  }
  if (AcceptRate* rate = RateOf(listener, options_.rate); rate != nullptr && !rate->Take(shard_->now())) {
    if (AcceptRate* own = RateOf(listener, listener.bounds.rate); own != nullptr) own->GiveBack();
    ArmRateTimer(rate->Due());
    return StopCause::kRate;
  }
  Credit* own = listener.bounds.credit;
  if (own != nullptr && !own->Take(shard_->id())) {
    GiveBackTokens(listener);
    return StopCause::kListenerConnections;
  }
  if (own != nullptr) ++listener.settled;
  if (options_.credit != nullptr && !options_.credit->Take(shard_->id())) {
    GiveBackTokens(listener);
    return StopCause::kConnections;  // the end of the turn gives back the listener's own
  }
  return StopCause::kCount;
}

void Engine::GiveBackTokens(const Listener& listener) {
  for (AcceptRate* rate : {RateOf(listener, listener.bounds.rate), RateOf(listener, options_.rate)}) {
    if (rate != nullptr) rate->GiveBack();
  }
}

void Engine::SettleCredit(Listener& listener) {
  Credit* credit = listener.bounds.credit;
  const int64_t more = listener.holds - listener.settled;
  if (credit == nullptr || more == 0) return;
  listener.settled = listener.holds;
  if (more > 0) return credit->TakeUnasked(more);
  credit->Give(-more);
  WakeWaiting(credit);
}

void Engine::WakeWaiting(Credit* credit) {
  if (!credit->AnyWaiting()) return;
  credit->TakeWaiting([&](uint32_t waiting) {
    if (waiting == shard_->id() || waiting >= peers_.size()) {
      UpdateAcceptModes(/*again=*/true);
    } else {
      Engine* peer = peers_[waiting];
      shard_->PostAlways(peer->shard_, [peer] { peer->UpdateAcceptModes(/*again=*/true); });
    }
  });
}

// Whether it is near its end: far from it while this shard's share of what is left exceeds twice what the backlogs could
// hand it at once. Other shards change that, so each turn looks (NearChanged).
bool Engine::Watch(const Credit* credit, int64_t backlogs) {
  if (credit == nullptr) return false;
  Watched watched = {.credit = credit, .near_below = (2 * backlogs + 1) * static_cast<int64_t>(options_.shards)};
  watched.near = watched.Near();
  watched_.push_back(watched);
  return watched.near;
}

bool Engine::HasRate(const Listener& listener) const {
  return RateOf(listener, options_.rate) != nullptr || RateOf(listener, listener.bounds.rate) != nullptr;
}

void Engine::ArmRateTimer(core::Nanos due) {
  const int64_t due_ms = std::max(due / core::kNanosPerMs + 1, shard_->now_ms() + kRateWaitMs);
  if (rate_timer_.armed() && rate_timer_.deadline_ms() <= due_ms) return;  // all that wait ask again then
  rate_timer_.argument = this;
  rate_timer_.call = [](void* engine) { static_cast<Engine*>(engine)->UpdateAcceptModes(/*again=*/true); };
  shard_->wheel().Arm(&rate_timer_, core::TimerKind::kFunction, due_ms);
}

void Engine::BeginStop(Listener& listener, StopCause cause) {
  EndStop(listener);
  stops_.Add(cause);
  listener.stop_cause = cause;
  listener.stopped_at_ms = shard_->now_ms();
}

void Engine::EndStop(Listener& listener) {
  const StopCause cause = std::exchange(listener.stop_cause, StopCause::kCount);
  if (cause == StopCause::kCount) return;
  stopped_ms_.Add(cause, static_cast<uint64_t>(shard_->now_ms() - listener.stopped_at_ms));
}

void Engine::ChangeBounds(ListenerId id, const ListenerBounds& bounds) {
  Listener& listener = *listeners_[id];
  Credit* before = listener.bounds.credit;
  if (before != bounds.credit) {
    const int64_t settled = std::exchange(listener.settled, 0);
    if (before != nullptr && settled > 0) before->Give(settled);
  }
  listener.bounds = bounds;
  SettleCredit(listener);
  UpdateAcceptModes(/*again=*/true);
}

// Addresses.

bool Engine::MayHoldAddress(const Connection& conn) const {
  const AddressTable* own = listeners_[ListenerOf(conn)]->bounds.addresses;
  return (own != nullptr && own->on()) || (options_.addresses != nullptr && options_.addresses->on());
}

// False, and counted, when it is to be refused.
bool Engine::HoldAddress(Connection& conn, const Address& peer) {
  if (peer.empty()) return true;  // a Unix socket, or it has gone
  using Answer = AddressTable::Answer;
  const auto refuse = [this](Answer answer, RefuseCause full) {
    Refuse(answer == Answer::kFull ? full : RefuseCause::kNoMemory);
    return false;
  };
  AddressHold hold = {.source = AddressTable::SourceOf(peer), .process = nullptr, .listener = nullptr};
  if (AddressTable* table = options_.addresses; table != nullptr && table->on()) {
    const Answer answer = table->Take(hold.source);
    if (answer != Answer::kTaken) return refuse(answer, RefuseCause::kAddressLimit);
    hold.process = table;
  }
  if (AddressTable* table = listeners_[ListenerOf(conn)]->bounds.addresses; table != nullptr && table->on()) {
    const Answer answer = table->Take(hold.source);
    if (answer != Answer::kTaken) {
      if (hold.process != nullptr) hold.process->Give(hold.source);
      return refuse(answer, RefuseCause::kListenerAddressLimit);
    }
    hold.listener = table;
  }
  if (hold.process == nullptr && hold.listener == nullptr) return true;
  if (SetBeside(&address_holds_, conn.handle.slot, hold)) return true;
  if (hold.process != nullptr) hold.process->Give(hold.source);
  if (hold.listener != nullptr) hold.listener->Give(hold.source);
  return refuse(Answer::kNoMemory, RefuseCause::kNoMemory);
}

void Engine::LetGoOfAddress(uint32_t slot) {
  const AddressHold* hold = address_holds_->Find(slot);
  if (hold == nullptr) return;
  if (hold->process != nullptr) hold->process->Give(hold->source);
  if (hold->listener != nullptr) hold->listener->Give(hold->source);
  address_holds_->Forget(slot);
}

template <class T>
bool Engine::SetBeside(std::unique_ptr<SlotTable<T>>* table, uint32_t slot, const T& value) {
  if (*table == nullptr) {
    try {
      *table = std::make_unique<SlotTable<T>>(connections_.slots_max(), &shard_->accounting());
    } catch (const std::bad_alloc&) {
      return false;
    }
  }
  return (*table)->Set(slot, value);
}

// Time.

// False, and counted, when there is no memory for when it was opened.
bool Engine::StartLimits(Connection& conn, const ServiceOptions& options) {
  if (conn.Has(Connection::kOutbound)) return true;  // its owner bounds it
  const uint32_t opened_s = now_s();
  if (!SetBeside(&opened_s_, conn.handle.slot, opened_s)) {
    Refuse(RefuseCause::kNoMemory);
    return false;
  }
  if (options.first_byte_s != 0) ArmAt(conn, opened_s + options.first_byte_s + 1);
  if (options.max_age_s != 0) ArmAt(conn, AgeDue(conn, options.max_age_s, opened_s));
  return true;
}

// When it is to have its notice: up to a tenth earlier than it may get old, so that connections which came at once do not
// all come back at once.
uint32_t Engine::AgeDue(const Connection& conn, uint32_t max_age_s, uint32_t opened_s) {
  const uint64_t mixed = (uint64_t{conn.handle.slot} << 32 | conn.handle.generation) * 0x9e3779b97f4a7c15u;
  const auto earlier = static_cast<uint32_t>((mixed >> 32) % (max_age_s / 10 + 1));
  return opened_s + max_age_s - earlier + 1;
}

// Arms what is due later. REQUIRES: it is open.
void Engine::LookAtLimits(Connection& conn, const ServiceOptions& options) {
  const uint32_t* opened_s = opened_s_ == nullptr ? nullptr : opened_s_->Find(conn.handle.slot);
  if (opened_s == nullptr) return;
  const uint32_t now = now_s();
  if (options.first_byte_s != 0 && !conn.heard_ && !conn.Has(Connection::kEofSeen)) {
    const uint32_t due = *opened_s + options.first_byte_s + 1;
    if (now >= due) return End(conn, CloseCause::kNoFirstByte, /*abort=*/false);
    ArmAt(conn, due);
  }
  if (options.max_age_s == 0) return;
  const uint32_t due = AgeDue(conn, options.max_age_s, *opened_s);
  if (now < due) return ArmAt(conn, due);
  const uint32_t last = due + std::max(options.max_age_s / 10, kMaxAgeGraceSeconds);
  if (now >= last) return End(conn, CloseCause::kMaxAge, /*abort=*/false);
  ArmAt(conn, last);
  CallForNotice(conn, Connection::NoticeWhy::kMaxAge);
}

// Memory.

void Engine::SetMemoryPressure(int step) {
  memory_step_ = step;
  shed_timer_.argument = this;
  shed_timer_.call = [](void* engine) { static_cast<Engine*>(engine)->Shed(); };
  if (step < 2) {
    shard_->wheel().Cancel(&shed_timer_);
  } else if (!shed_timer_.armed()) {
    shard_->wheel().Arm(&shed_timer_, core::TimerKind::kFunction, shard_->now_ms());
  }
}

// Something is done for it, or on its way to it.
bool Engine::Served(const Connection& conn) const {
  if (conn.output_ != nullptr || conn.Has(Connection::kSlotHeld | Connection::kOwned)) return true;
  if (conn.input_ != nullptr && !conn.input_->parked.empty()) return true;
  return conn.Has(Connection::kTask) && conn.Has(Connection::kNoReader | Connection::kResuming);
}

// The longest idle of the next few thousand, in a round over all of them.
void Engine::Shed() {
  struct Idle {
    uint32_t since_s;
    uint32_t slot;
    bool operator<(const Idle& other) const { return since_s < other.since_s; }
  };
  std::array<Idle, kShedAtOnce> longest;  // a heap: the one that was active last is in front
  size_t count = 0;
  uint32_t slot = connections_.NextLive(shed_next_);
  for (uint32_t looks = 0; looks < kShedLooks && slot < connections_.slots_max(); ++looks) {
    const Connection& conn = *connections_.At(slot);
    const bool counts = conn.state_ == Connection::State::kOpen && !conn.Has(Connection::kOutbound) && !Served(conn);
    if (counts && now_s() - conn.last_activity_s_ > kShedIdleSeconds) {
      const Idle idle = {conn.last_activity_s_, slot};
      if (count < longest.size()) {
        longest[count++] = idle;
        std::push_heap(longest.begin(), longest.begin() + count);
      } else if (idle < longest.front()) {
        std::pop_heap(longest.begin(), longest.end());
        longest.back() = idle;
        std::push_heap(longest.begin(), longest.end());
      }
    }
    slot = connections_.NextLive(slot + 1);
  }
  shed_next_ = slot < connections_.slots_max() ? slot : 0;
  for (size_t i = 0; i < count; ++i) End(*connections_.At(longest[i].slot), CloseCause::kShed, /*abort=*/false);
  shard_->wheel().Arm(&shed_timer_, core::TimerKind::kFunction, shard_->now_ms() + kShedMs);
}

void Engine::CountBlocksRefused() {
  const uint64_t refused = shard_->buffers().over_bound();
  counters_.Add(EngineCount::kBlocksOverBound, refused - std::exchange(blocks_refused_, refused));
}

}  // namespace mooring::net
