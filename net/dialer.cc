// SPDX-License-Identifier: Apache-2.0
#include "net/dialer.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cassert>
#include <utility>

namespace mooring::net {

Dialer::Dialer(Engine* engine, Options options)
    : engine_(engine), options_(std::move(options)), open_of_source_(options_.sources.size()) {
  assert(options_.sources.size() <= 0xffff);
}

// The next one that has room; round-robin, so that neighbours in time have different port tables.
uint32_t Dialer::PickSource() {
  const auto sources = static_cast<uint32_t>(options_.sources.size());
  for (uint32_t tried = 0; tried < sources; ++tried) {
    const uint32_t source = next_source_;
    next_source_ = next_source_ + 1 == sources ? 0 : next_source_ + 1;
    if (open_of_source_[source] < options_.per_source_max) return source;
  }
  return kNoSource;
}

Connection* Dialer::Open() {
  if (in_flight_ >= options_.in_flight_max) return nullptr;
  if (options_.sources.empty()) {
    Connection* conn = engine_->Connect(options_.profile, options_.target, Address());
    if (conn != nullptr) ++in_flight_;
    return conn;
  }
  const uint32_t source = PickSource();
  if (source == kNoSource) return nullptr;
  Connection* conn = engine_->Connect(options_.profile, options_.target, options_.sources[source]);
  if (conn == nullptr) return nullptr;
  ++in_flight_;
  ++open_of_source_[source];
  if (conn->handle.slot >= source_of_slot_.size()) source_of_slot_.resize(conn->handle.slot + 1);
  source_of_slot_[conn->handle.slot] = static_cast<uint16_t>(source);
  return conn;
}

void Dialer::OnOpen(const Connection&) { --in_flight_; }

void Dialer::OnClose(const Connection& conn, CloseCause cause) {
  if (!options_.sources.empty()) --open_of_source_[source_of_slot_[conn.handle.slot]];
  if (!conn.was_opened()) --in_flight_;  // it failed, or was given up while it was under way
  if (cause != CloseCause::kConnectFailed) return;
  ++failed_;
  ++failures_[conn.connect_error()];
}

std::vector<Address> LoopbackSources(uint32_t first, uint32_t count) {
  std::vector<Address> sources;
  sources.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + first + i);
    sources.emplace_back(reinterpret_cast<const sockaddr*>(&address));
  }
  return sources;
}

}  // namespace mooring::net
