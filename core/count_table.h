// SPDX-License-Identifier: Apache-2.0
// CountTable: what a shard's objects count that no service is: pools, clients, caches. Any thread may read them all.
//
//   SharedCounts<PoolCount> counters_{"pool", options.target, kPoolCountNames};    // a member, as a CounterSet would be
//
// An object's counts stay in the table when it goes, so that sums over a server never fall; the next one of the same kind
// and name goes on with them.
//
// Threads:  SharedCounts: one shard's. ForEach: any.
// Owns:     the counts, together with the objects that write to them.
// Limits:   kEntriesMax kinds and names on a shard; who comes later counts for itself, and nobody sees it.
// Ordering: an entry is published after it is made; its values are relaxed (core/counters.h).
#ifndef MOORING_CORE_COUNT_TABLE_H_
#define MOORING_CORE_COUNT_TABLE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/counters.h"

namespace mooring::core {

class CountTable {
 public:
  static constexpr uint32_t kEntriesMax = 256;

  class Entry {
   public:
    Entry(std::string_view family, std::string of, std::span<const std::string_view> names)
        : family_(family), of_(std::move(of)), names_(names) {}
    virtual ~Entry() = default;

    std::string_view family() const { return family_; }                // constant: "pool"
    const std::string& of() const { return of_; }                      // which one: its target; may be empty
    std::span<const std::string_view> names() const { return names_; }  // of the counts
    virtual uint64_t Read(size_t i) const = 0;                         // of names()[i]

   private:
    friend class CountTable;
    template <class Enum>
    friend class SharedCounts;
    const std::string_view family_;
    const std::string of_;
    const std::span<const std::string_view> names_;
    std::atomic<bool> used_{true};  // by an object that lives
  };

  CountTable() = default;
  CountTable(const CountTable&) = delete;

  // Those that were ever there, in their order.
  template <class F>
  void ForEach(F&& f) const {
    const uint32_t size = size_.load(std::memory_order_acquire);
    for (uint32_t i = 0; i < size; ++i) f(std::as_const(*entries_[i]));
  }

  // The shard's: one that nobody uses, of this kind and name, from now on used; null: there is none.
  std::shared_ptr<Entry> Reuse(std::string_view family, std::string_view of) {
    for (uint32_t i = 0; i < size_.load(std::memory_order_relaxed); ++i) {
      Entry& entry = *entries_[i];
      if (entry.family_ != family || entry.of_ != of || entry.used_.load(std::memory_order_relaxed)) continue;
      entry.used_.store(true, std::memory_order_relaxed);
      return entries_[i];
    }
    return nullptr;
  }
  // Nothing when it is full.
  void Add(std::shared_ptr<Entry> entry) {
    const uint32_t size = size_.load(std::memory_order_relaxed);
    if (size == kEntriesMax) return;
    entries_[size] = std::move(entry);
    size_.store(size + 1, std::memory_order_release);
  }

 private:
  std::array<std::shared_ptr<Entry>, kEntriesMax> entries_;
  std::atomic<uint32_t> size_{0};
};

// That of the shard whose turn this is; null outside of one.
CountTable* CurrentCountTable();

// A CounterSet that CurrentCountTable() has too. `family` is one Enum's alone, and `names` are its enumerators'.
template <class Enum>
class SharedCounts {
 public:
  SharedCounts(std::string_view family, std::string of, std::span<const std::string_view> names) {
    CountTable* table = CurrentCountTable();
    if (table != nullptr) entry_ = std::static_pointer_cast<Of>(table->Reuse(family, of));
    if (entry_ != nullptr) return;
    entry_ = std::make_shared<Of>(family, std::move(of), names);
    if (table != nullptr) table->Add(entry_);
  }
  ~SharedCounts() { entry_->used_.store(false, std::memory_order_relaxed); }
  SharedCounts(const SharedCounts&) = delete;

  void Add(Enum which, uint64_t n = 1) { entry_->set.Add(which, n); }
  const CounterSet<Enum>& set() const { return entry_->set; }

 private:
  struct Of final : CountTable::Entry {
    using Entry::Entry;
    uint64_t Read(size_t i) const override { return set.Read(static_cast<Enum>(i)); }
    CounterSet<Enum> set;
  };
  std::shared_ptr<Of> entry_;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_COUNT_TABLE_H_
