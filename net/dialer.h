// SPDX-License-Identifier: Apache-2.0
// Dialer: opens a shard's outbound connections to one address: from which source, how many at once, why some failed.
//
// A source address has some 28,000 ports for one target (net.ipv4.ip_local_port_range), and finding a free one gets
// slow long before the last. So connections are dealt out to a list of source addresses in turn, each up to a bound,
// and the kernel picks the port. The number of connects under way is bounded too: more than the target's backlog would
// only be dropped and tried again by the kernel a second later.
//
//   Open ──> connecting ──OnOpen──> open ──OnClose──> its source has room again
//                ├──────OnClose(kConnectFailed): counted by errno ──────┤
//                └──────OnClose, closed before it was open ─────────────┘
//
// The handler of the profile passes its OnOpen and OnClose on to this.
//
// Threads:  one shard, inside its turn. Counts may be read by others after the shard has stopped.
// Owns:     two bytes per slot of the engine, once more than one source is given.
// Limits:   in_flight_max connects under way; per_source_max connections per source; 65,535 sources.
#ifndef MOORING_NET_DIALER_H_
#define MOORING_NET_DIALER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "net/address.h"
#include "net/connection.h"
#include "net/engine.h"

namespace mooring::net {

class Dialer {
 public:
  struct Options {
    ListenerId profile = 0;             // a listener without a socket: see Engine::Connect
    Address target = {};
    std::vector<Address> sources = {};  // port 0; empty: the kernel chooses, and per_source_max does not apply
    uint32_t per_source_max = 14000;    // half of the default port range
    uint32_t in_flight_max = 128;       // 128 is the smallest backlog that servers commonly have
  };

  Dialer(Engine* engine, Options options);
  Dialer(const Dialer&) = delete;

  // Starts one connect. Null, and nothing has happened, while in_flight() is at its bound, every source at its own, or
  // the engine is full: try again after the next OnOpen or OnClose.
  Connection* Open();

  void OnOpen(const Connection& conn);
  void OnClose(const Connection& conn, CloseCause cause);

  uint32_t in_flight() const { return in_flight_; }
  uint64_t failed() const { return failed_; }                             // connects, all errors together
  const std::map<int, uint64_t>& failures() const { return failures_; }  // by errno

 private:
  static constexpr uint32_t kNoSource = 0xffffffff;
  uint32_t PickSource();

  Engine* const engine_;
  const Options options_;
  std::vector<uint32_t> open_of_source_;
  std::vector<uint16_t> source_of_slot_;
  uint32_t next_source_ = 0;
  uint32_t in_flight_ = 0;
  uint64_t failed_ = 0;
  std::map<int, uint64_t> failures_;
};

// `count` addresses from 127.0.0.1 + first on; all of 127.0.0.0/8 is local on Linux. REQUIRES: first + count <= 65,535.
std::vector<Address> LoopbackSources(uint32_t first, uint32_t count);

}  // namespace mooring::net

#endif  // MOORING_NET_DIALER_H_
