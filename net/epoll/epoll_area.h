// SPDX-License-Identifier: Apache-2.0
// EpollArea: what the epoll transport keeps in a connection, and how events name it.
//
// All zero is a connection that the transport has not been told of yet.
//
//   reading:  drained ── an event says readable ──> readable ── nothing there, or a short receive ──> drained
//             readable and wanted: listed until it is drained, or starved while no block is free
//
// Threads:  one shard.
#ifndef MOORING_NET_EPOLL_EPOLL_AREA_H_
#define MOORING_NET_EPOLL_EPOLL_AREA_H_

#include <sys/uio.h>

#include <cstdint>

#include "alloc/buffer_pool.h"

namespace mooring::net::epoll {

// What an event is about: epoll_event.data's top byte.
enum class Kind : uint8_t {
  kConnection = 1,
  kListener,  // whose id stands for the slot
  kWatch,     // slot: the descriptor, generation: a serial number
  kWake,
};

// data = kind:8 | generation:24 | slot:32.
constexpr uint64_t EventData(Kind kind, uint32_t generation, uint32_t slot) {
  return static_cast<uint64_t>(kind) << 56 | static_cast<uint64_t>(generation & 0xffffff) << 32 | slot;
}
constexpr Kind KindOf(uint64_t data) { return static_cast<Kind>(data >> 56); }
constexpr uint32_t GenerationOf(uint64_t data) { return static_cast<uint32_t>(data >> 32) & 0xffffff; }
constexpr uint32_t SlotOf(uint64_t data) { return static_cast<uint32_t>(data); }

struct EpollArea {
  enum Flag : uint16_t {
    kReadWanted = 1 << 0,
    kReadable = 1 << 1,      // an event said so, and nothing has proved it drained since
    kListed = 1 << 2,        // in the list of those to read
    kStarved = 1 << 3,       // waits for a block
    kReceiveEnded = 1 << 4,  // FIN or error seen: never read again
    kNoProof = 1 << 5,       // a short receive does not prove it drained (see receive.cc)
    kSending = 1 << 6,       // OnSend is owed
    kSendBlocked = 1 << 7,   // ... and the bytes wait for room
    kConnecting = 1 << 8,
    kClosing = 1 << 9,
    kAborting = 1 << 10,
    kBulk = 1 << 11,  // the last receive filled a block
  };

  uint32_t generation;  // in full; events have 24 bits of it
  uint32_t fd_plus_one;  // 0: none
  uint16_t flags;
  uint16_t piece_count;  // of the blocked send
  union {
    iovec piece;           // one
    alloc::Block* pieces;  // more: an array in a block
  };

  bool Is(unsigned any) const { return (flags & any) != 0; }
  void Set(unsigned on) { flags |= static_cast<uint16_t>(on); }
  void Clear(unsigned off) { flags &= static_cast<uint16_t>(~off); }
  bool open() const { return fd_plus_one != 0; }
  int fd() const { return static_cast<int>(fd_plus_one) - 1; }
  bool leaving() const { return Is(kClosing | kAborting); }
};
static_assert(sizeof(EpollArea) <= 32);

}  // namespace mooring::net::epoll

#endif  // MOORING_NET_EPOLL_EPOLL_AREA_H_
