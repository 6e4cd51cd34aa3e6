// SPDX-License-Identifier: Apache-2.0
// LeaseQueue: leases in order, in small chunks from the shard's frame pool, so that an empty queue is two pointers.
//
// Threads:  one shard, inside its turn.
// Owns:     its leases and chunks.
// Limits:   Push is false when there is no memory for a chunk; the lease stays with the caller.
#ifndef MOORING_NET_LEASE_QUEUE_H_
#define MOORING_NET_LEASE_QUEUE_H_

#include <sys/uio.h>

#include <cstdint>

#include "alloc/buffer_pool.h"
#include "alloc/frame_pool.h"

namespace mooring::net {

class LeaseQueue {
 public:
  LeaseQueue() = default;
  LeaseQueue(const LeaseQueue&) = delete;

  [[nodiscard]] bool Push(alloc::FramePool* pool, alloc::Lease&& lease);
  alloc::Lease Pop(alloc::FramePool* pool);  // REQUIRES: !empty()
  alloc::Lease& front() { return head_->leases[head_->begin]; }
  alloc::Lease& back() { return tail_->leases[tail_->end - 1]; }
  // Takes n bytes off the front, releasing what is used up. REQUIRES: n <= bytes().
  void Consume(alloc::FramePool* pool, uint64_t n);
  void Grown(uint32_t n) { bytes_ += n; }  // back() was lengthened by n bytes
  void Clear(alloc::FramePool* pool);

  // The first pieces, as many as fit into `pieces`; returns how many.
  unsigned Gather(iovec* pieces, unsigned count_max) const;

  // Calls f(Lease&) for each, front to back. f may replace a lease by another of the same size.
  template <class F>
  void ForEach(F&& f) {
    for (Chunk* chunk = head_; chunk != nullptr; chunk = chunk->next) {
      for (uint32_t i = chunk->begin; i < chunk->end; ++i) f(chunk->leases[i]);
    }
  }

  bool empty() const { return count_ == 0; }
  uint64_t bytes() const { return bytes_; }
  uint32_t count() const { return count_; }

 private:
  static constexpr uint32_t kLeases = 7;
  struct Chunk {  // 128 bytes
    Chunk* next;
    uint32_t begin;
    uint32_t end;
    alloc::Lease leases[kLeases];
  };

  Chunk* head_ = nullptr;
  Chunk* tail_ = nullptr;
  uint64_t bytes_ = 0;
  uint32_t count_ = 0;
};

}  // namespace mooring::net

#endif  // MOORING_NET_LEASE_QUEUE_H_
