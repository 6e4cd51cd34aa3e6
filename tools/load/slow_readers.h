// SPDX-License-Identifier: Apache-2.0
// SlowReaders: connections that take what comes for them at about kBytesPerSecond each.
//
// The kernel hands over a block at a time, so a connection is paused after each one for as long as that block should
// have taken. Meanwhile its receive buffer fills, and then the peer has nowhere to send to.
//
// Threads:  one shard, inside its turn.
// Owns:     a node in two trees for each that is paused.
#ifndef MOORING_TOOLS_LOAD_SLOW_READERS_H_
#define MOORING_TOOLS_LOAD_SLOW_READERS_H_

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "core/shard.h"
#include "net/connection.h"

namespace mooring::tools::load {

class SlowReaders {
 public:
  static constexpr int64_t kBytesPerSecond = 1024;

  explicit SlowReaders(core::Shard* shard);

  void Took(net::Connection* conn, uint32_t bytes);
  void Forget(net::Connection* conn);  // it ends; no-op when it is not paused
  void Stop();                         // nobody is resumed any more

 private:
  void ResumeDue();
  void Arm();

  core::Shard* const shard_;
  std::map<net::Connection*, int64_t> paused_;            // until when, in ms
  std::set<std::pair<int64_t, net::Connection*>> order_;  // the same, the next one first
  core::CallTimer timer_;
};

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_SLOW_READERS_H_
