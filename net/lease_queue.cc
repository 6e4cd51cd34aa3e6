// SPDX-License-Identifier: Apache-2.0
#include "net/lease_queue.h"

#include <new>
#include <utility>

namespace mooring::net {

bool LeaseQueue::Push(alloc::FramePool* pool, alloc::Lease&& lease) {
  if (tail_ == nullptr || tail_->end == kLeases) {
    void* memory = pool->Acquire(sizeof(Chunk));
    if (memory == nullptr) return false;
    Chunk* chunk = new (memory) Chunk();
    (tail_ == nullptr ? head_ : tail_->next) = chunk;
    tail_ = chunk;
  }
  bytes_ += lease.size();
  ++count_;
  tail_->leases[tail_->end++] = std::move(lease);
  return true;
}

alloc::Lease LeaseQueue::Pop(alloc::FramePool* pool) {
  Chunk* chunk = head_;
  alloc::Lease lease = std::move(chunk->leases[chunk->begin++]);
  bytes_ -= lease.size();
  --count_;
  if (chunk->begin == chunk->end) {
    head_ = chunk->next;
    if (head_ == nullptr) tail_ = nullptr;
    chunk->~Chunk();
    pool->Release(chunk, sizeof(Chunk));
  }
  return lease;
}

void LeaseQueue::Consume(alloc::FramePool* pool, uint64_t n) {
  while (n > 0) {
    alloc::Lease& first = front();
    if (first.size() > n) {
      first.RemovePrefix(static_cast<uint32_t>(n));
      bytes_ -= n;
      return;
    }
    n -= first.size();
    Pop(pool);
  }
}

void LeaseQueue::Clear(alloc::FramePool* pool) {
  while (!empty()) Pop(pool);
}

unsigned LeaseQueue::Gather(iovec* pieces, unsigned count_max) const {
  unsigned count = 0;
  for (Chunk* chunk = head_; chunk != nullptr; chunk = chunk->next) {
    for (uint32_t i = chunk->begin; i < chunk->end; ++i) {
      if (count == count_max) return count;
      pieces[count++] = {chunk->leases[i].data(), chunk->leases[i].size()};
    }
  }
  return count;
}

}  // namespace mooring::net
