// SPDX-License-Identifier: Apache-2.0
// Accounting: how many bytes a shard holds, by purpose.
//
// The answer to "where did the memory go" must not cost anything on the data plane, so one thread writes with plain
// relaxed loads and stores (no locked instruction), and any thread may read.
//
// Threads:  Add() by the owning shard only; the rest by any thread.
// Ordering: relaxed. A reader sees each purpose at some recent moment; a sum over purposes is not one moment.
#ifndef MOORING_ALLOC_ACCOUNTING_H_
#define MOORING_ALLOC_ACCOUNTING_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace mooring::alloc {

enum class Purpose : uint8_t {
  kConnections,
  kFrames,         // of coroutines
  kReceiveBlocks,  // what the kernel receives into
  kBlocks,         // carry and write blocks, and the descriptors of all blocks
  kSegments,       // of send queues
  kRings,
  kMailboxes,
  kTimers,
  kOther,
};
inline constexpr int kPurposes = 9;

// "connections", "receive_blocks", ...: names for metrics.
std::string_view Name(Purpose purpose);

class Accounting {
 public:
  Accounting() = default;
  Accounting(const Accounting&) = delete;
  Accounting& operator=(const Accounting&) = delete;

  // Negative: given back. REQUIRES: never more than was added for that purpose.
  void Add(Purpose purpose, int64_t bytes) {
    std::atomic<uint64_t>& cell = bytes_[static_cast<size_t>(purpose)];
    cell.store(cell.load(std::memory_order_relaxed) + static_cast<uint64_t>(bytes), std::memory_order_relaxed);
  }

  uint64_t Bytes(Purpose purpose) const { return bytes_[static_cast<size_t>(purpose)].load(std::memory_order_relaxed); }
  uint64_t Total() const;

 private:
  std::array<std::atomic<uint64_t>, kPurposes> bytes_{};
};

}  // namespace mooring::alloc

#endif  // MOORING_ALLOC_ACCOUNTING_H_
