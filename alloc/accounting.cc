// SPDX-License-Identifier: Apache-2.0
#include "alloc/accounting.h"

namespace mooring::alloc {

static_assert(static_cast<int>(Purpose::kOther) + 1 == kPurposes);

std::string_view Name(Purpose purpose) {
  switch (purpose) {
    case Purpose::kConnections:
      return "connections";
    case Purpose::kFrames:
      return "frames";
    case Purpose::kReceiveBlocks:
      return "receive_blocks";
    case Purpose::kBlocks:
      return "blocks";
    case Purpose::kSegments:
      return "segments";
    case Purpose::kRings:
      return "rings";
    case Purpose::kMailboxes:
      return "mailboxes";
    case Purpose::kTimers:
      return "timers";
    case Purpose::kOther:
      return "other";
  }
  return "unknown";
}

uint64_t Accounting::Total() const {
  uint64_t total = 0;
  for (const std::atomic<uint64_t>& cell : bytes_) total += cell.load(std::memory_order_relaxed);
  return total;
}

}  // namespace mooring::alloc
