// SPDX-License-Identifier: Apache-2.0
// ListenerCounters: what a shard's engine counts of each of its listeners.
//
// Threads:  the engine's shard writes; any reads, also while listeners come and go: what stood under a number before is
//           set to zero when the number is used again, and no memory goes before the table does.
#ifndef MOORING_NET_LISTENER_COUNTERS_H_
#define MOORING_NET_LISTENER_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/counters.h"
#include "net/connection_state.h"

namespace mooring::net {

// Of the connections that the listener has accepted, and, where it is a profile for Engine::Connect, those begun with it.
class ListenerCounters {
 public:
  uint64_t opened() const { return Value(opened_); }  // accepted or begun
  uint64_t live() const { return Value(live_); }
  uint64_t live_peak() const { return Value(live_peak_); }
  uint64_t in(ConnectionState state) const { return Value(in_state_[static_cast<size_t>(state)]); }  // of those live

  void Open() {
    opened_.Add(1);
    live_.Add(1);
    if (live_.Read() > live_peak_.Read()) live_peak_.Set(live_.Read());
    in_state_[static_cast<size_t>(ConnectionState::kConnecting)].Add(1);
  }
  void Move(ConnectionState from, ConnectionState to) {
    in_state_[static_cast<size_t>(from)].Add(-1);
    in_state_[static_cast<size_t>(to)].Add(1);
  }
  void Release(ConnectionState from) {
    live_.Add(-1);
    in_state_[static_cast<size_t>(from)].Add(-1);
  }
  void Clear() {
    for (core::Gauge* each : {&opened_, &live_, &live_peak_}) each->Set(0);
    for (core::Gauge& each : in_state_) each.Set(0);
  }

 private:
  static uint64_t Value(const core::Gauge& gauge) { return static_cast<uint64_t>(gauge.Read()); }

  core::Gauge opened_;
  core::Gauge live_;
  core::Gauge live_peak_;
  std::array<core::Gauge, static_cast<size_t>(ConnectionState::kCount)> in_state_;
};

class ListenerCountersTable {
 public:
  static constexpr size_t kListenersMax = 1024;

  ListenerCountersTable() = default;
  ListenerCountersTable(const ListenerCountersTable&) = delete;
  ~ListenerCountersTable() {
    for (std::atomic<ListenerCounters*>& each : of_) delete each.load(std::memory_order_relaxed);
  }

  // Null where the number was never used.
  const ListenerCounters* Find(size_t id) const {
    return id < kListenersMax ? of_[id].load(std::memory_order_acquire) : nullptr;
  }
  // At zero. REQUIRES: id < kListenersMax.
  ListenerCounters* Renew(size_t id) {
    ListenerCounters* counters = of_[id].load(std::memory_order_relaxed);
    if (counters != nullptr) {
      counters->Clear();
      return counters;
    }
    counters = new ListenerCounters();
    of_[id].store(counters, std::memory_order_release);
    return counters;
  }

 private:
  std::array<std::atomic<ListenerCounters*>, kListenersMax> of_ = {};
};

}  // namespace mooring::net

#endif  // MOORING_NET_LISTENER_COUNTERS_H_
