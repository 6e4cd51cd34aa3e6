// SPDX-License-Identifier: Apache-2.0
#include "core/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>

namespace mooring::core {

Timer::~Timer() {
  if (armed()) wheel()->Cancel(this);
}

TimerWheel::TimerWheel(int64_t now_ms) : now_ms_(now_ms), cursor_ms_(now_ms) {
  assert(now_ms >= 0);
  assert(now_ms <= kDeadlineMaxMs);
  for (Timer& head : heads_) {
    head.set_next(&head);
    head.set_prev(&head);
    assert(head.next() == &head);  // the address fits into 48 bits
  }
}

TimerWheel::~TimerWheel() {
  for (Timer& head : heads_) {
    while (head.next() != &head) Unlink(head.next());
  }
}

void TimerWheel::SetExpire(TimerKind kind, Expire expire, void* context) {
  kinds_[static_cast<int>(kind)] = {expire, context};
}

void TimerWheel::Arm(Timer* timer, TimerKind kind, int64_t deadline_ms) {
  Cancel(timer);
  const bool late = deadline_ms <= now_ms_;
  timer->set_deadline_ms(late ? now_ms_ : std::min(deadline_ms, kDeadlineMaxMs));
  timer->kind_ = static_cast<uint64_t>(kind);
  timer->set_wheel(this);
  ++armed_;
  Append(timer, late ? kLate : ListFor(timer->deadline_ms()));
}

void TimerWheel::Cancel(Timer* timer) {
  if (!timer->armed()) return;
  assert(timer->wheel() == this);
  Unlink(timer);
}

size_t TimerWheel::Advance(int64_t now_ms, size_t budget) {
  assert(!advancing_);
  if (occupied_[kLevels] == 0) {  // nothing is late, or on its way down: mostly nothing is due either
    const int64_t now = std::clamp(now_ms, now_ms_, kDeadlineMaxMs);
    const int list = FirstList();
    const int shift = list / kSlotsPerLevel * kDigitBits;
    if (list == kNone || heads_[list].deadline_ms() >> shift > now >> shift) {
      now_ms_ = cursor_ms_ = now;
      return 0;
    }
  }
  advancing_ = true;
  // All late timers carry the time of the last Advance, so they go to their place in the order as one list.
  if (Occupied(kLate)) Splice(kLate, ListFor(now_ms_));
  now_ms_ = std::clamp(now_ms, now_ms_, kDeadlineMaxMs);

  size_t fired = 0;
  size_t moves = kMovesFree + kMovesPerFire * std::min(budget, kBudgetMax);
  while (MoveDown(&moves)) {
    const int list = FirstList();
    const int shift = list / kSlotsPerLevel * kDigitBits;
    const int64_t earliest = heads_[list].deadline_ms();
    if (list == kNone || earliest >> shift > now_ms_ >> shift) {
      cursor_ms_ = now_ms_;  // nothing is left before it, and no occupied slot contains it
      break;
    }
    if (shift > 0) {  // the cursor enters this slot: its timers differ from the cursor only in lower digits now
      cursor_ms_ = std::min(earliest, now_ms_);
      Splice(list, kMoving);
      continue;
    }
    if (fired == budget) break;
    cursor_ms_ = earliest;
    ++fired;
    Fire(heads_[list].next());
  }
  advancing_ = false;
  return fired;
}

int64_t TimerWheel::NextMs() const {
  if (occupied_[kLevels] != 0) return now_ms_;
  const int list = FirstList();
  if (list == kNone) return std::numeric_limits<int64_t>::max();
  return std::max(now_ms_, heads_[list].deadline_ms());
}

int TimerWheel::ListFor(int64_t deadline_ms) const {
  const uint64_t differs = static_cast<uint64_t>(deadline_ms ^ cursor_ms_);
  const int level = (static_cast<int>(std::bit_width(differs | 1)) - 1) / kDigitBits;
  return level * kSlotsPerLevel + static_cast<int>(deadline_ms >> (level * kDigitBits) & (kSlotsPerLevel - 1));
}

// The slot that is due first, kNone when no slot is occupied.
int TimerWheel::FirstList() const {
  for (int level = 0; level < kLevels; ++level) {
    if (occupied_[level] != 0) return level * kSlotsPerLevel + std::countr_zero(occupied_[level]);
  }
  return kNone;
}

bool TimerWheel::Occupied(int list) const {
  return (occupied_[list / kSlotsPerLevel] >> (list % kSlotsPerLevel) & 1) != 0;
}

void TimerWheel::Append(Timer* timer, int list) {
  Timer* head = &heads_[list];
  const bool empty = head->next() == head;
  if (empty || timer->deadline_ms() < head->deadline_ms()) head->set_deadline_ms(timer->deadline_ms());
  occupied_[list / kSlotsPerLevel] |= uint64_t{1} << (list % kSlotsPerLevel);
  timer->set_prev(head->prev());
  timer->set_next(head);
  head->prev()->set_next(timer);
  head->set_prev(timer);
}

void TimerWheel::Unlink(Timer* timer) {
  Timer* next = timer->next();
  Timer* prev = timer->prev();
  prev->set_next(next);
  next->set_prev(prev);
  if (next == prev) {  // it was the only one: both are the head
    const ptrdiff_t list = next - heads_;
    occupied_[list / kSlotsPerLevel] &= ~(uint64_t{1} << (list % kSlotsPerLevel));
  }
  timer->set_wheel(nullptr);
  --armed_;
}

// REQUIRES: `from` is not empty.
void TimerWheel::Splice(int from, int to) {
  Timer* source = &heads_[from];
  Timer* target = &heads_[to];
  const bool empty = target->next() == target;
  if (empty || source->deadline_ms() < target->deadline_ms()) target->set_deadline_ms(source->deadline_ms());
  Timer* first = source->next();
  Timer* last = source->prev();
  first->set_prev(target->prev());
  target->prev()->set_next(first);
  last->set_next(target);
  target->set_prev(last);
  source->set_next(source);
  source->set_prev(source);
  occupied_[from / kSlotsPerLevel] &= ~(uint64_t{1} << (from % kSlotsPerLevel));
  occupied_[to / kSlotsPerLevel] |= uint64_t{1} << (to % kSlotsPerLevel);
}

// Empties kMoving; false when the allowance did not suffice. Until it is empty the cursor stays and nothing fires.
bool TimerWheel::MoveDown(size_t* allowance) {
  Timer* head = &heads_[kMoving];
  while (head->next() != head) {
    if (*allowance == 0) return false;
    --*allowance;
    Timer* timer = head->next();
    Unlink(timer);
    timer->set_wheel(this);
    ++armed_;
    Append(timer, ListFor(timer->deadline_ms()));
  }
  return true;
}

void TimerWheel::Fire(Timer* timer) {
  Unlink(timer);
  const auto& kind = kinds_[static_cast<int>(timer->kind())];
  assert(kind.expire != nullptr);
  kind.expire(kind.context, timer);
}

bool TimerWheel::Validate() const {
  if (cursor_ms_ > now_ms_) return false;
  size_t linked = 0;
  for (int list = 0; list < kLists; ++list) {
    const Timer* head = &heads_[list];
    if (head->armed() || Occupied(list) != (head->next() != head)) return false;
    const Timer* prev = head;
    for (const Timer* timer = head->next(); timer != head; prev = timer, timer = timer->next()) {
      if (++linked > armed_) return false;  // also ends a broken list
      const int64_t deadline_ms = timer->deadline_ms();
      if (timer->prev() != prev || timer->wheel() != this) return false;
      if (deadline_ms < cursor_ms_ || deadline_ms < head->deadline_ms()) return false;
      if (list == kLate && deadline_ms != now_ms_) return false;
      if (list < kNone && ListFor(deadline_ms) != list) return false;
    }
    if (head->prev() != prev) return false;
  }
  return linked == armed_;
}

}  // namespace mooring::core
