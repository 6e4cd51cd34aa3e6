// SPDX-License-Identifier: Apache-2.0
// PeerNames: that each service of a trial knows who it is with, where it wants to, and that no connection has another's
// address.
//
// Threads:  one.
// Owns:     nothing of the server.
#ifndef MOORING_TESTS_NET_PEER_NAMES_H_
#define MOORING_TESTS_NET_PEER_NAMES_H_

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "net/address.h"
#include "tests/net/findings.h"
#include "tests/net/sim_server.h"

namespace mooring::net {

class PeerNames {
 public:
  PeerNames(SimServer* server, Findings* findings) : server_(server), findings_(findings) {}

  // Listeners by number, from 0 on.
  void AddListener(bool tracked, bool at_path) { listeners_.push_back({tracked, at_path, {}}); }
  void Dialled(size_t listener, const sim::SimPeer& peer);
  // All connections of a shard.
  void Check(size_t shard);

  // Connections that were seen with an address, and such as had none to be had.
  uint64_t named() const { return named_.size(); }
  uint64_t nameless() const { return nameless_.size(); }

 private:
  struct Listener {
    bool tracked;
    bool at_path;
    std::vector<Address> dialled;
  };
  void Check(const Connection& conn);

  SimServer* const server_;
  Findings* const findings_;
  std::vector<Listener> listeners_;
  std::set<uint64_t> named_;
  std::set<uint64_t> nameless_;
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_PEER_NAMES_H_
