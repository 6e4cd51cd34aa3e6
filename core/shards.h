// SPDX-License-Identifier: Apache-2.0
// Shards: the data shards of a process by number, so that one can reach another.
//
// Threads:  Post from any; the rest in a shard's turn, or once before the first.
// Owns:     nothing. The shards outlive it, and it outlives their last turn.
#ifndef MOORING_CORE_SHARDS_H_
#define MOORING_CORE_SHARDS_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "core/mailbox.h"
#include "core/shard.h"

namespace mooring::core {

class Shards {
 public:
  // Shard i is the one whose id is i; each is told of this set.
  explicit Shards(std::vector<Shard*> shards) : shards_(std::move(shards)) {
    for (Shard* shard : shards_) shard->SetShards(this);
  }
  Shards(const Shards&) = delete;

  uint32_t size() const { return static_cast<uint32_t>(shards_.size()); }
  Shard* at(uint32_t id) const { return shards_[id]; }  // REQUIRES: id < size()

  // Runs `mail` in a turn of shard `id`. False, with `mail` untouched, when its box is full, or there is no such shard.
  bool Post(uint32_t id, Mail&& mail) { return id < size() && shards_[id]->Post(std::move(mail)); }

 private:
  const std::vector<Shard*> shards_;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_SHARDS_H_
