// SPDX-License-Identifier: Apache-2.0
#include "core/turn_times.h"

#include <cstring>
#include <utility>

namespace mooring::core {

// Every field is stored with release after the odd number: who reads one of them with acquire sees the odd number, or a
// later one, too, and takes the copy again.
void TurnTimes::Slot::Write(Nanos began, Nanos took, std::string_view what) {
  const uint64_t number = number_.load(std::memory_order_relaxed);
  number_.store(number + 1, std::memory_order_relaxed);
  began_.store(began, std::memory_order_release);
  took_.store(took, std::memory_order_release);
  char text[kWhatWords * 8] = {};
  std::memcpy(text, what.data(), std::min(what.size(), sizeof(text)));
  for (size_t i = 0; i < kWhatWords; ++i) {
    uint64_t word;
    std::memcpy(&word, text + i * 8, 8);
    what_[i].store(word, std::memory_order_release);
  }
  number_.store(number + 2, std::memory_order_release);
}

std::optional<TurnTimes::Record> TurnTimes::Slot::Read() const {
  constexpr int kTries = 1000;  // the writer may have been interrupted in between: this record is then left out
  for (int i = 0; i < kTries; ++i) {
    const uint64_t number = number_.load(std::memory_order_acquire);
    const Nanos began = began_.load(std::memory_order_acquire);
    const Nanos took = took_.load(std::memory_order_acquire);
    char text[kWhatWords * 8];
    for (size_t word = 0; word < kWhatWords; ++word) {
      const uint64_t bytes = what_[word].load(std::memory_order_acquire);
      std::memcpy(text + word * 8, &bytes, 8);
    }
    if (number % 2 != 0 || number_.load(std::memory_order_relaxed) != number) continue;
    if (took == kNone) return std::nullopt;
    return Record{.began = began, .took = took, .what = std::string(text, strnlen(text, sizeof(text)))};
  }
  return std::nullopt;
}

// "echo, mail": services first.
size_t TurnTimes::WhatRan(char* text, size_t size) const {
  size_t used = 0;
  const auto add = [&](std::string_view name) {
    const size_t gap = used == 0 ? 0 : 2;
    if (name.empty() || used + gap + name.size() > size) return;
    std::memcpy(text + used, ", ", gap);
    std::memcpy(text + used + gap, name.data(), name.size());
    used += gap + name.size();
  };
  for (uint32_t bit = kService; bit < kOthers; ++bit) {
    if ((ran_ >> bit & 1) != 0 && name_ != nullptr) add(name_(context_, bit - kService));
  }
  if ((ran_ >> kOthers & 1) != 0) add("other services");
  for (const Work work : {kMail, kAnswers, kTimers, kTasks, kStart}) {
    if ((ran_ >> work & 1) != 0) add(Name(work));
  }
  return used;
}

void TurnTimes::Remember(Nanos now, Nanos took) {
  Slot* place = &longest_[0];
  for (Slot& slot : longest_) {
    if (slot.took() != kNone && now - slot.began() >= kRememberedFor) slot.Clear();
    if (slot.took() < place->took()) place = &slot;
  }
  if (took > place->took()) {
    char what[kWhatWords * 8];
    place->Write(now - took, took, {what, WhatRan(what, sizeof(what))});
  }
  shortest_ = oldest_expires_ = INT64_MAX;
  for (const Slot& slot : longest_) {
    shortest_ = std::min(shortest_, slot.took());
    if (slot.took() != kNone) oldest_expires_ = std::min(oldest_expires_, slot.began() + kRememberedFor);
  }
}

void TurnTimes::CountStall(Nanos took) {
  char what[kWhatWords * 8];
  last_stall_.Write(began_.load(std::memory_order_relaxed), took, {what, WhatRan(what, sizeof(what))});
  stalls_.Add();
}

std::vector<TurnTimes::Record> TurnTimes::Longest() const {
  std::vector<Record> records;
  for (const Slot& slot : longest_) {
    if (std::optional<Record> record = slot.Read()) records.push_back(*std::move(record));
  }
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) { return a.took > b.took; });
  return records;
}

// Of one moment as far as the number is the same before and after; else of a turn that is over anyway.
TurnTimes::Running TurnTimes::Now() const {
  Running running;
  running.turn = state_.load(std::memory_order_acquire);
  running.working = running.turn % 2 == 1;
  running.began = began_.load(std::memory_order_relaxed);
  running.work = work_.load(std::memory_order_relaxed);
  return running;
}

}  // namespace mooring::core
