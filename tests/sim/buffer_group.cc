// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/buffer_group.h"

#include <iterator>

namespace mooring::sim {

void BufferGroup::Look() {
  const uint16_t tail = __atomic_load_n(&ring_->tail, __ATOMIC_ACQUIRE);
  if (static_cast<uint16_t>(tail - head_) > mask_ + 1) {
    choices_->Fail("%u blocks are published in a buffer ring of %u", static_cast<uint16_t>(tail - head_), mask_ + 1);
  }
  for (; seen_ != tail; ++seen_) {
    const io_uring_buf& block = ring_->bufs[seen_ & mask_];
    if (block.len == 0) choices_->Fail("block %u is published with no bytes", block.bid);
    const auto next = published_.lower_bound(block.addr);
    const bool overlaps_next = next != published_.end() && block.addr + block.len > next->first;
    const bool overlaps_last =
        next != published_.begin() && std::prev(next)->first + std::prev(next)->second > block.addr;
    if (overlaps_next || overlaps_last) {
      choices_->Fail("block %u at %#llx is published while it, or one that it overlaps, already is", block.bid,
                     static_cast<unsigned long long>(block.addr));
    }
    published_.emplace(block.addr, block.len);
  }
}

bool BufferGroup::Peek(io_uring_buf* next) {
  Look();
  if (head_ == seen_) return false;
  *next = ring_->bufs[head_ & mask_];
  return true;
}

void BufferGroup::Take() {
  published_.erase(ring_->bufs[head_ & mask_].addr);
  ++head_;
}

}  // namespace mooring::sim
