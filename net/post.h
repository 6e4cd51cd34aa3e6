// SPDX-License-Identifier: Apache-2.0
// Post: calls a function with a connection of any shard, in a turn of its shard.
//
//   Post(id, [text = std::string(line)](Connection& conn) { conn.Write(text); });
//
// The one way to a connection of another shard. It goes by mail, on the own shard too. If the connection is not open
// any more when the mail is read, nothing happens but that EngineCount::kPostsStale counts it: an id is safe to keep.
// What fn writes is sent at the end of the same turn. What it throws ends that connection (service_failed).
//
// fn is destroyed over there, also when it was not called; what it captures crosses shards: no Connection&, no Lease.
// Mail to one shard is read in the order of its sender, but for what had to be posted again.
//
// Threads:  Post(id, ...) in a turn of any shard; Post(shards, ...) from any thread.
// Limits:   those of the other shard's mailbox.
#ifndef MOORING_NET_POST_H_
#define MOORING_NET_POST_H_

#include "absl/functional/any_invocable.h"
#include "core/shards.h"
#include "net/connection.h"

namespace mooring::net {

using ConnectionMail = absl::AnyInvocable<void(Connection&)>;

// False, with `fn` as it was, when the shard's mailbox is full: post it again from a timer, or do without. Not by mail to
// the own shard: two shards whose boxes are full of such mail would refuse each other's for ever.
bool Post(ConnectionId id, ConnectionMail&& fn);
bool Post(core::Shards& shards, ConnectionId id, ConnectionMail&& fn);

}  // namespace mooring::net

#endif  // MOORING_NET_POST_H_
