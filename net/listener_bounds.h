// SPDX-License-Identifier: Apache-2.0
// ListenerBounds: what the shards of a listener share of its limits. Null: there is no such limit.
//
// Threads:  a value; what it names is for any thread, and outlives the listener on every shard.
#ifndef MOORING_NET_LISTENER_BOUNDS_H_
#define MOORING_NET_LISTENER_BOUNDS_H_

#include "net/accept_rate.h"
#include "net/address_table.h"
#include "net/credit.h"

namespace mooring::net {

struct ListenerBounds {
  Credit* credit = nullptr;
  AddressTable* addresses = nullptr;
  AcceptRate* rate = nullptr;
};

}  // namespace mooring::net

#endif  // MOORING_NET_LISTENER_BOUNDS_H_
