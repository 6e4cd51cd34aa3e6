// SPDX-License-Identifier: Apache-2.0
// Engine: what holds between two turns, looked at from outside, for tests: each connection that waits has somebody who
// will go on with it.
#include <algorithm>

#include "net/engine.h"

namespace mooring::net {

const char* Engine::Validate() const {
  uint64_t retained = 0;
  uint64_t parked = 0;
  uint64_t queued = 0;
  for (uint32_t slot = connections_.NextLive(0); slot < connections_.slots_max(); slot = connections_.NextLive(slot + 1)) {
    const Connection& each = *connections_.At(slot);
    retained += each.retained_;
    if (each.input_ != nullptr) parked += each.input_->parked.count();
    if (each.output_ != nullptr) queued += each.output_->queue.bytes();
    if (const char* wrong = Validate(each); wrong != nullptr) return wrong;
  }
  for (const std::unique_ptr<Profile>& profile : profiles_) {
    if (profile != nullptr && !profile->current && profile->live == 0) return "a profile that nobody has is kept";
  }
  for (const std::unique_ptr<Listener>& listener : listeners_) {
    if (const char* wrong = Validate(*listener); wrong != nullptr) return wrong;
  }
  if (retained != gauges_.retained_blocks) return "the sum of retained blocks is not that of the connections";
  if (parked != gauges_.parked_leases) return "the count of parked leases is not that of the connections";
  if (queued != gauges_.queued_bytes) return "the sum of queued bytes is not that of the connections";
  if (live_counter_.Read() != live()) return "the live counter is not the number of live connections";
  for (const Connection* each : dirty_) {
    if (!each->Has(Connection::kDirty)) return "a connection in the list of this turn does not know of it";
  }
  return nullptr;
}

// Its counters against its connections.
const char* Engine::Validate(const Listener& listener) const {
  if (listener.gone) return nullptr;
  uint64_t of_profiles = 0;
  for (const std::unique_ptr<Profile>& profile : profiles_) {
    if (profile != nullptr && profile->listener == listener.id) of_profiles += profile->live;
  }
  uint64_t in_states = 0;
  for (int state = 0; state < static_cast<int>(ConnectionState::kCount); ++state) {
    in_states += listener.counters->in(static_cast<ConnectionState>(state));
  }
  if (listener.counters->live() != of_profiles) return "a listener's live connections are not those of its profiles";
  if (in_states != of_profiles) return "a listener's connections by state are not those that it has";
  return nullptr;
}

const char* Engine::Validate(const Connection& conn) const {
  using State = Connection::State;
  const bool member = conn.handle.slot < memberships_.size() && memberships_[conn.handle.slot] != nullptr;
  if (member != conn.Has(Connection::kMember)) return "a connection and its sets disagree";
  if (member && conn.state_ != State::kOpen) return "in a set, and not open";
  if ((conn.cause_ == CloseCause::kNone) != (conn.state_ <= State::kOpen)) {
    return "a cause without an end, or an end without a cause";
  }
  if (peer_addresses_ != nullptr && !peer_addresses_->At(conn.handle.slot).empty() && !OptionsOf(conn).track_peers) {
    return "it has another's address";
  }
  if (conn.Has(Connection::kDirty)) return nullptr;  // the end of this turn goes on with it
  const uint32_t parked = conn.input_ == nullptr ? 0 : conn.input_->parked.count();
  const bool next_turn = std::find(next_turn_.begin(), next_turn_.end(), conn.handle) != next_turn_.end();
  if (next_turn) return nullptr;

  if (conn.output_ != nullptr) {
    if (conn.output_->queue.empty()) return "an output without a byte";
    if (!conn.Has(Connection::kSending)) return "bytes are queued and no send is in flight";
    if (OptionsOf(conn).write_stall_s != 0 && conn.state_ < State::kReleasing && !conn.timer_.armed() &&
        !conn.Has(Connection::kOutQueueAsked)) {
      return "nobody looks whether the write stalls";
    }
  } else if (conn.Has(Connection::kAboveHigh) && conn.state_ == State::kOpen) {
    return "over the high watermark with nothing queued";
  }
  if (conn.writer_ && !conn.Has(Connection::kWriterResuming) &&
      (!conn.Has(Connection::kAboveHigh) || conn.state_ != State::kOpen)) {
    return "a task waits for a queue that has room";
  }

  switch (conn.state_) {
    case State::kConnecting:
      if (!conn.Has(Connection::kOutbound)) return "it was accepted and nobody opens it";
      break;
    case State::kNaming:
      if (conn.Has(Connection::kOutbound)) return "nobody has asked for its address";
      if (conn.Has(Connection::kStarted)) return "it is served before its address is known";
      break;
    case State::kOpen: {
      const bool held = conn.Has(Connection::kPaused) || conn.ReadsHeld();
      const bool task = conn.Has(Connection::kTask);
      // Where blocks ran short, the end of that, or of its first attempt, looks at it again.
      const bool looked_at = conn.Has(Connection::kPressed | Connection::kFirstAttempt);
      if (parked != 0 && !task && MayDeliver(conn) && !looked_at) return "parked bytes may be delivered and nobody does";
      if (conn.Has(Connection::kEofDue) && parked == 0 && !held && !(task && conn.Has(Connection::kNoReader))) {
        return "the end of the stream is known and nobody tells the service";
      }
      if (conn.Has(Connection::kShutdownDue) && !conn.Has(Connection::kShutdownSent) && conn.output_ == nullptr) {
        return "a half-close is due and nobody asks for it";
      }
      if (OptionsOf(conn).idle_timeout_s != 0 && !conn.timer_.armed() && !conn.Has(Connection::kOutQueueAsked)) {
        return "no timer for the idle deadline";
      }
      if (conn.read_mode_ == ReadMode::kDeadline && !conn.timer_.armed() && !conn.Has(Connection::kOutQueueAsked)) {
        return "no timer for the service's deadline";
      }
      if (conn.Has(Connection::kReadingOff) && !held && parked == 0 && !conn.Has(Connection::kPressed) &&
          conn.retained_ < kRetainedPerConnection && !conn.Has(Connection::kEofSeen)) {
        return "reading is off without a reason";
      }
      break;
    }
    case State::kClosing:
      if (conn.output_ == nullptr) return "a close is due and nobody goes on with it";
      if (!conn.timer_.armed()) return "no timer for the close";
      break;
    case State::kLingering:
      if (!conn.timer_.armed()) return "no timer for the linger";
      if (!conn.Has(Connection::kShutdownSent)) return "lingers without its FIN";
      if (conn.Has(Connection::kReadingOff) && !conn.Has(Connection::kEofSeen)) return "lingers and does not read";
      break;
    case State::kReleasing:
      if (conn.timer_.armed()) return "a timer of a connection that is leaving";
      break;
    case State::kReleased:
      if (!conn.Has(Connection::kTask | Connection::kResuming | Connection::kWriterResuming | Connection::kSlotHeld)) {
        return "nothing holds a slot that is still taken";
      }
      break;
    case State::kCount: return "no state";
  }
  return nullptr;
}

}  // namespace mooring::net
