// SPDX-License-Identifier: Apache-2.0
// UringArea: what the io_uring transport keeps in a connection, and how completions name it.
//
// All zero is a connection that the transport has not been told of yet.
//
// Threads:  one shard.
#ifndef MOORING_NET_URING_URING_AREA_H_
#define MOORING_NET_URING_URING_AREA_H_

#include <cstdint>

namespace mooring::net::uring {

// The operation that a completion ends, user_data's top byte.
enum class Op : uint8_t {
  // Of a connection; each counts in UringArea::in_flight.
  kReceive = 1,
  kPoll,  // in the place of the receive of a silent connection
  kSend,
  kPeer,
  kOutQueue,
  kInstall,
  kShutdown,
  kUpdate,
  kConnect,
  kAbort,
  // Of a connection, not waited for: a completion means failure.
  kCancelReceive,
  // Of a listener, whose id stands for the slot.
  kAcceptMany,  // generation: which of a shared listener's accepts
  kAcceptOne,
  kListenPoll,
  // The transport's own.
  kWatch,  // slot: the descriptor, generation: a serial number
  kWake,
  kCancel,  // not waited for, like the next two
  kClose,
  kRefuse,
};

// user_data = op:8 | generation:24 | slot:32.
constexpr uint64_t UserData(Op op, uint32_t generation, uint32_t slot) {
  return static_cast<uint64_t>(op) << 56 | static_cast<uint64_t>(generation & 0xffffff) << 32 | slot;
}
constexpr Op OpOf(uint64_t user_data) { return static_cast<Op>(user_data >> 56); }
constexpr uint32_t GenerationOf(uint64_t user_data) { return static_cast<uint32_t>(user_data >> 32) & 0xffffff; }
constexpr uint32_t SlotOf(uint64_t user_data) { return static_cast<uint32_t>(user_data); }

struct UringArea {
  enum Flag : uint32_t {
    kReadWanted = 1 << 0,
    kReceiveArmed = 1 << 1,      // or a poll in its place: kPolling
    kReceiveCancelled = 1 << 2,  // its cancel is under way; the terminal completion is what counts
    kReceiveEnded = 1 << 3,      // FIN or error seen: never armed again
    kStarved = 1 << 4,           // in the starvation list
    kSending = 1 << 5,
    kTrying = 1 << 6,  // the send is a kTry
    kConnecting = 1 << 7,
    kShutdownQueued = 1 << 8,
    kClosing = 1 << 9,
    kAborting = 1 << 10,
    kFinished = 1 << 11,  // OnReleased is queued
    kIpv6 = 1 << 12,
    kCancelRepeated = 1 << 13,
    kUnix = 1 << 14,
    kPolling = 1 << 15,  // what is armed is a poll (idle.cc)
    kListed = 1 << 16,   // looked at once a second for silence
  };

  uint32_t generation;       // in full; user_data has 24 bits of it
  uint32_t handle_plus_one;   // its descriptor, plain or direct (Descriptors); 0: none
  uint32_t scratch_plus_one;  // Scratch that an operation in flight writes to; 0: none
  int32_t connecting_fd;      // of an outgoing connection until it has its direct descriptor
  uint32_t flags;
  uint32_t armed_round;  // when the receive was armed: UringTransport::rounds_
  uint32_t heard;        // when it was armed or brought something last: UringTransport::idle_tick_
  uint8_t in_flight;
  uint8_t first_blocks;  // that the receive brought in the round that armed it, up to kKernelBatch
  uint8_t wakes;         // from a poll, up to kWakesMax: the longer it has to be silent for the next one

  bool Is(unsigned any) const { return (flags & any) != 0; }
  void Set(unsigned on) { flags |= on; }
  void Clear(unsigned off) { flags &= ~off; }
  bool open() const { return handle_plus_one != 0; }
  int handle() const { return static_cast<int>(handle_plus_one) - 1; }
  bool leaving() const { return Is(kClosing | kAborting); }
};
static_assert(sizeof(UringArea) <= 32);

}  // namespace mooring::net::uring

#endif  // MOORING_NET_URING_URING_AREA_H_
