// SPDX-License-Identifier: Apache-2.0
// RefuseCause: why a peer that had connected was reset before its service started. Each has a counter.
//
// Capacity is not among them: a listener at its bound accepts nobody, and peers wait in its backlog (StopCause).
#ifndef MOORING_NET_REFUSE_CAUSE_H_
#define MOORING_NET_REFUSE_CAUSE_H_

#include <cstdint>

namespace mooring::net {

enum class RefuseCause : uint8_t {
  kAddressLimit,          // its address has as many connections of the process as one may
  kListenerAddressLimit,  // ... of the listener
  kMemory,                // the process is at its memory ceiling
  kNoMemory,              // none was found for what has to be known of it
  kSlabFull,              // the shard has no room: caps that are too high for it
  kAfterCut,              // came out of the queue when the drain's deadline had passed
  kCount
};

// The label of its counter.
constexpr const char* Name(RefuseCause cause) {
  switch (cause) {
    case RefuseCause::kAddressLimit: return "address_limit";
    case RefuseCause::kListenerAddressLimit: return "listener_address_limit";
    case RefuseCause::kMemory: return "memory";
    case RefuseCause::kNoMemory: return "no_memory";
    case RefuseCause::kSlabFull: return "slab_full";
    case RefuseCause::kAfterCut: return "after_cut";
    case RefuseCause::kCount: break;
  }
  return "?";
}

}  // namespace mooring::net

#endif  // MOORING_NET_REFUSE_CAUSE_H_
