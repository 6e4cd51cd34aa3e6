// SPDX-License-Identifier: Apache-2.0
// Credit: how many more connections the process may hold; one of the few things that shards share.
//
// A shard far from the cap adds up what it took and gave and settles once a turn; near it, each accept takes one first.
// A shard that finds none sets its bit; whoever gives credit back learns which shards wait and mails them.
//
// Threads:  any.
// Ordering: none is promised but the count itself: Take is exact, so the cap is.
#ifndef MOORING_NET_CREDIT_H_
#define MOORING_NET_CREDIT_H_

#include <array>
#include <atomic>
#include <cstdint>

namespace mooring::net {

class Credit {
 public:
  static constexpr uint32_t kShardsMax = 1024;
  explicit Credit(int64_t connections_max) : left_(connections_max) {}

  // Takes one, or sets the shard's bit and says false.
  bool Take(uint32_t shard) {
    if (TryTake()) return true;
    waiting_[shard / 64].fetch_or(uint64_t{1} << (shard % 64), std::memory_order_seq_cst);
    any_waiting_.store(true, std::memory_order_seq_cst);
    return TryTake();  // some may have come back in between
  }
  // What was accepted without asking, while far from the cap.
  void TakeUnasked(int64_t n) { left_.fetch_sub(n, std::memory_order_seq_cst); }
  void Give(int64_t n) { left_.fetch_add(n, std::memory_order_seq_cst); }

  int64_t left() const { return left_.load(std::memory_order_relaxed); }
  bool AnyWaiting() const { return any_waiting_.load(std::memory_order_seq_cst); }
  // Calls f(shard) for each shard whose bit was set, and clears the bits.
  template <class F>
  void TakeWaiting(F&& f) {
    any_waiting_.store(false, std::memory_order_seq_cst);
    for (uint32_t word = 0; word < waiting_.size(); ++word) {
      for (uint64_t bits = waiting_[word].exchange(0, std::memory_order_seq_cst); bits != 0; bits &= bits - 1) {
        f(word * 64 + static_cast<uint32_t>(__builtin_ctzll(bits)));
      }
    }
  }

 private:
  bool TryTake() {
    int64_t left = left_.load(std::memory_order_seq_cst);
    while (left > 0) {
      if (left_.compare_exchange_weak(left, left - 1, std::memory_order_seq_cst)) return true;
    }
    return false;
  }

  alignas(64) std::atomic<int64_t> left_;
  alignas(64) std::atomic<bool> any_waiting_{false};
  std::array<std::atomic<uint64_t>, kShardsMax / 64> waiting_ = {};
};

}  // namespace mooring::net

#endif  // MOORING_NET_CREDIT_H_
