// SPDX-License-Identifier: Apache-2.0
#include "tests/net/peer_names.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace mooring::net {

void PeerNames::Dialled(size_t listener, const sim::SimPeer& peer) {
  if (peer.is_unix()) return;
  sockaddr_storage at = {};
  peer.local().ToSockaddr(AF_INET, &at);
  listeners_[listener].dialled.emplace_back(reinterpret_cast<const sockaddr*>(&at));
}

void PeerNames::Check(size_t shard) {
  core::Shard::Enter enter(&server_->shard(shard));
  server_->engine(shard).ForEach([this](Connection* conn) {
    if (conn->was_opened() && conn->listener() < listeners_.size()) Check(*conn);
  });
}

void PeerNames::Check(const Connection& conn) {
  const Listener& listener = listeners_[conn.listener()];
  const Address& peer = conn.peer();
  if (!peer.empty()) {
    const bool known = std::find(listener.dialled.begin(), listener.dialled.end(), peer) != listener.dialled.end();
    if (!listener.tracked || !known) findings_->Add("names", absl::StrCat("nobody has dialled from ", peer.ToString()));
    named_.insert(conn.id().value);
  } else if (listener.tracked && !listener.at_path) {
    // The kernel was asked and had no answer.
    if (server_->TransportCountOr0("command_errors") == 0) findings_->Add("names", "a service does not know who it is with");
    nameless_.insert(conn.id().value);
  }
}

}  // namespace mooring::net
