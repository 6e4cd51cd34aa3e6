// SPDX-License-Identifier: Apache-2.0
#include "alloc/buffer_pool.h"

#include <bit>
#include <cstdlib>
#include <new>

namespace mooring::alloc {
namespace {

// Bounds of the address space that is reserved, not of memory: 16 GB for the largest classes.
constexpr std::array<uint32_t, BufferPool::kSlotClasses> kSlotsMax = {1u << 22, 1u << 22, 1u << 22, 1u << 20};
constexpr uint32_t kBlocksMax = 1u << 24;  // all classes full, and 3 million from the heap

constexpr uint32_t kSlotClassBytesMax = BufferPool::kSlotClassBytes.back();
constexpr int kFirstHeapBits = 15;  // 32,768

// 256 is class 0, then a class per factor of four.
uint8_t SlotClassOf(uint32_t bytes) {
  if (bytes <= 256) return 0;
  return static_cast<uint8_t>((std::bit_width(bytes - 1) - 7) / 2);
}

}  // namespace

BufferPool::BufferPool(Accounting* accounting, uint32_t receive_blocks_max)
    : accounting_(accounting),
      descriptors_(sizeof(Block), receive_blocks_max + kBlocksMax, Purpose::kBlocks, accounting),
      receive_(kReceiveBlockBytes, receive_blocks_max, Purpose::kReceiveBlocks, accounting) {}

BufferPool::~BufferPool() {
  if constexpr (kChecked) {
    if (!leave_live_) ReportLeaks();
  }
  // What came from the heap does not go with the slots.
  for (uint32_t slot = descriptors_.NextLive(0); slot < descriptors_.slots_max(); slot = descriptors_.NextLive(slot + 1)) {
    const auto* block = static_cast<const Block*>(descriptors_.At(slot));
    if (block->shared != nullptr) {
      SharedBytes::Drop(block->shared);
      continue;
    }
    if (block->size_class < kSlotClasses) continue;
    accounting_->Add(Purpose::kBlocks, -static_cast<int64_t>(block->capacity));
    std::free(block->data);
  }
}

void BufferPool::ReportLeaks() const {
  ReportLeak(Name(Purpose::kReceiveBlocks), kReceiveBlockBytes, receive_.live());
  uint64_t large = blocks_live_;
  for (const std::optional<SlotRegions>& regions : classes_) {
    if (!regions.has_value()) continue;
    ReportLeak(Name(Purpose::kBlocks), regions->slot_bytes(), regions->live());
    large -= regions->live();
  }
  ReportLeak("blocks from the heap", 0, large);
  ReportLeak("blocks of shared bytes", 0, shared_live_);
}

Block* BufferPool::Describe(char* data, uint32_t capacity, uint8_t size_class, bool receive) {
  uint32_t slot;
  void* memory = descriptors_.Acquire(&slot);
  if (memory == nullptr) return nullptr;
  return ::new (memory) Block{.data = data,
                              .capacity = capacity,
                              .refs = 1,
                              .charge = kNoCharge,
                              .size_class = size_class,
                              .receive = receive,
                              .shared = nullptr,
                              .pool = this};
}

Block* BufferPool::AcquireReceive() {
  uint32_t slot;
  void* data = receive_.Acquire(&slot);
  if (data == nullptr) return nullptr;
  Block* block = Describe(static_cast<char*>(data), kReceiveBlockBytes, SlotClassOf(kReceiveBlockBytes), true);
  if (block == nullptr) receive_.Release(slot);
  return block;
}

Block* BufferPool::Acquire(uint32_t bytes_min) {
  Block* block;
  if (bytes_min <= kSlotClassBytesMax) {
    const uint8_t size_class = SlotClassOf(bytes_min);
    if (!Fits(kSlotClassBytes[size_class])) return nullptr;
    std::optional<SlotRegions>& regions = classes_[size_class];
    if (!regions.has_value()) {
      regions.emplace(kSlotClassBytes[size_class], kSlotsMax[size_class], Purpose::kBlocks, accounting_);
    }
    uint32_t slot;
    void* data = regions->Acquire(&slot);
    if (data == nullptr) return nullptr;
    block = Describe(static_cast<char*>(data), kSlotClassBytes[size_class], size_class, false);
    if (block == nullptr) regions->Release(slot);
  } else {
    if (bytes_min > kBlockBytesMax) return nullptr;
    const uint32_t capacity = std::bit_ceil(bytes_min);
    if (!Fits(capacity)) return nullptr;
    void* data = std::malloc(capacity);
    if (data == nullptr) return nullptr;
    const auto size_class = static_cast<uint8_t>(kSlotClasses + std::countr_zero(capacity) - kFirstHeapBits);
    block = Describe(static_cast<char*>(data), capacity, size_class, false);
    if (block == nullptr) {
      std::free(data);
    } else {
      accounting_->Add(Purpose::kBlocks, capacity);
    }
  }
  if (block != nullptr) {
    ++blocks_live_;
    block_bytes_.store(block_bytes() + block->capacity, std::memory_order_relaxed);
  }
  return block;
}

Lease BufferPool::Share(const SharedBytes& bytes) {
  assert(bytes);
  for (Block* block : remembered_) {
    if (block == nullptr || block->shared != bytes.body_) continue;
    ++block->refs;
    return Lease(block, 0, block->capacity);
  }
  // Only ever read from: a lease's bytes are given to the kernel to send, and to no one to write.
  Block* block = Describe(const_cast<char*>(bytes.body_->data), bytes.size(), /*size_class=*/0, /*receive=*/false);
  if (block == nullptr) return Lease();
  block->shared = bytes.Keep();
  ++shared_live_;
  remembered_[forget_next_] = block;
  forget_next_ = (forget_next_ + 1) % kSharedRemembered;
  return Lease(block, 0, block->capacity);
}

void BufferPool::Return(Block* block) {
  assert(block->refs == 0);
  const uint32_t descriptor = descriptors_.SlotOf(block);
  assert(descriptors_.Live(descriptor));
  if (block->charge != kNoCharge && hook_ != nullptr) hook_(hook_context_, block->charge);
  if (block->shared != nullptr) {
    for (Block*& remembered : remembered_) {
      if (remembered == block) remembered = nullptr;
    }
    SharedBytes::Drop(block->shared);
    --shared_live_;
  } else if (block->receive) {
    receive_.Release(receive_.SlotOf(block->data));
  } else {
    if (block->size_class < kSlotClasses) {
      SlotRegions& regions = *classes_[block->size_class];
      regions.Release(regions.SlotOf(block->data));
    } else {
      accounting_->Add(Purpose::kBlocks, -static_cast<int64_t>(block->capacity));
      std::free(block->data);
    }
    --blocks_live_;
    block_bytes_.store(block_bytes() - block->capacity, std::memory_order_relaxed);
  }
  descriptors_.Release(descriptor);
}

bool BufferPool::Trim(bool force) {
  bool waiting = descriptors_.Trim(force);
  if (receive_.Trim(force)) waiting = true;
  for (std::optional<SlotRegions>& regions : classes_) {
    if (regions.has_value() && regions->Trim(force)) waiting = true;
  }
  return waiting;
}

}  // namespace mooring::alloc
