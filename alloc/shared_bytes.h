// SPDX-License-Identifier: Apache-2.0
// SharedBytes: immutable bytes with a count of their holders, to be sent to very many connections without a copy.
//
// One body is written to any number of connections, on any number of shards, and exists once. A shard counts its own
// connections for itself, in the block by which its BufferPool describes the body; here it is one holder. So sending a
// body to 100,000 connections on 8 shards moves the count that all shards share 16 times, not 200,000.
//
// Threads:  any. One SharedBytes object is used by one thread at a time, as an int is; copies of it are independent.
// Ordering: taking a hold is relaxed: who copies has one. Letting go is acquire-release: whatever any holder has read is
//           read before the last one frees. How a hold gets to another thread is its carrier's business (mail orders it);
//           the bytes were written before there was a hold to carry.
// Owns:     its share of the body, which comes from the process heap, no shard's pool, and is freed by its last holder,
//           on whatever thread that is. It is part of no shard's Accounting; Live() has the sum.
// Limits:   2^32 - 1 bytes.
#ifndef MOORING_ALLOC_SHARED_BYTES_H_
#define MOORING_ALLOC_SHARED_BYTES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace mooring::alloc {

class SharedBytes {
 public:
  static constexpr size_t kBytesMax = std::numeric_limits<uint32_t>::max();

  // No body: converts to false, has no byte.
  SharedBytes() = default;

  // Copies once, into one allocation with the count in front. No body when there is no memory, or for more than
  // kBytesMax; an empty text does give a body.
  static SharedBytes Copy(std::string_view bytes);
  // Takes over what the string has allocated, the whole of its capacity. Fails like Copy; `bytes` is gone then too.
  static SharedBytes Take(std::string bytes);

  // Of what `fill(char* to)` writes, at most `bytes_max` bytes; it says how many. For bytes that come from a system call:
  // no copy, and nothing is cleared first. Room that is left over stays with the body. Fails like Copy, without a call.
  template <class Fill>
  static SharedBytes Make(size_t bytes_max, Fill&& fill) {
    char* data = nullptr;
    Body* body = Allocate(bytes_max, &data);
    if (body != nullptr) body->size = static_cast<uint32_t>(fill(data));
    return SharedBytes(body);
  }

  // A hold more: one atomic increment, no byte.
  SharedBytes(const SharedBytes& other) : body_(other.body_) {
    if (body_ != nullptr) body_->holders.fetch_add(1, std::memory_order_relaxed);
  }
  SharedBytes(SharedBytes&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  SharedBytes& operator=(SharedBytes other) noexcept {
    std::swap(body_, other.body_);
    return *this;
  }
  ~SharedBytes() { Drop(body_); }

  // Live as long as any holder of the body.
  std::string_view view() const { return body_ == nullptr ? std::string_view() : std::string_view(body_->data, size()); }
  uint32_t size() const { return body_ == nullptr ? 0 : body_->size; }
  bool empty() const { return size() == 0; }
  explicit operator bool() const { return body_ != nullptr; }

  // SharedBytes of this body, and shards that have it queued. Exact only while no other thread holds it.
  uint64_t holders() const { return body_ == nullptr ? 0 : body_->holders.load(std::memory_order_acquire); }

  // Of the whole process. Each is right at some recent moment, not both at the same one.
  struct Total {
    uint64_t bodies = 0;
    uint64_t bytes = 0;  // allocated for them
  };
  static Total Live();

 private:
  friend class BufferPool;
  friend struct Block;

  struct Body {
    std::atomic<uint64_t> holders{1};
    const char* data = nullptr;
    uint64_t allocated = 0;
    uint32_t size = 0;
    bool taken = false;
  };
  struct TakenBody;

  explicit SharedBytes(Body* body) : body_(body) {}

  // Null is ignored.
  static void Drop(Body* body) {
    if (body != nullptr && body->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) Free(body);
  }
  static Body* Allocate(size_t bytes, char** data);  // null: no memory, or more than kBytesMax
  static void Free(Body* body);
  static void Count(const Body& body, bool live);

  // A hold without an object around it, to be given back to Drop.
  Body* Keep() const { return SharedBytes(*this).Detach(); }
  Body* Detach() { return std::exchange(body_, nullptr); }

  Body* body_ = nullptr;
};

}  // namespace mooring::alloc

#endif  // MOORING_ALLOC_SHARED_BYTES_H_
