// SPDX-License-Identifier: Apache-2.0
// Mailbox: calls that other threads ask a shard to make.
//
// A bounded queue for many senders and one receiver (D. Vyukov's bounded queue: each cell carries a sequence number).
// Its memory is touched at construction, so a burst of mail faults nothing in later.
//
// Threads:  Push and Knock from any thread; Pop, PrepareSleep and Awake by the receiver.
// Ordering: Push releases the cell and Pop acquires it, so what the sender wrote before Push is seen by the call. Mail
//           of one sender arrives in its order. PrepareSleep and Push (and Knock) each have a seq_cst fence between their
//           store and their load: either the receiver sees the mail, or the sender sees the receiver asleep.
// Limits:   capacity() pieces of mail; Push returns false beyond that and keeps nothing.
#ifndef MOORING_CORE_MAILBOX_H_
#define MOORING_CORE_MAILBOX_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"

namespace mooring::core {

using Mail = absl::AnyInvocable<void()>;

class Mailbox {
 public:
  explicit Mailbox(uint32_t capacity);  // a power of two, 2 or more: with one cell, full looks like free

  enum class Pushed { kFull, kDelivered, kMustWake };
  // kMustWake: the receiver sleeps, and this caller, and no other, is to wake it. `mail` is moved from unless kFull.
  Pushed Push(Mail& mail);
  // For what the receiver finds elsewhere and looks for after PrepareSleep: true when it sleeps and this caller, and no
  // other, is to wake it. What was written before the call is seen then.
  bool Knock();

  bool Pop(Mail* mail);
  bool Empty() const;

  // The receiver is about to sleep; false when mail is there after all (and then it counts as awake).
  bool PrepareSleep();
  void Awake() { sleeping_.store(false, std::memory_order_relaxed); }

  uint32_t capacity() const { return mask_ + 1; }
  size_t memory_bytes() const { return sizeof(Cell) * capacity(); }

 private:
  struct alignas(64) Cell {
    std::atomic<uint64_t> sequence;
    Mail mail;
  };

  const uint32_t mask_;
  const std::unique_ptr<Cell[]> cells_;
  alignas(64) std::atomic<uint64_t> tail_{0};     // senders
  alignas(64) uint64_t head_ = 0;                 // the receiver
  alignas(64) std::atomic<bool> sleeping_{false};
};

}  // namespace mooring::core

#endif  // MOORING_CORE_MAILBOX_H_
