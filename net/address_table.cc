// SPDX-License-Identifier: Apache-2.0
#include "net/address_table.h"

#include <endian.h>
#include <netinet/in.h>

#include <cassert>
#include <cstring>
#include <new>

namespace mooring::net {

uint64_t AddressTable::SourceOf(const Address& address) {
  assert(!address.empty());
  uint32_t v4;
  if (address.family() == AF_INET) {
    v4 = reinterpret_cast<const sockaddr_in*>(address.get())->sin_addr.s_addr;
  } else {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(&v6)) {
      uint64_t network;
      std::memcpy(&network, v6.s6_addr, sizeof(network));
      return be64toh(network);
    }
    std::memcpy(&v4, v6.s6_addr + 12, sizeof(v4));
  }
  return uint64_t{0xffff} << 32 | be32toh(v4);
}

AddressTable::Answer AddressTable::Take(uint64_t source) {
  Stripe& stripe = StripeOf(source);
  const uint32_t max = max_.load(std::memory_order_relaxed);
  const std::lock_guard<std::mutex> lock(stripe.lock);
  try {
    uint32_t& count = stripe.counts[source];
    if (max != 0 && count >= max) return Answer::kFull;
    ++count;
    return Answer::kTaken;
  } catch (const std::bad_alloc&) {
    return Answer::kNoMemory;
  }
}

void AddressTable::Give(uint64_t source) {
  Stripe& stripe = StripeOf(source);
  const std::lock_guard<std::mutex> lock(stripe.lock);
  const auto at = stripe.counts.find(source);
  assert(at != stripe.counts.end() && at->second > 0);
  if (--at->second != 0) return;
  stripe.counts.erase(at);
  if (stripe.counts.empty()) absl::flat_hash_map<uint64_t, uint32_t>().swap(stripe.counts);
}

uint32_t AddressTable::CountOf(uint64_t source) const {
  const Stripe& stripe = stripes_[Index(source)];
  const std::lock_guard<std::mutex> lock(stripe.lock);
  const auto at = stripe.counts.find(source);
  return at == stripe.counts.end() ? 0 : at->second;
}

uint64_t AddressTable::sources() const {
  uint64_t sum = 0;
  for (const Stripe& stripe : stripes_) {
    const std::lock_guard<std::mutex> lock(stripe.lock);
    sum += stripe.counts.size();
  }
  return sum;
}

}  // namespace mooring::net
