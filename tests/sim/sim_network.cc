// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_network.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace mooring::sim {

SimNetwork::~SimNetwork() {
  for (const std::weak_ptr<SimSocket>& weak : all_) {
    if (const std::shared_ptr<SimSocket> socket = weak.lock()) {
      socket->BreakLink();
      socket->accepted_.clear();
    }
  }
}

std::shared_ptr<SimSocket> SimNetwork::NewSocket(sa_family_t family) {
  auto socket = std::make_shared<SimSocket>(this, family);
  if (all_.size() >= 1024 && all_.size() == all_.capacity()) {
    all_.erase(std::remove_if(all_.begin(), all_.end(), [](const auto& weak) { return weak.expired(); }), all_.end());
  }
  all_.push_back(socket);
  return socket;
}

void SimNetwork::Touch(SimSocket* socket) {
  if (socket->active_ || !socket->Deliverable()) return;
  socket->active_ = true;
  active_.push_back(socket->shared_from_this());
}

bool SimNetwork::DeliverOne() {
  // What became undeliverable since (a full window, a broken link) leaves the list here.
  while (!quiet()) {
    const size_t index = choices_->Pick(active_.size() + deferred_.size());
    if (index >= active_.size()) {
      const std::function<void()> job = std::move(deferred_[index - active_.size()]);
      deferred_.erase(deferred_.begin() + static_cast<ptrdiff_t>(index - active_.size()));
      job();
      return true;
    }
    const std::shared_ptr<SimSocket> socket = active_[index];
    const bool deliverable = socket->Deliverable();
    if (deliverable) socket->Deliver();
    if (!socket->Deliverable()) {
      const auto at = std::find(active_.begin(), active_.end(), socket);
      active_.erase(at);
      socket->active_ = false;
    }
    if (deliverable) return true;
  }
  return false;
}

void SimNetwork::DeliverAll() {
  while (DeliverOne()) {
  }
}

void SimNetwork::At(core::Nanos when, std::function<void()> then) { timers_.emplace(when, std::move(then)); }

core::Nanos SimNetwork::NextTimer() const { return timers_.empty() ? INT64_MAX : timers_.begin()->first; }

bool SimNetwork::RunTimers() {
  bool any = false;
  while (!timers_.empty() && timers_.begin()->first <= clock_->Now()) {
    const std::function<void()> then = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    then();
    any = true;
  }
  return any;
}

namespace {

bool On(const SimSocket& socket, int level, int name) {
  int64_t value = 0;
  return socket.GetOption(level, name, &value) && value != 0;
}

}  // namespace

// inet_csk_bind_conflict(): same port and overlapping addresses conflict unless both reuse the address and the other
// does not listen, or both share the port.
bool SimNetwork::Conflicts(const SimSocket& a, const SimAddress& address, const SimSocket& b) const {
  if (&a == &b || b.local_.port != address.port) return false;
  const bool a_only6 = a.family() == AF_INET6 && On(a, IPPROTO_IPV6, IPV6_V6ONLY);
  const bool b_only6 = b.family() == AF_INET6 && On(b, IPPROTO_IPV6, IPV6_V6ONLY);
  const auto covers = [](const SimAddress& wide, bool only6, const SimAddress& other) {
    if (!wide.any()) return false;
    if (wide.family == AF_INET) return other.mapped();
    return !only6 || !other.mapped();
  };
  if (!address.SameIp(b.local_) && !covers(address, a_only6, b.local_) && !covers(b.local_, b_only6, address)) {
    return false;
  }
  const bool both_reuse = On(a, SOL_SOCKET, SO_REUSEADDR) && On(b, SOL_SOCKET, SO_REUSEADDR);
  if (both_reuse && b.state() != SimSocket::State::kListening) return false;
  return !(On(a, SOL_SOCKET, SO_REUSEPORT) && On(b, SOL_SOCKET, SO_REUSEPORT));
}

uint16_t SimNetwork::FreePort(const SimSocket& socket, SimAddress address) {
  for (int tries = 0; tries < 28232; ++tries) {
    address.port = next_port_;
    next_port_ = next_port_ == 60999 ? 32768 : next_port_ + 1;
    const bool taken = std::any_of(bound_.begin(), bound_.end(), [&](const SimSocket* other) {
      return other->local_.port == address.port;
    });
    if (!taken) return address.port;
  }
  return 0;
}

int SimNetwork::Bind(SimSocket* socket, SimAddress address) {
  if (socket->is_unix()) {
    if (!paths_.emplace(address.path, socket->weak_from_this()).second) return -EADDRINUSE;
    socket->local_ = address;
    return 0;
  }
  if (address.port == 0) {
    address.port = FreePort(*socket, address);
    if (address.port == 0) return -EADDRINUSE;
  } else {
    for (const SimSocket* other : bound_) {
      if (Conflicts(*socket, address, *other)) return -EADDRINUSE;
    }
  }
  socket->local_ = address;
  bound_.push_back(socket);
  return 0;
}

// listen(2) asks for the port once more (inet_csk_listen_start): somebody may have begun to listen since bind.
int SimNetwork::CheckListen(SimSocket* socket) {
  for (const SimSocket* other : bound_) {
    if (other->state() != SimSocket::State::kListening) continue;
    if (Conflicts(*socket, socket->local_, *other)) return -EADDRINUSE;
  }
  return 0;
}

void SimNetwork::Unbind(SimSocket* socket) {
  bound_.erase(std::remove(bound_.begin(), bound_.end(), socket), bound_.end());
}

// A SYN arrives: one listener of the most fitting group takes it, by the seed instead of a hash of the addresses.
void SimNetwork::RouteSyn(SimSocket* from) {
  if (from->is_unix()) {
    RouteUnix(from);
    return;
  }
  std::vector<SimSocket*> exact, wild;
  for (SimSocket* other : bound_) {
    if (other->state() != SimSocket::State::kListening || other->local_.port != from->remote_.port) continue;
    if (other->local_.SameIp(from->remote_)) {
      exact.push_back(other);
    } else if (other->local_.any() && (other->family() == AF_INET6
                                           ? !from->remote_.mapped() || !On(*other, IPPROTO_IPV6, IPV6_V6ONLY)
                                           : from->remote_.mapped())) {
      wild.push_back(other);
    }
  }
  const std::vector<SimSocket*>& group = exact.empty() ? wild : exact;
  if (group.empty()) {
    from->OnReset();
    return;
  }
  SimSocket* listener = group[choices_->Pick(group.size())];
  const bool filtered = listener->options_.count({SOL_SOCKET, SO_ATTACH_FILTER}) != 0;
  if (filtered || listener->accepted_.size() + listener->half_open_ > listener->backlog_) {
    from->parked_syn_ = true;  // the SYN is dropped and sent again; see SimSocket::Accept
    listener->parked_.push_back(from->weak_from_this());
    return;
  }
  MakeChild(listener, from);
  ++listener->half_open_;
  from->handshake_ = SimSocket::Handshake::kAck;
  from->Wake();
}

std::shared_ptr<SimSocket> SimNetwork::MakeChild(SimSocket* listener, SimSocket* from) {
  std::shared_ptr<SimSocket> child = NewSocket(listener->family());
  child->options_ = listener->options_;
  child->local_ = from->remote_;
  child->remote_ = from->local_;
  child->remote_.family = child->family();  // unnamed, of a Unix socket
  child->state_ = SimSocket::State::kConnected;
  child->listener_ = listener->weak_from_this();
  child->peer_ = from->shared_from_this();
  from->peer_ = child;
  from->state_ = SimSocket::State::kConnected;
  from->handshake_ = SimSocket::Handshake::kNone;
  return child;
}

int SimNetwork::Rename(const std::string& from, const std::string& to) {
  const auto found = paths_.find(from);
  if (found == paths_.end()) return -ENOENT;
  paths_[to] = found->second;
  paths_.erase(from);
  return 0;
}

std::shared_ptr<SimSocket> SimNetwork::FindPath(const std::string& path, int* error) {
  const auto found = paths_.find(path);
  std::shared_ptr<SimSocket> listener = found == paths_.end() ? nullptr : found->second.lock();
  *error = found == paths_.end() ? -ENOENT : -ECONNREFUSED;
  if (listener == nullptr || listener->state_ != SimSocket::State::kListening || listener->read_shut_) return nullptr;
  return listener;
}

}  // namespace mooring::sim
