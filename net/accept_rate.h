// SPDX-License-Identifier: Apache-2.0
// AcceptRate: how many connections a second may be accepted; one of the few things that shards share.
//
// A token bucket in one word: the time up to which all tokens are taken. It holds a tenth of a second's tokens, one at
// least, so that a listener which was quiet may take what came at once. A shard that finds none asks again when the next
// is due: nobody mails it, time is enough.
//
// Threads:  any.
// Ordering: none is promised but the count itself: Take is exact.
// Limits:   tokens are whole nanoseconds apart: above a million a second the rate is up to a thousandth lower.
#ifndef MOORING_NET_ACCEPT_RATE_H_
#define MOORING_NET_ACCEPT_RATE_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "core/clock.h"

namespace mooring::net {

class AcceptRate {
 public:
  static constexpr core::Nanos kBurst = core::kNanosPerSecond / 10;

  explicit AcceptRate(uint32_t per_second) { SetRate(per_second); }

  // 0: no bound. From now on.
  void SetRate(uint32_t per_second) {
    const core::Nanos apart = per_second == 0 ? 0 : (core::kNanosPerSecond + per_second - 1) / per_second;
    apart_.store(apart, std::memory_order_relaxed);
  }
  bool on() const { return apart() != 0; }

  bool Take(core::Nanos now) {
    const core::Nanos step = apart();
    const core::Nanos full = now - std::max(kBurst, step);  // nothing older counts: the bucket is full then
    core::Nanos taken = taken_.load(std::memory_order_relaxed);
    for (;;) {
      const core::Nanos next = std::max(taken, full) + step;
      if (next > now) return false;
      if (taken_.compare_exchange_weak(taken, next, std::memory_order_relaxed)) return true;
    }
  }
  // There was nobody to accept.
  void GiveBack() { taken_.fetch_sub(apart(), std::memory_order_relaxed); }

  // When a token is there, if nobody else takes it.
  core::Nanos Due() const { return taken_.load(std::memory_order_relaxed) + apart(); }

 private:
  core::Nanos apart() const { return apart_.load(std::memory_order_relaxed); }

  alignas(64) std::atomic<core::Nanos> taken_{INT64_MIN / 2};
  std::atomic<core::Nanos> apart_{0};  // two tokens; 0: there is no bound
};

}  // namespace mooring::net

#endif  // MOORING_NET_ACCEPT_RATE_H_
