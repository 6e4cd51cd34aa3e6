// SPDX-License-Identifier: Apache-2.0
// TurnTimes: how long a shard's turns took, what ran in the longest of them, and what the present one is at.
//
// A turn is work from the moment that the shard is awake until it is about to wait again. While it waits, it is in none.
// Who runs something in a turn says so first (Doing), which is a compare as long as it is the same as before; so what a
// turn was at is known without a clock read for each thing that it did: a record names all that ran in it.
//
//   Begin --> Doing ... Doing --> End --> (the shard waits) --> Begin
//     └─────────────── no wait: Begin ends the one before ───────┘
//
// Threads:  the shard's; what is under "From any thread" from any.
// Owns:     a histogram of 30 KB and the records.
// Limits:   kLongest records, of turns that are younger than kRememberedFor or were when a longer one came.
// Ordering: each record is read as a whole or not at all: the copy is taken again while its number is odd or has changed,
//           a bounded number of times.
#ifndef MOORING_CORE_TURN_TIMES_H_
#define MOORING_CORE_TURN_TIMES_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/counters.h"
#include "core/histogram.h"

namespace mooring::core {

// What a turn is at: one of these, or kService plus the number of a listener.
enum Work : uint32_t {
  kNothing,  // nothing yet: what the port delivers is at work
  kMail,     // of other shards
  kAnswers,  // of threads that were asked for something (core/blocking.h)
  kTimers,
  kTasks,    // that became runnable: after a sleep, an event, a child
  kFlush,    // what the layer above does at its end
  kStart,    // what the program does before it serves: may take as long as it likes, and is no stall
  kService = 8,
};
// Empty from kService on: the listener's own name is asked for elsewhere.
constexpr std::string_view Name(Work work) {
  switch (work) {
    case kNothing: return "nothing yet";
    case kMail: return "mail";
    case kAnswers: return "answers";
    case kTimers: return "timers";
    case kTasks: return "tasks";
    case kFlush: return "flush";
    case kStart: return "start hooks";
    case kService: break;
  }
  return {};
}

class TurnTimes {
 public:
  static constexpr size_t kLongest = 16;
  static constexpr Nanos kRememberedFor = Seconds(600);
  static constexpr Nanos kNoLimit = INT64_MAX;

  struct Record {
    Nanos began = 0;   // CLOCK_MONOTONIC
    Nanos took = 0;
    std::string what;  // all that ran in it: "echo, mail"; what had no room is left out
  };
  struct Running {
    uint64_t turn = 0;  // its number: the same one next time is the same turn
    bool working = false;
    Nanos began = 0;
    uint32_t work = kNothing;
  };

  // Whose names records have: of work from kService on, empty where there is no such listener.
  void SetNames(std::string_view (*name)(void* context, uint32_t listener), void* context) {
    name_ = name;
    context_ = context;
  }

  void SetThread(int tid) { thread_.store(tid, std::memory_order_relaxed); }
  void Begin(Nanos now) {
    if (working()) End(now);
    began_.store(now, std::memory_order_relaxed);
    work_.store(kNothing, std::memory_order_relaxed);
    ran_ = 0;
    NextState();
  }
  // Nothing where no turn has begun.
  void End(Nanos now) {
    if (!working()) return;
    NextState();
    const Nanos took = now - began_.load(std::memory_order_relaxed);
    durations_.Record(static_cast<uint64_t>(took));
    if (took > shortest_ || now >= oldest_expires_) Remember(now, took);
    if (took >= limit_.load(std::memory_order_relaxed) && (ran_ >> kStart & 1) == 0) CountStall(took);
  }
  void Doing(uint32_t work) {
    if (work_.load(std::memory_order_relaxed) == work) return;
    Ran(work);
    work_.store(work, std::memory_order_relaxed);
  }
  // For what may turn out not to have run at all.
  void Trying(uint32_t work) { work_.store(work, std::memory_order_relaxed); }
  void Ran(uint32_t work) { ran_ |= uint64_t{1} << std::min(work, kOthers); }

  // From any thread.
  const Histogram& durations() const { return durations_; }  // ns
  // Turns that took at least `limit` are counted, from the next turn on. kNoLimit: none is.
  void SetLimit(Nanos limit) { limit_.store(limit, std::memory_order_relaxed); }
  uint64_t stalls() const { return stalls_.Read(); }
  std::optional<Record> LastStall() const { return last_stall_.Read(); }
  std::vector<Record> Longest() const;  // the longest first
  Running Now() const;
  int thread() const { return thread_.load(std::memory_order_relaxed); }  // gettid(2) of who turns; 0: nobody has yet

 private:
  static constexpr uint32_t kOthers = 63;  // listeners from there on share a bit
  static constexpr size_t kWhatWords = 6;
  static constexpr Nanos kNone = -1;  // Slot::took: it is free

  // One writer; any reader.
  class Slot {
   public:
    void Write(Nanos began, Nanos took, std::string_view what);
    void Clear() { Write(0, kNone, ""); }
    std::optional<Record> Read() const;
    Nanos began() const { return began_.load(std::memory_order_relaxed); }
    Nanos took() const { return took_.load(std::memory_order_relaxed); }

   private:
    std::atomic<uint64_t> number_{0};  // odd while it is written
    std::atomic<Nanos> began_{0};
    std::atomic<Nanos> took_{kNone};
    std::array<std::atomic<uint64_t>, kWhatWords> what_{};
  };

  bool working() const { return (state_.load(std::memory_order_relaxed) & 1) != 0; }
  void NextState() { state_.store(state_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
  void Remember(Nanos now, Nanos took);
  void CountStall(Nanos took);
  size_t WhatRan(char* text, size_t size) const;

  // Touched each turn.
  std::atomic<uint64_t> state_{0};  // odd: in a turn
  std::atomic<Nanos> began_{0};
  std::atomic<uint32_t> work_{kNothing};
  uint64_t ran_ = 0;                   // a bit for each Work
  Nanos shortest_ = kNone;             // of those that have a slot; kNone: one is free
  Nanos oldest_expires_ = INT64_MAX;
  std::atomic<Nanos> limit_{kNoLimit};
  std::atomic<int> thread_{0};

  std::string_view (*name_)(void* context, uint32_t listener) = nullptr;
  void* context_ = nullptr;
  std::array<Slot, kLongest> longest_;
  Slot last_stall_;
  Counter stalls_;
  Histogram durations_;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_TURN_TIMES_H_
