// SPDX-License-Identifier: Apache-2.0
// The idle tier: a connection that has been silent for 3 s waits with a poll instead of a receive. An armed multishot
// receive holds 864 bytes of kernel memory (the request 256, its message 512, its poll 96), an armed poll 256. What it
// costs is one operation, and one turn more for the first bytes after the silence.
//
//   receive ── silent: cancelled ── its terminal completion ──> poll ── anything ──> receive
//                                   └ data came meanwhile: not silent, receive
//
// The poll only says that there is something; the receive that follows finds bytes, FIN or error as ever. To the rest
// of the transport it is the receive that is armed (kReceiveArmed): counted, cancelled and waited for like it.
//
// Who may fall silent is in a list and looked at once a second: a message costs one store, who is silent is not in the
// list, and where all are silent nothing wakes the shard.
//
// The cancel is what is dear: the kernel finds its target in one of at most 256 lists, in 1 us among 10,000 requests and
// up to 30 among 100,000 (measured, 6.18). So a shard cancels few a millisecond where there are many, and who was woken
// often has to be silent for longer: every fourth wake doubles the time, up to two minutes. A heartbeat of ten seconds
// keeps its receive after the eighth.
#include <liburing.h>
#include <poll.h>

#include <algorithm>

#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

// A receive is armed: silent at 3 s from now at the earliest.
void UringTransport::Heard(ConnId id, UringArea& area) {
  area.heard = idle_tick_;
  if (area.Is(UringArea::kListed) || !ring_->features().idle_poll) return;
  area.Set(UringArea::kListed);
  if (may_fall_silent_.size() == may_fall_silent_.capacity()) MakeRoomInList();
  may_fall_silent_.push_back(id);
  if (!idle_timer_.armed()) ArmIdleTimer();
}

// Those that have gone make room for others, so connections that come and go allocate nothing; the list grows when less
// than half of it would be free.
void UringTransport::MakeRoomInList() {
  std::erase_if(may_fall_silent_, [this](ConnId id) { return ListedArea(id) == nullptr; });
  idle_next_ = std::min(idle_next_, may_fall_silent_.size());  // who is looked at twice does not mind
  const size_t wanted = std::max(kListMin, 2 * may_fall_silent_.size());
  if (may_fall_silent_.capacity() < wanted) may_fall_silent_.reserve(wanted);
}

// Null: it has gone.
UringArea* UringTransport::ListedArea(ConnId id) {
  auto* area = static_cast<UringArea*>(events_->Area(id.slot, id.generation & 0xffffff));
  return area != nullptr && area->generation == id.generation ? area : nullptr;
}

// To a whole second, like the deadlines of connections, so that one turn does for both.
void UringTransport::ArmIdleTimer() {
  shard_->wheel().Arm(&idle_timer_, core::TimerKind::kFunction, (shard_->now_ms() / kIdleTickMs + 1) * kIdleTickMs);
}

unsigned UringTransport::FallSilentMax() const {
  const uint32_t open = descriptors_.max() - descriptors_.free();
  return std::clamp(500'000 / std::max(open, 1u), kFallSilentMin, kFallSilentMax);
}

// Once a second at everybody in the list, from its end; in steps of a millisecond where there are many. Whoever leaves the
// list gives his place to the last, who has been looked at or is new.
void UringTransport::LookForSilent() {
  if (idle_next_ == 0) {
    ++idle_tick_;
    idle_next_ = may_fall_silent_.size();
  }
  unsigned cancels = FallSilentMax();
  for (unsigned looks = kIdleLooksMax; idle_next_ > 0 && looks > 0 && cancels > 0; --looks) {
    const ConnId id = may_fall_silent_[--idle_next_];
    UringArea* area = ListedArea(id);
    const bool receiving = area != nullptr && area->Is(UringArea::kReceiveArmed) &&
                           !area->Is(UringArea::kReceiveCancelled | UringArea::kPolling);
    if (receiving && !Silent(*area)) continue;
    may_fall_silent_[idle_next_] = may_fall_silent_.back();
    may_fall_silent_.pop_back();
    if (area == nullptr) continue;
    area->Clear(UringArea::kListed);  // until a receive is armed again
    if (!receiving) continue;
    CancelReceive(id, *area);
    --cancels;
  }
  if (idle_next_ > 0) {
    shard_->wheel().Arm(&idle_timer_, core::TimerKind::kFunction, shard_->now_ms() + 1);
  } else if (!may_fall_silent_.empty()) {
    ArmIdleTimer();
  } else if (may_fall_silent_.capacity() > kListMin) {
    std::vector<ConnId>().swap(may_fall_silent_);
  }
}

// It looks when it is submitted, so what the receive left is told at once. POLLIN is told of FIN too; errors and
// hang-ups are told unasked.
void UringTransport::ArmPoll(ConnId id, UringArea& area) {
  counters_.Add(TransportCount::kIdlePolls);
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_poll_add(sqe, 0, POLLIN);
  Begin(sqe, Op::kPoll, id, area);
  area.Set(UringArea::kReceiveArmed | UringArea::kPolling);
  ++receives_queued_;
}

// Whatever the result, the receive tells what there is.
void UringTransport::OnPollCompletion(int result, ConnId id, UringArea& area) {
  area.Clear(UringArea::kReceiveArmed | UringArea::kReceiveCancelled | UringArea::kPolling);
  if (area.leaving() || !area.Is(UringArea::kReadWanted)) return;
  if (result > 0) {
    counters_.Add(TransportCount::kIdleWakes);
    if (area.wakes < kWakesMax) ++area.wakes;
  }
  ArmReceive(id, area, /*data_there=*/result > 0);
}

}  // namespace mooring::net::uring
