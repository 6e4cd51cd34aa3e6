// SPDX-License-Identifier: Apache-2.0
#include "alloc/region.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

#include "alloc/poison.h"

namespace mooring::alloc {
namespace {

constexpr uint64_t kFull = ~uint64_t{0};

// A page's entry: the live slots that touch it (at most 513), and two flags.
constexpr uint16_t kUsed = 0x8000;   // accounted; may be resident
constexpr uint16_t kAging = 0x4000;  // was empty at the last Trim()
constexpr uint16_t kCount = 0x3fff;

// Slots of whole pages share none: such a slot's first page has the entry for all of them.
uint64_t PagesOfEntry(uint64_t slot_bytes) {
  return slot_bytes % SlotRegions::kPageBytes == 0 ? slot_bytes / SlotRegions::kPageBytes : 1;
}

uint64_t RoundUp(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

char* Map(uint64_t bytes, int protection) {
  void* memory = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  // A huge page would make the first touch cost 2 MB. Fails only where the kernel has no huge pages.
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  return static_cast<char*>(memory);
}

}  // namespace

SlotRegions::SlotRegions(uint32_t slot_bytes, uint32_t slots_max, Purpose purpose, Accounting* accounting)
    : slot_bytes_(static_cast<uint32_t>(RoundUp(slot_bytes, 8))),
      slots_max_(slots_max),
      purpose_(purpose),
      accounting_(accounting) {
  assert(slot_bytes > 0);
  assert(accounting != nullptr);
  assert(uint64_t{slots_max_} * slot_bytes_ < uint64_t{1} << 46);
  assert(std::has_single_bit(slot_bytes_) || slot_bytes_ < 1u << 18);  // keeps SlotOf() exact
  if (!Reserve()) slots_max_ = 0;
}

SlotRegions::~SlotRegions() {
  accounting_->Add(purpose_, -static_cast<int64_t>(resident_bytes()));
  if (base_ != nullptr) {
    Unpoison(base_, grown_bytes_);
    munmap(base_, reserved_bytes_);
  }
  if (bookkeeping_ != nullptr) munmap(bookkeeping_, bookkeeping_bytes_);
}

bool SlotRegions::Reserve() {
  if (slots_max_ == 0) return false;
  // One more entry on each level than is needed, so that a search always ends on an open one.
  const uint64_t words = slots_max_ / 64 + 1;
  const uint64_t groups = words / 64 + 1;
  const uint64_t tops = groups / 64 + 1;
  reserved_bytes_ = RoundUp(uint64_t{slots_max_} * slot_bytes_, kRegionBytes);
  slots_per_byte_ = kFull / slot_bytes_ + 1;
  bookkeeping_bytes_ =
      RoundUp((tops + groups + words) * sizeof(uint64_t) + reserved_bytes_ / kPageBytes * sizeof(uint16_t), kPageBytes);

  char* bookkeeping = Map(bookkeeping_bytes_, PROT_READ | PROT_WRITE);
  if (bookkeeping == nullptr) return false;
  bookkeeping_ = bookkeeping;
  full_groups_ = reinterpret_cast<uint64_t*>(bookkeeping);
  full_words_ = full_groups_ + tops;
  live_bits_ = full_words_ + groups;
  pages_ = reinterpret_cast<uint16_t*>(live_bits_ + words);

  base_ = Map(reserved_bytes_, PROT_NONE);
  return base_ != nullptr;
}

bool SlotRegions::Grow(uint64_t end) {
  const uint64_t grown = RoundUp(end, kRegionBytes);
  // Fails with ENOMEM under RLIMIT_DATA or strict overcommit. The new part joins the mapping before it, so the number
  // of mappings stays at two.
  if (mprotect(base_ + grown_bytes_, grown - grown_bytes_, PROT_READ | PROT_WRITE) != 0) return false;
  Poison(base_ + grown_bytes_, grown - grown_bytes_);
  grown_bytes_ = grown;
  return true;
}

uint32_t SlotRegions::NextOpenWord(uint32_t word) const {
  uint32_t group = word / 64;
  const uint64_t open = ~full_words_[group] & (kFull << (word % 64));
  if (open != 0) return group * 64 + static_cast<uint32_t>(std::countr_zero(open));
  ++group;
  uint32_t top = group / 64;
  uint64_t open_groups = ~full_groups_[top] & (kFull << (group % 64));
  while (open_groups == 0) open_groups = ~full_groups_[++top];
  group = top * 64 + static_cast<uint32_t>(std::countr_zero(open_groups));
  return group * 64 + static_cast<uint32_t>(std::countr_one(full_words_[group]));
}

void* SlotRegions::Acquire(uint32_t* slot) {
  if (live_ == slots_max_) return nullptr;
  if (live_bits_[lowest_word_] == kFull) lowest_word_ = NextOpenWord(lowest_word_);
  const uint32_t word = lowest_word_;
  const uint32_t number = word * 64 + static_cast<uint32_t>(std::countr_one(live_bits_[word]));
  const uint64_t begin = uint64_t{number} * slot_bytes_;
  const uint64_t end = begin + slot_bytes_;
  if (end > grown_bytes_ && !Grow(end)) return nullptr;

  live_bits_[word] |= uint64_t{1} << (number % 64);
  if (live_bits_[word] == kFull) {
    uint64_t& group = full_words_[word / 64];
    group |= uint64_t{1} << (word % 64);
    if (group == kFull) full_groups_[word / 64 / 64] |= uint64_t{1} << (word / 64 % 64);
  }
  const auto step = static_cast<uint32_t>(PagesOfEntry(slot_bytes_));
  for (uint64_t page = begin / kPageBytes; page <= (end - 1) / kPageBytes; page += step) {
    uint16_t& entry = pages_[page];
    if ((entry & kCount) == 0) {
      if ((entry & kUsed) != 0) {
        empty_pages_ -= step;
      } else {
        used_pages_ += step;
        accounting_->Add(purpose_, int64_t{step} * kPageBytes);
      }
      entry = kUsed;  // clears kAging
    }
    ++entry;
  }
  ++live_;
  *slot = number;
  Unpoison(base_ + begin, slot_bytes_);
  return base_ + begin;
}

void SlotRegions::FindHeld(const void* address, std::string_view pool) const {
  const auto offset = static_cast<uint64_t>(static_cast<const char*>(address) - base_);
  const uint64_t slot = offset / slot_bytes_;
  if (offset >= grown_bytes_) FailCheck(pool, slot_bytes_, slot, "is returned, but is not of this pool");
  if (offset % slot_bytes_ != 0) FailCheck(pool, slot_bytes_, slot, "is returned by an address inside it");
  if (!Live(static_cast<uint32_t>(slot))) FailCheck(pool, slot_bytes_, slot, "is returned twice: not live");
}

void SlotRegions::Release(uint32_t slot) {
  assert(Live(slot));
  const uint64_t begin = uint64_t{slot} * slot_bytes_;
  const uint64_t end = begin + slot_bytes_;
  CheckNotLent(base_ + begin, slot_bytes_);
  Poison(base_ + begin, slot_bytes_);

  const uint32_t word = slot / 64;
  if (live_bits_[word] == kFull) {
    full_words_[word / 64] &= ~(uint64_t{1} << (word % 64));
    full_groups_[word / 64 / 64] &= ~(uint64_t{1} << (word / 64 % 64));
  }
  live_bits_[word] &= ~(uint64_t{1} << (slot % 64));
  lowest_word_ = std::min(lowest_word_, word);
  const auto step = static_cast<uint32_t>(PagesOfEntry(slot_bytes_));
  for (uint64_t page = begin / kPageBytes; page <= (end - 1) / kPageBytes; page += step) {
    if ((--pages_[page] & kCount) == 0) empty_pages_ += step;
  }
  --live_;
}

uint32_t SlotRegions::SlotOf(const void* address) const {
  const auto offset = static_cast<uint64_t>(static_cast<const char*>(address) - base_);
  assert(offset < grown_bytes_);
  // Exact while offset * slot_bytes is below 2^64, or slot_bytes is a power of two: then the reciprocal, rounded up by
  // less than one, adds less than the 1 / slot_bytes that is left to the next whole slot.
  const auto slot = static_cast<uint32_t>((static_cast<unsigned __int128>(offset) * slots_per_byte_) >> 64);
  assert(slot == offset / slot_bytes_);
  return slot;
}

uint32_t SlotRegions::NextLive(uint32_t from) const {
  const uint64_t slots = std::min<uint64_t>(slots_max_, grown_bytes_ / slot_bytes_);
  if (from >= slots) return slots_max_;
  uint64_t word = from / 64;
  uint64_t bits = live_bits_[word] & (kFull << (from % 64));
  while (bits == 0) {
    if (++word * 64 >= slots) return slots_max_;
    bits = live_bits_[word];
  }
  return static_cast<uint32_t>(word * 64) + static_cast<uint32_t>(std::countr_zero(bits));
}

bool SlotRegions::Trim(bool force) {
  bool waiting = false;
  const uint64_t pages = grown_bytes_ / kPageBytes;
  const uint64_t step = PagesOfEntry(slot_bytes_);
  uint64_t left = empty_pages_;  // the search ends with the last of them
  for (uint64_t page = 0; left != 0 && page < pages; page += step) {
    const auto leaves = [&](uint64_t at) {
      const uint16_t entry = pages_[at];
      return entry == (kUsed | kAging) || (force && entry == kUsed);
    };
    if (!leaves(page)) {
      if (pages_[page] == kUsed) {
        pages_[page] |= kAging;
        waiting = true;
        left -= step;
      }
      continue;
    }
    uint64_t end = page + step;
    while (end < pages && leaves(end)) end += step;
    const uint64_t run = end - page;
    if (madvise(base_ + page * kPageBytes, run * kPageBytes, MADV_DONTNEED) == 0) {
      std::fill(pages_ + page, pages_ + end, uint16_t{0});
      used_pages_ -= static_cast<uint32_t>(run);
      empty_pages_ -= static_cast<uint32_t>(run);
      accounting_->Add(purpose_, -static_cast<int64_t>(run * kPageBytes));
    } else {
      waiting = true;  // EINVAL: locked by mlockall(2)
    }
    left -= run;
    page = end - step;
  }
  return waiting;
}

}  // namespace mooring::alloc
