// SPDX-License-Identifier: Apache-2.0
// MailStorm: calls between shards, many at once, in all directions, into boxes that may be full.
//
// Letters that PostAlways takes arrive, each once, in the order of their sender; those that Post takes likewise, and
// those that it refuses never. Some letters answer with further ones.
//
// Threads:  one: all shards run on it.
// Owns:     the books. Outlives the shards' last turn.
#ifndef MOORING_TESTS_NET_MAIL_STORM_H_
#define MOORING_TESTS_NET_MAIL_STORM_H_

#include <cstdint>
#include <vector>

#include "core/shard.h"
#include "tests/net/dice.h"
#include "tests/net/findings.h"

namespace mooring::net {

class MailStorm {
 public:
  MailStorm(std::vector<core::Shard*> shards, Dice* dice, Findings* findings);

  // `letters` from outside any turn, by Post, to shards that may sleep; about half of them write on when they arrive.
  void Blow(uint64_t letters);
  // At rest: what was taken has arrived.
  void CheckArrived();

  uint64_t taken() const { return taken_; }
  uint64_t refused() const { return refused_; }

 private:
  struct Channel {
    uint64_t sent = 0;
    uint64_t arrived = 0;
  };
  enum class By : uint8_t { kPost, kPostAlways, kCount };
  Channel& Of(size_t from, size_t to, By by) {
    return channels_[(from * (shards_.size() + 1) + to) * static_cast<size_t>(By::kCount) + static_cast<size_t>(by)];
  }
  bool Post(size_t from, size_t to, unsigned hops);
  void PostAlways(size_t from, size_t to, unsigned hops);
  void OnLetter(size_t from, size_t to, By by, uint64_t number, unsigned hops);

  const std::vector<core::Shard*> shards_;
  Dice* const dice_;
  Findings* const findings_;
  std::vector<Channel> channels_;  // by sender (the last one is the outside), receiver and way
  uint64_t taken_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_MAIL_STORM_H_
