// SPDX-License-Identifier: Apache-2.0
#include "alloc/frame_pool.h"

#include <bit>
#include <cassert>
#include <cstdlib>

#include "alloc/checked.h"
#include "alloc/poison.h"

namespace mooring::alloc {
namespace {

constexpr size_t kStep = 16;
constexpr uint32_t kStepClasses = 8;         // 16, 32 .. 128
constexpr uint32_t kClassesPerDoubling = 4;  // 160, 192, 224, 256; 320 ..

constexpr uint32_t BytesOf(uint32_t size_class) {
  if (size_class < kStepClasses) return static_cast<uint32_t>((size_class + 1) * kStep);
  const uint32_t doubling = (size_class - kStepClasses) / kClassesPerDoubling;
  const uint32_t quarter = (size_class - kStepClasses) % kClassesPerDoubling + 1;
  return (128u << doubling) + quarter * (32u << doubling);
}
static_assert(BytesOf(kStepClasses - 1) == 128);
static_assert(BytesOf(kStepClasses) == 160);
static_assert(BytesOf(FramePool::kClasses - 1) == FramePool::kClassBytesMax);

}  // namespace

FramePool::FramePool(Accounting* accounting, uint32_t frames_max) : accounting_(accounting), frames_max_(frames_max) {
  assert(accounting != nullptr);
}

FramePool::~FramePool() {
  if constexpr (kChecked) {
    if (leave_live_) return;
    for (const std::optional<SlotRegions>& regions : classes_) {
      if (regions.has_value()) ReportLeak(Name(Purpose::kFrames), regions->slot_bytes(), regions->live());
    }
    ReportLeak("frames from the heap", 0, large_);
  }
}

uint32_t FramePool::ClassOf(size_t bytes) {
  assert(bytes > 0);
  assert(bytes <= kClassBytesMax);
  const size_t last = bytes - 1;
  if (last < kStepClasses * kStep) return static_cast<uint32_t>(last / kStep);
  const auto exponent = static_cast<uint32_t>(std::bit_width(last)) - 1;  // 7 for 129 to 256
  return kStepClasses + (exponent - 7) * kClassesPerDoubling + static_cast<uint32_t>(last >> (exponent - 2) & 3);
}

uint32_t FramePool::ClassBytes(uint32_t size_class) { return BytesOf(size_class); }

void* FramePool::Acquire(size_t bytes) noexcept {
  if (bytes == 0) bytes = 1;
  void* frame;
  if (bytes <= kClassBytesMax) {
    const uint32_t size_class = ClassOf(bytes);
    std::optional<SlotRegions>& regions = classes_[size_class];
    if (!regions.has_value()) regions.emplace(BytesOf(size_class), frames_max_, Purpose::kFrames, accounting_);
    uint32_t slot;
    frame = regions->Acquire(&slot);
    if (frame == nullptr) return nullptr;
    const size_t used = (bytes + 7) / 8 * 8;
    Poison(static_cast<char*>(frame) + used, regions->slot_bytes() - used);
  } else {
    frame = std::malloc(bytes);
    if (frame == nullptr) return nullptr;
    accounting_->Add(Purpose::kFrames, static_cast<int64_t>(bytes));
    ++large_;
  }
  ++live_;
  return frame;
}

void FramePool::Release(void* frame, size_t bytes) noexcept {
  if (frame == nullptr) return;
  if (bytes == 0) bytes = 1;
  if (bytes <= kClassBytesMax) {
    assert(classes_[ClassOf(bytes)].has_value());
    SlotRegions& regions = *classes_[ClassOf(bytes)];
    if constexpr (kChecked) regions.CheckHeld(frame, Name(Purpose::kFrames));
    const uint32_t slot = regions.SlotOf(frame);
    assert(regions.At(slot) == frame);
    regions.Release(slot);
  } else {
    std::free(frame);
    accounting_->Add(Purpose::kFrames, -static_cast<int64_t>(bytes));
    --large_;
  }
  --live_;
}

bool FramePool::Trim(bool force) {
  bool waiting = false;
  for (std::optional<SlotRegions>& regions : classes_) {
    if (regions.has_value() && regions->Trim(force)) waiting = true;
  }
  return waiting;
}

}  // namespace mooring::alloc
