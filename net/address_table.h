// SPDX-License-Identifier: Apache-2.0
// AddressTable: how many connections each source address has; one of the few things that shards share.
//
// A source is an IPv4 address, or the first 64 bits of an IPv6 one: what one customer gets, who could else come from as
// many addresses as he likes. In stripes with a lock each, touched when a connection is accepted and when it is gone, and
// only where a cap is on.
//
// Threads:  any.
// Owns:     an entry for each address that has a connection; a stripe without one holds no memory.
#ifndef MOORING_NET_ADDRESS_TABLE_H_
#define MOORING_NET_ADDRESS_TABLE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "absl/container/flat_hash_map.h"
#include "net/address.h"

namespace mooring::net {

class AddressTable {
 public:
  static constexpr uint32_t kStripes = 64;
  enum class Answer : uint8_t { kTaken, kFull, kNoMemory };

  // 0: no cap.
  explicit AddressTable(uint32_t per_address_max) : max_(per_address_max) {}
  AddressTable(const AddressTable&) = delete;

  // For new connections. Those that were taken while there was no cap are not counted.
  void SetMax(uint32_t per_address_max) { max_.store(per_address_max, std::memory_order_relaxed); }
  bool on() const { return max_.load(std::memory_order_relaxed) != 0; }

  // The source that `address` belongs to. IPv4 ones, mapped into IPv6 too, are where no IPv6 network is: in 0::/8.
  // REQUIRES: address is not empty.
  static uint64_t SourceOf(const Address& address);

  // One more connection of this source, or why not: never more than the cap, whatever threads do.
  Answer Take(uint64_t source);
  void Give(uint64_t source);  // REQUIRES: taken

  uint32_t CountOf(uint64_t source) const;
  uint64_t sources() const;

 private:
  struct alignas(64) Stripe {
    mutable std::mutex lock;
    absl::flat_hash_map<uint64_t, uint32_t> counts;
  };
  Stripe& StripeOf(uint64_t source) { return stripes_[Index(source)]; }
  static size_t Index(uint64_t source) { return (source * 0x9e3779b97f4a7c15u) >> 58; }
  static_assert(kStripes == 1u << (64 - 58));

  std::atomic<uint32_t> max_;
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace mooring::net

#endif  // MOORING_NET_ADDRESS_TABLE_H_
