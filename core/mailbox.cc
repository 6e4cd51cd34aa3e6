// SPDX-License-Identifier: Apache-2.0
#include "core/mailbox.h"

#include <cassert>
#include <utility>

namespace mooring::core {

Mailbox::Mailbox(uint32_t capacity) : mask_(capacity - 1), cells_(new Cell[capacity]) {
  assert(capacity >= 2);
  assert((capacity & mask_) == 0);
  for (uint32_t i = 0; i < capacity; ++i) cells_[i].sequence.store(i, std::memory_order_relaxed);
}

Mailbox::Pushed Mailbox::Push(Mail& mail) {
  uint64_t position = tail_.load(std::memory_order_relaxed);
  Cell* cell;
  for (;;) {
    cell = &cells_[position & mask_];
    const uint64_t sequence = cell->sequence.load(std::memory_order_acquire);
    const auto distance = static_cast<int64_t>(sequence - position);
    if (distance == 0) {
      if (tail_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) break;
    } else if (distance < 0) {
      return Pushed::kFull;
    } else {
      position = tail_.load(std::memory_order_relaxed);
    }
  }
  cell->mail = std::move(mail);
  cell->sequence.store(position + 1, std::memory_order_release);
  return Knock() ? Pushed::kMustWake : Pushed::kDelivered;
}

bool Mailbox::Knock() {
  // The exchange makes one sender, and no other, the one that wakes.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return sleeping_.load(std::memory_order_relaxed) && sleeping_.exchange(false, std::memory_order_seq_cst);
}

bool Mailbox::Pop(Mail* mail) {
  Cell& cell = cells_[head_ & mask_];
  if (cell.sequence.load(std::memory_order_acquire) != head_ + 1) return false;
  *mail = std::move(cell.mail);
  cell.mail = nullptr;
  cell.sequence.store(head_ + mask_ + 1, std::memory_order_release);
  ++head_;
  return true;
}

bool Mailbox::Empty() const {
  return cells_[head_ & mask_].sequence.load(std::memory_order_acquire) != head_ + 1;
}

bool Mailbox::PrepareSleep() {
  sleeping_.store(true, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (Empty()) return true;
  Awake();
  return false;
}

}  // namespace mooring::core
