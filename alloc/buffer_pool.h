// SPDX-License-Identifier: Apache-2.0
// BufferPool: blocks of bytes with a count of their holders, and Lease, the move-only hold on a part of one.
//
// Bytes are received into blocks, handed on as leases without a copy, and sent from where they are; the block goes back
// by itself with its last lease. The descriptor of a block lives apart from its bytes, so that an idle block's pages
// hold nothing that keeps them resident.
//
// A block may also describe memory that is not the pool's: the body of a SharedBytes, which nobody writes to.
//
// Threads:  one shard, leases included; not thread-safe.
// Owns:     blocks and descriptors, and a hold on each body that it describes. Every lease must be gone before its pool; checked builds call one that is not a leak
//           (see LeaveLive).
// Limits:   receive_blocks_max receive blocks. Other blocks by class: 4 million of 256, 1,024 and 4,096 bytes, and one
//           million of 16,384; larger ones (powers of two, up to 2 GB) come from the heap. A class reserves its address
//           space at its first block. At most 2^32 - 1 holders of a block. Descriptors: receive_blocks_max and 16
//           million.
#ifndef MOORING_ALLOC_BUFFER_POOL_H_
#define MOORING_ALLOC_BUFFER_POOL_H_

#include <array>
#include <atomic>
#include <cassert>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "alloc/accounting.h"
#include "alloc/checked.h"
#include "alloc/region.h"
#include "alloc/shared_bytes.h"

namespace mooring::alloc {

class BufferPool;

struct Block {
  char* data;
  uint32_t capacity;
  uint32_t refs;
  uint64_t charge;     // who is told when it goes back: BufferPool::kNoCharge, or a number of the user
  uint8_t size_class;  // 0 to 3: 256 to 16,384 bytes in slots; from 4 on: 32,768 and doubling, from the heap
  bool receive;
  SharedBytes::Body* shared;  // whose bytes `data` names, as many as capacity says; null: the pool's own
  BufferPool* pool;

  // Whether the only holder may write behind its lease.
  bool Appendable() const { return !receive && shared == nullptr && refs == 1; }
};

class Lease {
 public:
  Lease() = default;
  // Adopts one reference. REQUIRES: the part is inside the block.
  Lease(Block* block, uint32_t offset, uint32_t size) : block_(block), offset_(offset), size_(size) {
    assert(block != nullptr);
    assert(uint64_t{offset} + size <= block->capacity);
  }
  Lease(Lease&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        offset_(std::exchange(other.offset_, 0)),
        size_(std::exchange(other.size_, 0)) {}
  Lease& operator=(Lease&& other) noexcept {
    Lease taken(std::move(other));  // first, so that moving to itself keeps what it has
    std::swap(block_, taken.block_);
    std::swap(offset_, taken.offset_);
    std::swap(size_, taken.size_);
    return *this;
  }
  ~Lease() { Unref(); }

  // Null when there is no block. What is shared must not be written to.
  char* data() { return block_ == nullptr ? nullptr : block_->data + offset_; }
  const char* data() const { return block_ == nullptr ? nullptr : block_->data + offset_; }
  uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {data(), size_}; }
  explicit operator bool() const { return block_ != nullptr; }  // has a block, be it with no byte

  // Another lease on `size` bytes from `offset` on, which counts from this lease's first byte.
  // REQUIRES: has a block, and offset + size <= size().
  Lease Share(uint32_t offset, uint32_t size) const;

  // The first n bytes as a lease; this one keeps the rest. Taking all moves the hold, taking none gives an empty lease:
  // neither counts. REQUIRES: n <= size().
  Lease TakeFront(uint32_t n);

  // REQUIRES: n <= size(). The block is held on to, even with no byte left.
  void RemovePrefix(uint32_t n) {
    assert(n <= size_);
    offset_ += n;
    size_ -= n;
  }
  void Truncate(uint32_t n) {
    assert(n <= size_);
    size_ = n;
  }

  // Takes in the n bytes behind it, which the holder has just written. REQUIRES: they are inside the block.
  void Extend(uint32_t n) {
    assert(uint64_t{offset_} + size_ + n <= block_->capacity);
    size_ += n;
  }

  // Lets go of the block and is empty.
  void Reset() {
    Unref();
    block_ = nullptr;
    offset_ = 0;
    size_ = 0;
  }

  // Gives the reference to the caller without releasing it, and is empty. Null when there is no block.
  Block* Detach() {
    offset_ = 0;
    size_ = 0;
    return std::exchange(block_, nullptr);
  }

  Block* block() const { return block_; }
  uint32_t offset() const { return offset_; }  // in the block

 private:
  inline void Unref();

  Block* block_ = nullptr;
  uint32_t offset_ = 0;
  uint32_t size_ = 0;
};
static_assert(sizeof(Lease) == 16);

class BufferPool {
 public:
  static constexpr uint32_t kReceiveBlockBytes = 16384;
  static constexpr uint64_t kNoCharge = ~uint64_t{0};
  static constexpr uint32_t kSlotClasses = 4;
  static constexpr std::array<uint32_t, kSlotClasses> kSlotClassBytes = {256, 1024, 4096, 16384};
  static constexpr uint32_t kBlockBytesMax = 1u << 31;
  static constexpr uint32_t kSharedRemembered = 4;

  explicit BufferPool(Accounting* accounting, uint32_t receive_blocks_max = 8192);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // Both give a block with one reference and kNoCharge, bytes uninitialised; null when none is left or there is no
  // memory. A receive block has kReceiveBlockBytes and is page aligned; the other one has at least `bytes_min`, and is
  // of the smallest class that does.
  Block* AcquireReceive();
  Block* Acquire(uint32_t bytes_min);

  // A lease on all of `bytes`, none of them copied. Leases on one body share a block as long as one of them lives and
  // the body is among the last kSharedRemembered that were asked for: sending it to any number of connections costs one
  // descriptor and one hold. No block when there is no memory for a descriptor. REQUIRES: bytes has a body.
  Lease Share(const SharedBytes& bytes);

  // Gives up one reference; the block goes back with the last. If it is charged then, the hook is called first.
  void Release(Block* block) {
    descriptors_.CheckHeld(block, "block descriptors");
    assert(block->pool == this);
    assert(block->refs > 0);
    if (--block->refs == 0) Return(block);
  }

  // The hook must not hold on to any block or acquire one. Null: none.
  void SetReturnHook(void (*hook)(void* context, uint64_t charge), void* context) {
    hook_ = hook;
    hook_context_ = context;
  }

  // Of all classes and the descriptors; see SlotRegions::Trim.
  bool Trim(bool force = false);

  // What is live when the pool goes is meant to be: no leak.
  void LeaveLive() { leave_live_ = true; }

  uint32_t receive_live() const { return receive_.live(); }
  uint32_t receive_blocks_max() const { return receive_.slots_max(); }
  uint64_t blocks_live() const { return blocks_live_; }  // without the receive blocks and the shared ones
  uint64_t block_bytes() const { return block_bytes_.load(std::memory_order_relaxed); }  // of those; from any thread
  // Acquire finds no memory where block_bytes() would be more.
  void SetBlockBytesMax(uint64_t bytes) { block_bytes_max_ = bytes; }
  uint64_t over_bound() const { return over_bound_; }    // blocks that there was none of for that reason
  uint64_t shared_live() const { return shared_live_; }  // blocks that describe a body

 private:
  friend class Lease;

  void ReportLeaks() const;
  bool Fits(uint32_t capacity) {
    if (block_bytes() + capacity <= block_bytes_max_) [[likely]] return true;
    ++over_bound_;
    return false;
  }
  Block* Describe(char* data, uint32_t capacity, uint8_t size_class, bool receive);
  void Return(Block* block);  // its last reference is gone

  Accounting* accounting_;
  void (*hook_)(void*, uint64_t) = nullptr;
  void* hook_context_ = nullptr;
  uint64_t blocks_live_ = 0;
  std::atomic<uint64_t> block_bytes_{0};  // one writer
  uint64_t block_bytes_max_ = UINT64_MAX;
  uint64_t over_bound_ = 0;
  uint64_t shared_live_ = 0;
  std::array<Block*, kSharedRemembered> remembered_{};  // blocks of bodies, no hold on them; null: none
  uint32_t forget_next_ = 0;                            // of remembered_
  bool leave_live_ = false;
  SlotRegions descriptors_;
  SlotRegions receive_;
  std::array<std::optional<SlotRegions>, kSlotClasses> classes_;
};

inline void Lease::Unref() {
  if (block_ == nullptr) return;
  if constexpr (kChecked) return block_->pool->Release(block_);
  assert(block_->refs > 0);
  if (--block_->refs == 0) block_->pool->Return(block_);
}

inline Lease Lease::Share(uint32_t offset, uint32_t size) const {
  assert(block_ != nullptr);
  assert(uint64_t{offset} + size <= size_);
  ++block_->refs;
  return Lease(block_, offset_ + offset, size);
}

inline Lease Lease::TakeFront(uint32_t n) {
  assert(n <= size_);
  if (n == 0) return Lease();
  if (n == size_) return std::move(*this);
  Lease front = Share(0, n);
  RemovePrefix(n);
  return front;
}

}  // namespace mooring::alloc

#endif  // MOORING_ALLOC_BUFFER_POOL_H_
