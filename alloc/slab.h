// SPDX-License-Identifier: Apache-2.0
// Slab: objects of one type in numbered slots, found again by handle or known to be gone.
//
// A handle is a slot number and a generation. It may be kept, sent to another shard or given to the kernel: when it
// comes back late, Find() says null, never another object. Generations come from one counter per slab instead of one
// per slot, so that a slot whose page went back to the kernel has nothing to remember.
//
// T has a public member `SlabHandle handle`. The slab sets it after construction (a constructor sees what it
// initialised itself) and T must not change it. While T's destructor runs Find() still answers the object.
//
// Threads:  one shard; not thread-safe.
// Owns:     the objects; those still live are destroyed with it, which checked builds call a leak (see LeaveLive).
// Limits:   Find() after 2^32 acquisitions, and FindLow() after 2^24, while one and the same handle was kept could take
//           a new object in the same slot for the old one.
#ifndef MOORING_ALLOC_SLAB_H_
#define MOORING_ALLOC_SLAB_H_

#include <cassert>
#include <concepts>
#include <cstdint>
#include <new>
#include <utility>

#include "alloc/accounting.h"
#include "alloc/checked.h"
#include "alloc/region.h"

namespace mooring::alloc {

struct SlabHandle {
  uint32_t slot = 0;
  uint32_t generation = 0;  // 0: none

  friend bool operator==(const SlabHandle&, const SlabHandle&) = default;
};

template <class T>
class Slab {
 public:
  static constexpr uint32_t kLowBits = 24;
  static constexpr uint32_t kLowMask = (uint32_t{1} << kLowBits) - 1;

  // `last_generation` is the one before the first that is given; only tests of the wrap-around need it.
  Slab(uint32_t slots_max, Purpose purpose, Accounting* accounting, uint32_t last_generation = 0)
      : regions_(sizeof(T), slots_max, purpose, accounting), last_generation_(last_generation) {
    static_assert(std::same_as<decltype(T::handle), SlabHandle>);
    static_assert(alignof(T) <= SlotRegions::kPageBytes);
  }
  ~Slab() {
    if constexpr (kChecked) {
      if (!leave_live_) ReportLeak(Name(regions_.purpose()), sizeof(T), live());
    }
    ForEach([this](T* object) { Release(object); });
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  // In the lowest free slot. Null when slots_max are live or the kernel has no memory. What T's constructor throws
  // passes through, and the slot is free again.
  template <class... A>
  T* Acquire(A&&... arguments) {
    uint32_t slot;
    void* memory = regions_.Acquire(&slot);
    if (memory == nullptr) return nullptr;
    SlotUntilConstructed guard{&regions_, slot};
    T* object = ::new (memory) T(std::forward<A>(arguments)...);
    guard.regions = nullptr;
    object->handle = {slot, NextGeneration()};
    return object;
  }

  // Destroys. REQUIRES: live, and from this slab.
  void Release(T* object) {
    regions_.CheckHeld(object, Name(regions_.purpose()));
    const uint32_t slot = regions_.SlotOf(object);
    assert(regions_.Live(slot));
    object->~T();
    regions_.Release(slot);
  }

  // Null when stale. Any numbers are safe.
  T* Find(SlabHandle handle) const {
    if (!regions_.Live(handle.slot)) return nullptr;
    T* object = At(handle.slot);
    return object->handle.generation == handle.generation ? object : nullptr;
  }

  // The same for io_uring's user_data, which has room for the low 24 bits of a generation.
  T* FindLow(uint32_t slot, uint32_t generation_low24) const {
    if (!regions_.Live(slot)) return nullptr;
    T* object = At(slot);
    return (object->handle.generation & kLowMask) == generation_low24 ? object : nullptr;
  }

  // REQUIRES: Live(slot).
  T* At(uint32_t slot) const {
    assert(regions_.Live(slot));
    return std::launder(static_cast<T*>(regions_.At(slot)));
  }

  // Whether there is an object at an address where one was: it, or a later one in its slot. REQUIRES: from this slab.
  bool LiveAt(const T* object) const { return regions_.Live(regions_.SlotOf(object)); }

  // Calls f(T*) for every live object by rising slot. `f` may release the one it was given or any other; objects
  // acquired meanwhile may be visited or not.
  template <class F>
  void ForEach(F f) {
    for (uint32_t slot = NextLive(0); slot < slots_max(); slot = NextLive(slot + 1)) f(At(slot));
  }

  // Any number is safe.
  bool Live(uint32_t slot) const { return regions_.Live(slot); }

  // The lowest live slot not below `from`, or slots_max(): for walks in several steps.
  uint32_t NextLive(uint32_t from) const { return regions_.NextLive(from); }

  // See SlotRegions::Trim.
  bool Trim(bool force = false) { return regions_.Trim(force); }

  // What is live when the slab goes is meant to be: no leak.
  void LeaveLive() { leave_live_ = true; }

  uint32_t live() const { return regions_.live(); }
  uint32_t slots_max() const { return regions_.slots_max(); }

 private:
  struct SlotUntilConstructed {
    SlotRegions* regions;
    uint32_t slot;
    ~SlotUntilConstructed() {
      if (regions != nullptr) regions->Release(slot);
    }
  };

  uint32_t NextGeneration() {
    if ((++last_generation_ & kLowMask) == 0) ++last_generation_;
    return last_generation_;
  }

  SlotRegions regions_;
  uint32_t last_generation_;
  bool leave_live_ = false;
};

}  // namespace mooring::alloc

#endif  // MOORING_ALLOC_SLAB_H_
