// SPDX-License-Identifier: Apache-2.0
// TimerWheel: O(1) arm and cancel for deadlines that rarely fire.
//
// Timers sit in intrusive lists, one per slot: 64 slots of 1 ms, then 64 of 64 ms, of 4 s, and so on. A deadline lives
// on the level of the highest 6-bit digit in which it differs from the wheel's cursor, so no level wraps, every timer
// of a level is due before all of the next, and each timer moves down at most once a level. Each slot knows the
// earliest deadline put into it, so a shard sleeps until exactly that and no slot boundary ever wakes it.
//
// Most deadlines are pushed back all the time, and that should cost one store, not a re-arm:
//
//   on every message:  conn->last_activity_ms = now_ms;                            // the timer stays where it is
//   on expiry:         const int64_t due = conn->last_activity_ms + idle_timeout_ms;
//                      if (due > now_ms) wheel->Arm(timer, TimerKind::kConnection, due);  // not yet: look again then
//                      else Expire(conn);
//
// Threads:  one shard; not thread-safe.
// Owns:     nothing. A Timer is a member of its user and unlinks itself when destroyed.
// Limits:   Advance() expires at most `budget` timers a call and moves at most kMovesPerFire * budget + kMovesFree
//           between levels, so neither a mass expiry nor a crowded slot can stall the loop. 13 KB a wheel. Deadlines
//           reach to 2^44 ms (557 years).
#ifndef MOORING_CORE_TIMER_WHEEL_H_
#define MOORING_CORE_TIMER_WHEEL_H_

#include <cstddef>
#include <cstdint>

namespace mooring::core {

enum class TimerKind : uint8_t { kConnection, kSleep, kFunction, kOther };
inline constexpr int kTimerKinds = 4;

class TimerWheel;

// Three addresses and a deadline in 24 bytes: user-space addresses have at most 48 bits unless a program asks mmap for
// more (Linux, Documentation/arch/x86/x86_64/5level-paging.rst and arch/arm64/memory.rst). Knowing its wheel, a timer
// can leave without being told where it is.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();

  bool armed() const { return wheel_ != 0; }

  // As armed last; one that had passed already reads as the time it was armed at.
  int64_t deadline_ms() const {
    return static_cast<int64_t>(deadline_low_ | uint64_t{deadline_mid_} << 16 | uint64_t{deadline_high_} << 32);
  }
  TimerKind kind() const { return static_cast<TimerKind>(kind_); }

 private:
  friend class TimerWheel;

  Timer* next() const { return reinterpret_cast<Timer*>(uint64_t{next_}); }
  Timer* prev() const { return reinterpret_cast<Timer*>(uint64_t{prev_}); }
  TimerWheel* wheel() const { return reinterpret_cast<TimerWheel*>(uint64_t{wheel_}); }
  void set_next(Timer* timer) { next_ = reinterpret_cast<uint64_t>(timer); }
  void set_prev(Timer* timer) { prev_ = reinterpret_cast<uint64_t>(timer); }
  void set_wheel(TimerWheel* wheel) { wheel_ = reinterpret_cast<uint64_t>(wheel); }
  void set_deadline_ms(int64_t ms) {
    deadline_low_ = static_cast<uint64_t>(ms) & 0xffff;
    deadline_mid_ = static_cast<uint64_t>(ms) >> 16 & 0xffff;
    deadline_high_ = static_cast<uint64_t>(ms) >> 32 & 0xfff;
  }

  uint64_t next_ : 48 = 0;
  uint64_t deadline_low_ : 16 = 0;
  uint64_t prev_ : 48 = 0;
  uint64_t deadline_mid_ : 16 = 0;
  uint64_t wheel_ : 48 = 0;
  uint64_t deadline_high_ : 12 = 0;
  uint64_t kind_ : 4 = 0;
};
static_assert(sizeof(Timer) == 24);

class TimerWheel {
 public:
  // The timer is no longer armed when this runs: it may be armed again or destroyed here.
  using Expire = void (*)(void* context, Timer*);

  static constexpr int64_t kDeadlineMaxMs = (int64_t{1} << 44) - 1;
  static constexpr size_t kMovesPerFire = 8;
  static constexpr size_t kMovesFree = 1024;

  // REQUIRES: now_ms >= 0.
  explicit TimerWheel(int64_t now_ms);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();  // disarms what is still armed, calls nothing

  // REQUIRES: set before the first timer of that kind fires.
  void SetExpire(TimerKind kind, Expire expire, void* context);

  // Re-arms when armed. A deadline at or before the last Advance's time counts as that time: it fires at the next
  // Advance (after what the last one left over), never inside Arm and never in the Advance whose callback armed it.
  // REQUIRES: the timer is not armed on another wheel.
  void Arm(Timer* timer, TimerKind kind, int64_t deadline_ms);

  // No-op when not armed. Safe inside a callback, also for timers due in the same Advance: they do not fire.
  void Cancel(Timer* timer);

  // Fires what is due at now_ms, by deadline, at most `budget` of them, and returns how many fired; the rest fire at
  // the next call. Callbacks may arm, cancel and destroy any timer. A now_ms before the last one counts as the last.
  // REQUIRES: not called from a callback.
  size_t Advance(int64_t now_ms, size_t budget);

  // When to call Advance next: exact, unless the earliest timer of a slot was cancelled (then at most one early
  // wake-up, which makes it exact again). The time of the last Advance when it left something over, INT64_MAX when
  // nothing is armed.
  int64_t NextMs() const;

  // Of the last Advance.
  int64_t now_ms() const { return now_ms_; }

  size_t armed() const { return armed_; }

  // Checks every invariant, O(armed); for tests.
  bool Validate() const;

 private:
  friend class Timer;

  static constexpr int kDigitBits = 6;
  static constexpr int kSlotsPerLevel = 1 << kDigitBits;
  static constexpr int kLevels = 8;  // 48 bits, more than a deadline has
  static constexpr int kNone = kLevels * kSlotsPerLevel;
  // Two more lists, in the word after the levels.
  static constexpr int kMoving = kNone;      // a slot that the cursor has entered, on its way down
  static constexpr int kLate = kMoving + 1;  // armed when already due; waits for the next Advance
  static constexpr int kLists = kLate + 1;
  static_assert(kLevels * kDigitBits >= 44);
  static constexpr size_t kBudgetMax = size_t{1} << 32;  // keeps the sum of moves from wrapping

  int ListFor(int64_t deadline_ms) const;
  int FirstList() const;
  bool Occupied(int list) const;
  void Append(Timer* timer, int list);
  void Unlink(Timer* timer);
  void Splice(int from, int to);
  bool MoveDown(size_t* allowance);
  void Fire(Timer* timer);

  int64_t now_ms_;     // time of the last Advance
  int64_t cursor_ms_;  // every timer due before this has fired; behind now_ms_ when a budget cut an Advance short
  size_t armed_ = 0;
  bool advancing_ = false;
  uint64_t occupied_[kLevels + 1] = {};  // one bit per list
  struct {
    Expire expire = nullptr;
    void* context = nullptr;
  } kinds_[kTimerKinds];
  // Circular lists through a head each; a head's deadline is the earliest that was put into its list. A lower bound:
  // cancelling does not raise it.
  Timer heads_[kLists];
};

}  // namespace mooring::core

#endif  // MOORING_CORE_TIMER_WHEEL_H_
