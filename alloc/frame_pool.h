// SPDX-License-Identifier: Apache-2.0
// FramePool: memory for coroutine frames, by size class, without a header per frame.
//
// A service has one frame per waiting connection, so a frame of 48 bytes must cost 48 bytes: operator delete of a
// promise is told the size, which makes a header needless. Classes go in 16-byte steps to 128 (where the services'
// frames are), then four to each doubling up to 4,096, which wastes a fifth at most. Larger frames come from malloc.
//
// Threads:  one shard; not thread-safe.
// Owns:     the frames' memory, not the coroutines in it: no frame may be used after the pool. Checked builds call those
//           still live then a leak (see LeaveLive).
// Limits:   frames_max frames of each class. A class reserves its address space at its first frame.
#ifndef MOORING_ALLOC_FRAME_POOL_H_
#define MOORING_ALLOC_FRAME_POOL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "alloc/accounting.h"
#include "alloc/region.h"

namespace mooring::alloc {

class FramePool {
 public:
  static constexpr size_t kClassBytesMax = 4096;
  static constexpr uint32_t kClasses = 28;

  explicit FramePool(Accounting* accounting, uint32_t frames_max = 1u << 22);
  ~FramePool();
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  // Aligned to 16. Null when the class is full or there is no memory.
  void* Acquire(size_t bytes) noexcept;

  // REQUIRES: the same bytes as at Acquire. Null is ignored.
  void Release(void* frame, size_t bytes) noexcept;

  // Of all classes; see SlotRegions::Trim.
  bool Trim(bool force = false);

  // What is live when the pool goes is meant to be: no leak.
  void LeaveLive() { leave_live_ = true; }

  uint64_t live() const { return live_; }

  // The class of a frame of 1 to kClassBytesMax bytes, and the largest frame of a class.
  static uint32_t ClassOf(size_t bytes);
  static uint32_t ClassBytes(uint32_t size_class);

 private:
  Accounting* accounting_;
  uint32_t frames_max_;
  uint64_t live_ = 0;
  uint64_t large_ = 0;  // of live_, those from malloc
  bool leave_live_ = false;
  std::array<std::optional<SlotRegions>, kClasses> classes_;
};

}  // namespace mooring::alloc

#endif  // MOORING_ALLOC_FRAME_POOL_H_
