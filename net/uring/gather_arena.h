// SPDX-License-Identifier: Apache-2.0
// GatherArena: message headers and piece lists of sends that the kernel has not taken yet.
//
// The kernel copies both at submission (IORING_FEAT_SUBMIT_STABLE), so everything is given back at once after an enter
// that left nothing in the queue; from then on it is poisoned.
//
// Threads:  one shard.
// Limits:   after Reset one chunk of 64 KB stays, enough for some 700 sends of two pieces.
#ifndef MOORING_NET_URING_GATHER_ARENA_H_
#define MOORING_NET_URING_GATHER_ARENA_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "alloc/accounting.h"
#include "alloc/poison.h"

namespace mooring::net::uring {

class GatherArena {
 public:
  explicit GatherArena(alloc::Accounting* accounting) : accounting_(accounting) {}
  ~GatherArena() { Account(-static_cast<int64_t>(chunks_.size())); }
  GatherArena(const GatherArena&) = delete;

  // A header over a copy of `pieces`, valid until Reset.
  msghdr* Copy(const iovec* pieces, unsigned count) {
    const size_t bytes = sizeof(msghdr) + count * sizeof(iovec);
    if (chunks_.empty() || used_ + bytes > kChunkBytes) {
      chunks_.push_back(std::make_unique_for_overwrite<Chunk>());
      alloc::Poison(chunks_.back()->bytes, kChunkBytes);
      used_ = 0;
      Account(1);
    }
    std::byte* at = chunks_.back()->bytes + used_;
    used_ += bytes;
    alloc::Unpoison(at, bytes);
    auto* header = ::new (at) msghdr{};
    header->msg_iov = reinterpret_cast<iovec*>(at + sizeof(msghdr));
    header->msg_iovlen = count;
    std::copy_n(pieces, count, header->msg_iov);
    return header;
  }

  void Reset() {
    used_ = 0;
    if (chunks_.empty()) return;
    if (chunks_.size() > 1) {
      Account(1 - static_cast<int64_t>(chunks_.size()));
      chunks_.resize(1);
    }
    alloc::Poison(chunks_.front()->bytes, kChunkBytes);
  }

 private:
  static constexpr size_t kChunkBytes = 64 * 1024;
  struct Chunk {
    alignas(16) std::byte bytes[kChunkBytes];
  };
  static_assert(sizeof(msghdr) % alignof(iovec) == 0 && alignof(msghdr) <= 16);
  static_assert(sizeof(msghdr) % 8 == 0 && sizeof(iovec) % 8 == 0);  // Poison's granularity

  void Account(int64_t chunks) { accounting_->Add(alloc::Purpose::kRings, chunks * int64_t{kChunkBytes}); }

  alloc::Accounting* const accounting_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  size_t used_ = 0;
};

}  // namespace mooring::net::uring

#endif  // MOORING_NET_URING_GATHER_ARENA_H_
