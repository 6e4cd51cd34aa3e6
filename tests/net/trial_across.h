// SPDX-License-Identifier: Apache-2.0
// The services of a trial that reach beyond their own connection: other shards, other connections, all of a room.
//
// Threads:  one: all shards run on it.
#ifndef MOORING_TESTS_NET_TRIAL_ACROSS_H_
#define MOORING_TESTS_NET_TRIAL_ACROSS_H_

#include <cstdint>
#include <memory>

#include "net/connection_set.h"
#include "net/handler.h"
#include "tests/net/sim_server.h"

namespace mooring::net {

// What a shard has seen of it. Every shard of a trial has one: Local<AcrossBook>().
struct AcrossBook {
  uint64_t submitted = 0;   // functions, from here
  uint64_t served = 0;      // that ran here
  uint64_t unanswered = 0;  // waits from here that were given up
  uint64_t refused = 0;     // mail to a connection, by a full box
  uint64_t told = 0;        // bodies
  ConnectionSet room;
};

// Sends back what it gets, by way of another shard, with Post; paused while something is away.
ServiceFactory Poster();

// A task that asks another shard, with SubmitTo or OnEveryShard, for each thing it reads, and sends back what that
// said: a function, a task, one that throws, one that is given up.
ServiceFactory Asker();

// Joins its shard's room, says how many bodies that was told before ("at N\n"), and reads what its peer sends.
ServiceFactory Member();

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_TRIAL_ACROSS_H_
