// SPDX-License-Identifier: Apache-2.0
// Engine: deadlines of connections. One timer each, lazily re-armed, in whole seconds.
//
// A deadline d seconds after an event is due at the first whole second that is at least d later; so the timers of
// 100,000 idle connections wake the shard at most once a second.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "net/engine.h"
#include "net/reader.h"

namespace mooring::net {

void Engine::ArmAt(Connection& conn, uint32_t due_s) {
  const int64_t due_ms = epoch_ms_ + int64_t{due_s} * 1000;
  if (conn.timer_.armed() && conn.timer_.deadline_ms() <= due_ms) return;  // fires earlier, and looks
  shard_->wheel().Arm(&conn.timer_, core::TimerKind::kConnection, due_ms);
}

void Engine::ArmIdle(Connection& conn) {
  const uint32_t idle = OptionsOf(conn).idle_timeout_s;
  if (idle != 0) ArmAt(conn, conn.last_activity_s_ + idle + 1);
}

void Engine::OnDeadline(Connection& conn) {
  using State = Connection::State;
  const uint32_t now = now_s();
  if (conn.state_ == State::kLingering) {
    const uint32_t due = std::min(conn.last_activity_s_ + kLingerIdleSeconds, conn.read_max_ + kLingerTotalSeconds) + 1;
    if (now < due) return ArmAt(conn, due);
    counters_.Add(EngineCount::kLingerExpired);
    return CloseTransport(conn);
  }
  if (conn.state_ != State::kOpen && conn.state_ != State::kClosing) return;

  const ServiceOptions& options = OptionsOf(conn);
  if (conn.output_ != nullptr && options.write_stall_s != 0) {
    const uint32_t due = conn.output_->stalled_since_s + options.write_stall_s + 1;
    if (now < due) {
      ArmAt(conn, due);
    } else if (!conn.Has(Connection::kOutQueueAsked)) {
      conn.Set(Connection::kOutQueueAsked);
      transport_->AskOutQueue(conn.handle);  // the answer decides
    }
  }
  if (conn.state_ == State::kClosing) {
    // A peer that takes nothing of what is queued for it is not waited for longer than one that does not answer our FIN.
    const uint32_t due = conn.last_activity_s_ + kLingerTotalSeconds + 1;
    if (now < due) return ArmAt(conn, due);
    counters_.Add(EngineCount::kLingerExpired);
    return End(conn, CloseCause::kWriteStalled, /*abort=*/true);  // the cause it closes for stays
  }

  if ((options.first_byte_s | options.max_age_s) != 0) {
    LookAtLimits(conn, options);
    if (conn.state_ != State::kOpen) return;
  }
  if (conn.input_ != nullptr && conn.input_->deadline_ms != 0) {
    if (shard_->now_ms() >= conn.input_->deadline_ms) {
      Reader::Fail(conn, ReadReason::kDeadline);
    } else {
      ArmAt(conn, static_cast<uint32_t>((conn.input_->deadline_ms - epoch_ms_ + 999) / 1000));
    }
  }
  if (conn.read_mode_ == ReadMode::kDeadline) {
    if (now >= conn.read_max_) {
      conn.read_mode_ = ReadMode::kNone;
      Call(conn, [&](Handler& handler) { handler.OnDeadline(conn); });
      if (conn.state_ != State::kOpen) return;
    } else {
      ArmAt(conn, conn.read_max_);
    }
  }
  if (options.idle_timeout_s != 0) {
    // A connection that is being served is not idle: its queue is not empty, or its task is at work. A task whose read
    // has just failed, by the read's own deadline above, is not: else who reads again and again were never idle.
    const bool at_work =
        conn.Has(Connection::kTask) && conn.Has(Connection::kNoReader) && !conn.Has(Connection::kResuming);
    const bool served = conn.output_ != nullptr || at_work;
    if (served) conn.last_activity_s_ = now;
    const uint32_t due = conn.last_activity_s_ + options.idle_timeout_s + 1;
    if (now < due) return ArmAt(conn, due);
    End(conn, CloseCause::kIdle, /*abort=*/false);
  }
}

// The peer has acknowledged all that was taken but `result` bytes. Progress since the last look earns another period; so
// does the first look, before which nothing is known of it: the shard itself may have been late.
void Engine::OnOutQueue(ConnId id, int result) {
  Connection& conn = *connections_.At(id.slot);
  conn.Unset(Connection::kOutQueueAsked);
  Output* output = conn.output_;
  if (output == nullptr || conn.state_ >= Connection::State::kReleasing) return;
  const uint32_t stall = OptionsOf(conn).write_stall_s;
  // Where the transport cannot tell, bytes taken are the only sign of progress.
  const uint32_t acknowledged = result >= 0 ? output->taken - static_cast<uint32_t>(result) : output->taken;
  const bool first = !std::exchange(output->asked, true);
  const bool due = now_s() >= output->stalled_since_s + stall + 1;
  if (!first && due && acknowledged == output->acknowledged) return End(conn, CloseCause::kWriteStalled, /*abort=*/true);
  if (first || acknowledged != output->acknowledged) output->stalled_since_s = now_s();
  output->acknowledged = acknowledged;
  ArmAt(conn, output->stalled_since_s + stall + 1);
}

}  // namespace mooring::net
