// SPDX-License-Identifier: Apache-2.0
// PeerAddresses: who the connections of a shard are with, beside them: a Connection has no room for it, and few need it.
//
// By slot, in pages that come with the first connection in them and go when their shard gives memory back, so that an
// address stays where it is as long as its connection.
//
// Threads:  one shard.
// Owns:     its pages.
// Limits:   where there is no memory for a page, its connections have no address.
#ifndef MOORING_NET_PEER_ADDRESSES_H_
#define MOORING_NET_PEER_ADDRESSES_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "alloc/accounting.h"
#include "net/address.h"

namespace mooring::net {

class PeerAddresses {
 public:
  static constexpr uint32_t kPageSlots = 512;

  PeerAddresses(uint32_t slots_max, alloc::Accounting* accounting);
  ~PeerAddresses();
  PeerAddresses(const PeerAddresses&) = delete;

  // Empty where none was set, or none since Forget. Lives until Forget.
  const Address& At(uint32_t slot) const;
  void Set(uint32_t slot, const Address& address);  // REQUIRES: none is set
  void Forget(uint32_t slot);
  // Gives back pages without an address.
  void Trim();

 private:
  struct Page {
    uint32_t live = 0;
    std::array<Address, kPageSlots> of_slot;
  };
  void Drop(std::unique_ptr<Page>& page);

  alloc::Accounting* const accounting_;
  std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace mooring::net

#endif  // MOORING_NET_PEER_ADDRESSES_H_
