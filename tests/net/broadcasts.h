// SPDX-License-Identifier: Apache-2.0
// Broadcasts: bodies that the rooms of all shards are told, numbered, so that a member's peer knows what it must get.
//
// Each is one SharedBytes, told by a task of one shard with OnEveryShard; so every room is told all of them in order.
//
// Threads:  one: all shards run on it.
// Owns:     the count. Outlives the shards' last turn.
#ifndef MOORING_TESTS_NET_BROADCASTS_H_
#define MOORING_TESTS_NET_BROADCASTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/shard.h"
#include "net/connection_set.h"
#include "tests/net/findings.h"

namespace mooring::net {

class Broadcasts {
 public:
  static constexpr uint64_t kBodiesMax = 60;  // all of them together are below any member's hard cap

  Broadcasts(std::vector<core::Shard*> shards, SlowPolicy slow, Findings* findings);

  // The next body, from shard 0, between two turns; nothing once there were kBodiesMax, or without memory.
  void Tell();
  uint64_t told() const { return told_; }

  // Everybody is gone, and at rest: each room was told all, none has a member, no body is left.
  void CheckOver();

  // "body N\n" and some more, of 8 to 6,000 bytes.
  static std::string Text(uint64_t number);
  // All that a member gets which joined before body `from`, until body `end`.
  static std::string Heard(uint64_t from, uint64_t end);
  // What the first line of `received` says, if it is there whole: the number of the first body that is due.
  static bool First(std::string_view received, uint64_t* from);

 private:
  const std::vector<core::Shard*> shards_;
  const SlowPolicy slow_;
  Findings* const findings_;
  const uint64_t bodies_before_;  // of the process: a server that was destroyed in mid-air left them
  uint64_t told_ = 0;
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_BROADCASTS_H_
