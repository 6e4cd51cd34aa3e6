// SPDX-License-Identifier: Apache-2.0
// Engine: what an operator asks: which connections there are, who is at their other end, and to close one.
#include <utility>

#include "net/connection_figures.h"
#include "net/engine.h"

namespace mooring::net {

uint32_t Engine::ListConnections(uint32_t from, absl::FunctionRef<void(const ConnectionFigures&)> f) const {
  const uint32_t now = now_s();
  uint32_t slot = connections_.NextLive(from);
  for (uint32_t n = 0; n < kListedPerCall && slot < connections_.slots_max(); ++n) {
    const Connection& conn = *connections_.At(slot);
    ConnectionFigures figures = {.id = conn.id(),
                                 .listener = ListenerOf(conn),
                                 .state = conn.state_,
                                 .outbound = conn.Has(Connection::kOutbound),
                                 .draining = conn.draining(),
                                 .idle_s = conn.state_ < Connection::State::kOpen ? 0 : now - conn.last_activity_s_,
                                 .queued_bytes = conn.queued_bytes(),
                                 .retained_blocks = conn.retained_};
    if (const Tracked* tracked = tracked_ == nullptr ? nullptr : tracked_->Find(slot); tracked != nullptr) {
      figures.tracked = true;
      figures.peer = conn.peer();
      figures.age_s = now - tracked->opened_s;
      figures.bytes_in = tracked->bytes_in;
      figures.bytes_out = tracked->bytes_out;
    }
    f(figures);
    slot = connections_.NextLive(slot + 1);
  }
  return slot < connections_.slots_max() ? slot : kNoSlot;
}

bool Engine::CloseConnection(ConnectionId id, bool abort) {
  using State = Connection::State;
  Connection* conn = Find(id);
  if (conn == nullptr || conn->state_ == State::kReleased) return false;
  if (abort) conn->scope_.Cancel();
  // One that is not open yet has nothing to be sent, and nobody to say goodbye to.
  if (abort || conn->state_ <= State::kOpen) End(*conn, CloseCause::kOperator, abort || conn->state_ != State::kOpen);
  return true;
}

void Engine::AskPeer(ConnectionId id, std::function<void(const Address&)> answer) {
  Connection* conn = Find(id);
  if (conn == nullptr || !conn->open() || !conn->peer().empty()) {
    const Address known = conn == nullptr ? Address() : conn->peer();
    to_tell_.push_back([answer = std::move(answer), known] { answer(known); });
    return;
  }
  bool asked = false;
  for (const AskedPeer& each : asked_peers_) asked |= each.id == conn->handle;
  asked_peers_.push_back({.id = conn->handle, .answer = std::move(answer)});
  if (!asked) transport_->AskPeer(conn->handle);
}

void Engine::AnswerAskedPeer(ConnId id, const Address& peer) {
  std::erase_if(asked_peers_, [&](AskedPeer& each) {
    if (each.id != id) return false;
    to_tell_.push_back([answer = std::move(each.answer), peer] { answer(peer); });
    return true;
  });
}

// Counting begins before the address is known, which may be later.
void Engine::Track(Connection& conn) {
  const bool tracked = tracked_->Set(conn.handle.slot, {.opened_s = now_s()});
  static_cast<void>(tracked);  // there is no memory for it: it is served all the same
}

}  // namespace mooring::net
