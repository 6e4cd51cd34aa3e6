// SPDX-License-Identifier: Apache-2.0
// ReceiveGroup: the buffer ring that the kernel takes receive blocks from, and which blocks are in it.
//
// The ring is registered once with all its entries, but only as many blocks are published as the load has asked for,
// since the kernel touches them one after the other: many published blocks would all become resident for a trickle of
// small messages. Starvation doubles the level; two quiet seconds bring it back and give the pages of the rest back.
//
//   pool -> Publish -> ring: | taken next: kLevelMin, resident | further ones | -> completion -> Take -> a lease
//
// Threads:  one shard.
// Owns:     the ring's memory and the published blocks. A block that Take has answered belongs to the caller.
// Kernel:   5.19 (IORING_REGISTER_PBUF_RING). Our own memory, because the kernel's (IOU_PBUF_RING_MMAP) had
//           CVE-2024-0582. Buffers are taken in ring order; a pool that runs dry is normal and counted.
#ifndef MOORING_NET_URING_RECEIVE_GROUP_H_
#define MOORING_NET_URING_RECEIVE_GROUP_H_

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "alloc/accounting.h"
#include "alloc/buffer_pool.h"
#include "core/clock.h"
#include "core/counters.h"
#include "core/ring.h"

struct io_uring_buf_ring;

namespace mooring::net::uring {

enum class GroupCount : uint8_t { kPublished, kPoolEmpty, kGrown, kShrunk, kPagesDropped, kOutOfOrder, kCount };

class ReceiveGroup {
 public:
  static constexpr unsigned kEntries = 512;
  static constexpr unsigned kLevelMin = 64;
  static constexpr core::Nanos kQuiet = 2 * core::kNanosPerSecond;
  static constexpr uint16_t kGroupId = 0;

  ReceiveGroup(alloc::BufferPool* pool, alloc::Accounting* accounting);
  ~ReceiveGroup();  // REQUIRES: the ring that it was registered with is gone
  ReceiveGroup(const ReceiveGroup&) = delete;

  // Registers with `ring`, publishes the first blocks and touches them. Errors say what to type.
  absl::Status Open(core::Ring* ring);

  // Once a turn: publishes blocks up to the level, after moving the level.
  void Publish(core::Nanos now);
  // A receive found no block.
  void Starved() { starved_ = true; }
  // Once a turn, while the kernel holds no completion back: drops pages that the level no longer needs.
  void DropPages();

  // The block of a completion with IORING_CQE_F_BUFFER, with the one reference that the group held.
  alloc::Block* Take(uint16_t buffer_id);

  unsigned published() const { return published_; }
  unsigned level() const { return level_; }
  const core::CounterSet<GroupCount>& counters() const { return counters_; }

 private:
  static constexpr unsigned kMask = kEntries - 1;

  alloc::BufferPool* const pool_;
  alloc::Accounting* const accounting_;
  io_uring_buf_ring* ring_ = nullptr;
  unsigned level_ = kLevelMin;
  unsigned published_ = 0;
  bool starved_ = false;
  bool drop_pages_ = false;
  core::Nanos last_starved_ = 0;
  uint32_t head_ = 0;  // entries the kernel has taken, as far as completions have told
  uint32_t tail_ = 0;  // entries published
  unsigned free_count_ = 0;
  std::array<uint16_t, kEntries> free_;    // buffer ids that are not published
  std::array<uint16_t, kEntries> order_;   // buffer id by ring position
  std::array<alloc::Block*, kEntries> blocks_ = {};
  core::CounterSet<GroupCount> counters_;
};

}  // namespace mooring::net::uring

#endif  // MOORING_NET_URING_RECEIVE_GROUP_H_
