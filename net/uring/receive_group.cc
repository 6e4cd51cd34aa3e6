// SPDX-License-Identifier: Apache-2.0
#include "net/uring/receive_group.h"

#include <liburing.h>
#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "alloc/poison.h"

namespace mooring::net::uring {
namespace {

constexpr size_t kRingBytes = ReceiveGroup::kEntries * sizeof(io_uring_buf);
constexpr size_t kPage = 4096;

}  // namespace

ReceiveGroup::ReceiveGroup(alloc::BufferPool* pool, alloc::Accounting* accounting)
    : pool_(pool), accounting_(accounting) {
  for (unsigned i = 0; i < kEntries; ++i) free_[free_count_++] = static_cast<uint16_t>(kEntries - 1 - i);
}

ReceiveGroup::~ReceiveGroup() {
  for (alloc::Block* block : blocks_) {
    if (block == nullptr) continue;
    alloc::Reclaim(block->data);
    pool_->Release(block);
  }
  if (ring_ == nullptr) return;
  munmap(ring_, kRingBytes);
  accounting_->Add(alloc::Purpose::kRings, -static_cast<int64_t>(kRingBytes));
}

absl::Status ReceiveGroup::Open(core::Ring* ring) {
  void* memory = mmap(nullptr, kRingBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) return absl::ResourceExhaustedError("no memory for the ring of receive buffers");
  ring_ = static_cast<io_uring_buf_ring*>(memory);
  accounting_->Add(alloc::Purpose::kRings, static_cast<int64_t>(kRingBytes));
  io_uring_buf_ring_init(ring_);

  io_uring_buf_reg registration = {};
  registration.ring_addr = reinterpret_cast<uint64_t>(ring_);
  registration.ring_entries = kEntries;
  registration.bgid = kGroupId;
  const int result = ring->Register(IORING_REGISTER_PBUF_RING, &registration, 1);
  if (result == -ENOMEM) {
    return absl::ResourceExhaustedError(
        "no memory for the ring of receive buffers: since Linux 6.14 it counts as locked memory; raise ulimit -l or "
        "LimitMEMLOCK=");
  }
  if (result < 0) {
    return absl::InternalError(absl::StrCat("the kernel refused the ring of receive buffers: ", strerror(-result)));
  }

  Publish(0);
  if (published_ < kLevelMin) return absl::ResourceExhaustedError("no memory for the first receive blocks");
  for (alloc::Block* block : blocks_) {
    if (block == nullptr) continue;
    alloc::Reclaim(block->data);
    for (uint32_t at = 0; at < block->capacity; at += kPage) static_cast<volatile char*>(block->data)[at] = 0;
    alloc::Lend(block->data, block->capacity);
  }
  return absl::OkStatus();
}

void ReceiveGroup::Publish(core::Nanos now) {
  if (starved_) {
    starved_ = false;
    last_starved_ = now;
    if (level_ < kEntries) {
      level_ *= 2;
      counters_.Add(GroupCount::kGrown);
    }
  } else if (level_ > kLevelMin && now - last_starved_ >= kQuiet) {
    level_ = kLevelMin;
    drop_pages_ = true;
    counters_.Add(GroupCount::kShrunk);
  }

  if (published_ >= level_) return;
  int added = 0;
  while (published_ < level_) {
    alloc::Block* block = pool_->AcquireReceive();
    if (block == nullptr) {
      counters_.Add(GroupCount::kPoolEmpty);
      break;
    }
    const uint16_t id = free_[--free_count_];
    blocks_[id] = block;
    order_[tail_ & kMask] = id;
    alloc::Lend(block->data, block->capacity);
    io_uring_buf_ring_add(ring_, block->data, block->capacity, id, kMask, added++);
    ++tail_;
    ++published_;
  }
  io_uring_buf_ring_advance(ring_, added);
  counters_.Add(GroupCount::kPublished, added);
}

alloc::Block* ReceiveGroup::Take(uint16_t id) {
  assert(id < kEntries);
  alloc::Block* block = std::exchange(blocks_[id], nullptr);
  assert(block != nullptr);
  alloc::Reclaim(block->data);
  // Two receives that overlap in the kernel may complete in another order than they took their buffers in; then the
  // entry that was expected trades places, so that the entries from head_ on are always those still published.
  if (order_[head_ & kMask] != id) {
    counters_.Add(GroupCount::kOutOfOrder);
    for (uint32_t at = head_ + 1; at != tail_; ++at) {
      if (order_[at & kMask] != id) continue;
      order_[at & kMask] = order_[head_ & kMask];
      break;
    }
  }
  ++head_;
  --published_;
  free_[free_count_++] = id;
  return block;
}

void ReceiveGroup::DropPages() {
  if (!drop_pages_) return;
  drop_pages_ = false;
  for (uint32_t at = head_ + kLevelMin; static_cast<int32_t>(tail_ - at) > 0; ++at) {
    const alloc::Block* block = blocks_[order_[at & kMask]];
    madvise(block->data, block->capacity, MADV_DONTNEED);
    counters_.Add(GroupCount::kPagesDropped);
  }
}

}  // namespace mooring::net::uring
