// SPDX-License-Identifier: Apache-2.0
// Engine: listeners: how freely they may accept, what happens when they can't, and how they end in a drain.
#include <algorithm>
#include <utility>

#include "net/engine.h"
#include "net/reader.h"

namespace mooring::net {

ListenerId Engine::AddListener(std::string name, Handler* handler, const ServiceOptions& options,
                               const ListenerBounds& bounds) {
  EnsurePeerAddresses(options);
  auto listener = std::make_unique<Listener>();
  listener->name = std::move(name);
  listener->handler = handler;
  listener->options = options;
  listener->bounds = bounds;
  listener->engine = this;
  listener->id = static_cast<ListenerId>(listeners_.size());
  listener->timer.argument = listener.get();
  listeners_.push_back(std::move(listener));
  return listeners_.back()->id;
}

void Engine::Listen(ListenerId id, int listen_fd, int backlog, bool shared) {
  Listener& listener = *listeners_[id];
  listener.backlog = backlog;
  listener.listening = true;
  backlogs_ += static_cast<uint32_t>(backlog);
  ++listeners_open_;
  transport_->Listen(id, listen_fd, backlog, shared);
  UpdateAcceptModes(/*again=*/false);
}


// Once a turn: what was accepted unasked and what was released, in one step.
void Engine::SettleCredit() {
  for (auto& listener : listeners_) SettleCredit(*listener);
  const int64_t net = std::exchange(returned_, 0) - std::exchange(unasked_, 0);
  Credit* credit = options_.credit;
  if (credit != nullptr && net > 0) {
    credit->Give(net);
    WakeWaiting(credit);
  }
  if (credit != nullptr && net < 0) credit->TakeUnasked(-net);
  UpdateAcceptModes(/*again=*/false);
}

// `again` also tells a transport that is stuck for want of credit, or of a token.
void Engine::UpdateAcceptModes(bool again) {
  for (auto& listener : listeners_) {
    if (!listener->listening || listener->backing_off) continue;
    const AcceptMode mode = ModeOf(*listener);
    if (listener->told == mode && !(again && mode == AcceptMode::kNear)) continue;
    listener->told = mode;
    EndStop(*listener);
    transport_->SetAcceptMode(listener->id, mode);
  }
}

// Out of descriptors or memory: try again after 10 ms, doubling to a second.
void Engine::OnAcceptError(ListenerId id, int error) {
  Listener& listener = *listeners_[id];
  counters_.Add(EngineCount::kAcceptErrors);
  accept_failures_.Add(FailureOf(error));
  listener.told = AcceptMode::kStopped;
  listener.backing_off = true;
  if (listener.timer.armed()) return;  // it waits to be stopped, and that tries again
  listener.backoff_ms = std::clamp(listener.backoff_ms * 2, 10u, 1000u);
  listener.timer.call = [](void* argument) {
    auto* due = static_cast<Listener*>(argument);
    due->backing_off = false;
    due->engine->UpdateAcceptModes(/*again=*/false);
  };
  shard_->wheel().Arm(&listener.timer, core::TimerKind::kFunction, shard_->now_ms() + listener.backoff_ms);
}

void Engine::OnAcceptStopped(ListenerId id) {
  Listener& listener = *listeners_[id];
  listener.listening = false;
  backlogs_ -= static_cast<uint32_t>(listener.backlog);
  --listeners_open_;
}

// Drain.
//
//   1. new handshakes are refused; for 200 ms those under way finish and are accepted
//   2. the listener's queue is emptied and the listener closes
//   3. meanwhile each connection, once all that the kernel holds of it has been read and delivered, gets its notice:
//      it answers, says goodbye and closes; a reader with half a message may finish it first
//   4. at the deadline the caller cuts what is left (CutAll)

void Engine::BeginDrain(std::function<void()> drained, std::function<void()> served) {
  if (draining_) return;
  on_drained_ = std::move(drained);
  on_served_ = std::move(served);
  draining_ = true;
  drain_looking_ = true;
  for (auto& listener : listeners_) {
    if (!listener->listening) continue;
    listener->stopping = true;
    transport_->RefuseNew(listener->id);
    listener->timer.call = [](void* argument) {
      auto* due = static_cast<Listener*>(argument);
      due->engine->StopListener(*due);
    };
    shard_->wheel().Arm(&listener->timer, core::TimerKind::kFunction, shard_->now_ms() + kRefuseMs);
  }
}

void Engine::StopListener(Listener& listener) {
  listener.backing_off = false;
  UpdateAcceptModes(/*again=*/false);
  transport_->StopAccept(listener.id, /*empty_queue=*/true);
}

// One look at all connections that have not had their notice, but for those that are not read: they resume, or are cut.
// A connection has been read to the end when a Poll that began with its receive armed left nothing behind; the look
// before that Poll is its first, the one after it its second. The kernel hands over a bounded part of what it holds in
// each turn, so a busy shard gets more looks the more connections it has, and then goes on without waiting for peers
// that never stop. Where a Poll brings one block of a connection, a look is as many turns as others bring blocks.
void Engine::DrainTurn() {
  const bool counts = drain_turns_++ % (Transport::kKernelBatch / transport_->ReceiveBatch()) == 0;
  if (counts) ++drain_looks_;
  const bool to_end = transport_->ReadToEnd();
  const bool enough = drain_looks_ > kDrainLooks + live() / kDrainLooks;
  drain_looking_ = false;
  connections_.ForEach([&](Connection* conn) {
    if (conn->state_ != Connection::State::kOpen) return;
    if (conn->Has(Connection::kDrainNoticed | Connection::kOwned)) return;  // an owner has its own notice, elsewhere
    if (conn->Has(Connection::kReadingOff | Connection::kPaused)) {
      // Nobody looks at it now. What it holds back comes in the first few turns that read it again.
      conn->drain_looks_ = std::min<uint8_t>(conn->drain_looks_, kDrainLooks - kDrainLooksAgain);
      return;
    }
    if (conn->drain_looks_ < 2 || (counts && conn->drain_looks_ < kDrainLooks)) ++conn->drain_looks_;
    const bool looked = conn->drain_looks_ >= 2 && (to_end || (enough && conn->drain_looks_ >= kDrainLooks));
    if (!looked) {
      drain_looking_ = true;  // look again at once
    } else {
      Notice(*conn);  // if it is not ready, it waits for its peer: the next turn in which something happens looks again
    }
  });
}

// Nothing while the connection is not ready for it: something received has not been delivered, or a message has begun.
void Engine::Notice(Connection& conn) {
  if (conn.input_ != nullptr && !conn.input_->parked.empty()) return;
  if (conn.Has(Connection::kTask)) {
    conn.Set(Connection::kDrainDue);  // a task that is elsewhere hears it from its next read
    if (conn.Has(Connection::kNoReader) || Reader::Begun(conn)) return;
    conn.Unset(Connection::kDrainDue);
    conn.Set(Connection::kDrainNoticed);
    return Reader::Fail(conn, ReadReason::kDraining);
  }
  conn.Set(Connection::kDrainNoticed);
  Call(conn, [&](Handler& handler) { handler.OnDrain(conn); });
}

uint32_t Engine::CutAll() {
  uint32_t cut = 0;
  cut_ = true;
  for (auto& listener : listeners_) {
    shard_->wheel().Cancel(&listener->timer);
    if (listener->listening) transport_->StopAccept(listener->id, /*empty_queue=*/false);
  }
  connections_.ForEach([&](Connection* conn) {
    ++cut;
    conn->scope_.Cancel();  // an owned one has no task of its own: its owner's waits end with it
    End(*conn, CloseCause::kDrainDeadline, /*abort=*/true);
  });
  return cut;
}

}  // namespace mooring::net
