// SPDX-License-Identifier: Apache-2.0
// SlotRegions: untyped slots of one size in one address reservation that grows by region and shrinks by page.
//
// Taking always the lowest free slot keeps the live ones together at the bottom, so that pages higher up become empty
// and can go back to the kernel. That is why free slots are found in bitmaps outside the slot memory, and not in a list
// through it, which would touch the very pages that should go. Addresses never move and slot numbers are small, so both
// can be handed to the kernel.
//
//   bookkeeping (one mapping, touched as far as the slots are):   a bit per slot, set = live
//     groups full -> words full -> live bits | a counter per page
//   slots (one mapping):
//     |-- 64 KB, read-write --|-- 64 KB --|........ reserved, no access ........|
//
// A page that has been empty for a whole period between two Trim() calls is given back by MADV_DONTNEED; this aging
// keeps churn from giving back what it needs again at once.
//
// Threads:  one shard; not thread-safe.
// Owns:     both mappings. Destroying it with live slots is allowed; their memory is gone then.
// Limits:   bookkeeping is 1 bit a slot and 2 bytes a page: 0.15 % of 128-byte slots, 0.8 % of 16-byte ones.
//           No huge pages. Reserved address space costs no memory, but does count for RLIMIT_AS.
#ifndef MOORING_ALLOC_REGION_H_
#define MOORING_ALLOC_REGION_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "alloc/accounting.h"
#include "alloc/checked.h"

namespace mooring::alloc {

class SlotRegions {
 public:
  static constexpr uint32_t kRegionBytes = 64 * 1024;
  static constexpr uint32_t kPageBytes = 4096;

  // `slot_bytes` is rounded up to a multiple of 8. Slots are aligned to the largest power of two that divides it, up to
  // a page. REQUIRES: slot_bytes is 1 to 256 KB or a power of two, accounting is not null, and
  // slots_max * slot_bytes < 2^46.
  SlotRegions(uint32_t slot_bytes, uint32_t slots_max, Purpose purpose, Accounting* accounting);
  ~SlotRegions();
  SlotRegions(const SlotRegions&) = delete;
  SlotRegions& operator=(const SlotRegions&) = delete;

  // The lowest free slot, its memory uninitialised (it may hold old bytes); its number goes to `*slot`. Null when
  // slots_max are live or the kernel has no memory.
  void* Acquire(uint32_t* slot);

  // REQUIRES: Live(slot).
  void Release(uint32_t slot);

  // REQUIRES: slot < slots_max().
  void* At(uint32_t slot) const {
    assert(slot < slots_max_);
    return base_ + uint64_t{slot} * slot_bytes_;
  }

  // Checked builds end the process here, unless `address` is the start of a live slot; `pool` is what to call it.
  void CheckHeld(const void* address, std::string_view pool) const {
    if constexpr (kChecked) FindHeld(address, pool);
  }

  // REQUIRES: the address is inside a slot, at its start or further in.
  uint32_t SlotOf(const void* address) const;

  // Any number is safe; one out of range is not live.
  bool Live(uint32_t slot) const { return slot < slots_max_ && (live_bits_[slot / 64] >> (slot % 64) & 1) != 0; }

  // The lowest live slot that is not below `from`; slots_max() when there is none.
  uint32_t NextLive(uint32_t from) const;

  // Gives pages without a live slot back, if they were empty at the last Trim() too; with `force`, at once. True when
  // some empty page still waits for the next Trim().
  bool Trim(bool force = false);

  uint32_t live() const { return live_; }
  uint32_t slots_max() const { return slots_max_; }  // 0 when the address space could not be reserved
  uint32_t slot_bytes() const { return slot_bytes_; }
  uint64_t resident_bytes() const { return uint64_t{used_pages_} * kPageBytes; }  // what the accounting was told
  Purpose purpose() const { return purpose_; }

 private:
  void FindHeld(const void* address, std::string_view pool) const;
  bool Reserve();
  bool Grow(uint64_t end);
  uint32_t NextOpenWord(uint32_t word) const;

  // Immutable after construction.
  uint32_t slot_bytes_;
  uint32_t slots_max_;
  char* base_ = nullptr;
  uint64_t reserved_bytes_ = 0;
  uint64_t slots_per_byte_ = 0;  // 2^64 / slot_bytes_, rounded up: a division by multiplication
  void* bookkeeping_ = nullptr;
  uint64_t bookkeeping_bytes_ = 0;
  Purpose purpose_;
  Accounting* accounting_;

  // Touched by every Acquire and Release. In the bitmaps zero is the state of memory that was never touched.
  uint64_t* live_bits_ = nullptr;    // a bit per slot: live
  uint64_t* full_words_ = nullptr;   // a bit per word of live_bits_: all live
  uint64_t* full_groups_ = nullptr;  // a bit per word of full_words_: all full
  uint16_t* pages_ = nullptr;        // live slots that touch the page, and the flags in region.cc
  uint32_t lowest_word_ = 0;         // every word of live_bits_ below it is full
  uint32_t live_ = 0;
  uint64_t grown_bytes_ = 0;  // readable and writable up to here
  uint32_t used_pages_ = 0;
  uint32_t empty_pages_ = 0;  // of used_pages_, those without a live slot
};

}  // namespace mooring::alloc

#endif  // MOORING_ALLOC_REGION_H_
