// SPDX-License-Identifier: Apache-2.0
// PeerPrefix: an address without its port, or a block of them, as people write it: 192.0.2.7, 2001:db8::/32.
//
// Threads:  a value.
#ifndef MOORING_SERVER_ADMIN_PEER_PREFIX_H_
#define MOORING_SERVER_ADMIN_PEER_PREFIX_H_

#include <string_view>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "net/address.h"

namespace mooring::server::admin {

// The bits of an address; IPv4 as IPv6 maps it (::ffff:a.b.c.d), so that they are ordered and equal where they mean the
// same. 0 for an empty one.
absl::uint128 BitsOf(const net::Address& address);

class PeerPrefix {
 public:
  // The error says what may be written.
  static absl::StatusOr<PeerPrefix> Parse(std::string_view text);

  bool Has(const net::Address& address) const { return !address.empty() && (BitsOf(address) & mask_) == bits_; }

 private:
  absl::uint128 bits_ = 0;
  absl::uint128 mask_ = 0;
};

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_PEER_PREFIX_H_
