// SPDX-License-Identifier: Apache-2.0
// SlotTable: a value for each connection of a shard that has one, beside it: a Connection has no room for what few need.
//
// By slot, in pages that come with the first value in them and go when their shard gives memory back.
//
// Threads:  one shard.
// Owns:     its pages.
// Limits:   Set is false where there is no memory for a page.
#ifndef MOORING_NET_SLOT_TABLE_H_
#define MOORING_NET_SLOT_TABLE_H_

#include <array>
#include <bitset>
#include <cassert>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "alloc/accounting.h"

namespace mooring::net {

template <class T>
class SlotTable {
 public:
  static constexpr uint32_t kPageSlots = 512;

  SlotTable(uint32_t slots_max, alloc::Accounting* accounting)
      : accounting_(accounting), pages_((slots_max + kPageSlots - 1) / kPageSlots) {}
  ~SlotTable() {
    for (std::unique_ptr<Page>& page : pages_) Drop(page);
  }
  SlotTable(const SlotTable&) = delete;

  // Null where none was set, or none since Forget.
  const T* Find(uint32_t slot) const {
    const std::unique_ptr<Page>& page = pages_[slot / kPageSlots];
    if (page == nullptr || !page->set[slot % kPageSlots]) return nullptr;
    return &page->values[slot % kPageSlots];
  }
  T* Find(uint32_t slot) { return const_cast<T*>(std::as_const(*this).Find(slot)); }
  [[nodiscard]] bool Set(uint32_t slot, const T& value) {  // REQUIRES: none is set
    std::unique_ptr<Page>& page = pages_[slot / kPageSlots];
    if (page == nullptr) {
      page.reset(new (std::nothrow) Page());
      if (page == nullptr) return false;
      accounting_->Add(alloc::Purpose::kOther, sizeof(Page));
    }
    assert(!page->set[slot % kPageSlots]);
    page->set[slot % kPageSlots] = true;
    page->values[slot % kPageSlots] = value;
    ++page->live;
    return true;
  }
  void Forget(uint32_t slot) {
    std::unique_ptr<Page>& page = pages_[slot / kPageSlots];
    if (page == nullptr || !page->set[slot % kPageSlots]) return;
    page->set[slot % kPageSlots] = false;
    --page->live;
  }
  // Gives back pages without a value.
  void Trim() {
    for (std::unique_ptr<Page>& page : pages_) {
      if (page != nullptr && page->live == 0) Drop(page);
    }
  }

 private:
  struct Page {
    uint32_t live = 0;
    std::bitset<kPageSlots> set;
    std::array<T, kPageSlots> values;
  };
  void Drop(std::unique_ptr<Page>& page) {
    if (page == nullptr) return;
    page.reset();
    accounting_->Add(alloc::Purpose::kOther, -static_cast<int64_t>(sizeof(Page)));
  }

  alloc::Accounting* const accounting_;
  std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace mooring::net

#endif  // MOORING_NET_SLOT_TABLE_H_
