// SPDX-License-Identifier: Apache-2.0
// Engine: drain, and the notices that it gives, also to some connections while the server goes on.
//
//   1. new handshakes are refused; for 200 ms those under way finish and are accepted
//   2. the listener's queue is emptied and the listener closes
//   3. meanwhile each connection is called: all at once, or one after the other over a time
//   4. once all that the kernel holds of a called one has been read and delivered, it gets its notice: it answers, says
//      goodbye and closes; a reader with half a message may finish it first
//   5. at the deadline the caller cuts what is left (CutAll)
#include <algorithm>
#include <utility>

#include "net/engine.h"
#include "net/reader.h"

namespace mooring::net {

void Engine::BeginDrain(const DrainOptions& options, std::function<void()> drained, std::function<void()> served) {
  if (draining_) return;
  on_drained_ = std::move(drained);
  on_served_ = std::move(served);
  draining_ = true;
  for (auto& listener : listeners_) {
    if (listener->listening && !listener->stopping) RefuseThenStop(*listener);
  }
  Spread all = {.ids = {}, .began_ms = shard_->now_ms(), .spread_ms = options.spread_ms,
                .why = Connection::NoticeWhy::kDrain};
  all.ids.reserve(live());
  connections_.ForEach([&](Connection* conn) {
    if (conn->state_ == Connection::State::kOpen && !conn->called_) all.ids.push_back(conn->handle);
  });
  spreads_.push_back(std::move(all));
  drain_looking_ = true;
}

void Engine::NotifyConnections(ListenerId id, uint32_t percent, int64_t spread_ms) {
  Listener& listener = *listeners_[id];
  if (percent >= 100 && listener.retired) listener.notify_all = true;
  Spread some = {.ids = {}, .began_ms = shard_->now_ms(), .spread_ms = spread_ms,
                 .why = Connection::NoticeWhy::kOperator};
  connections_.ForEach([&](Connection* conn) {
    const bool open = conn->state_ == Connection::State::kOpen && !conn->called_;
    if (open && ListenerOf(*conn) == id) some.ids.push_back(conn->handle);
  });
  // So many of them, each as likely as any other (Knuth, 3.4.2, algorithm S). Where a shard's part is no whole number,
  // chance rounds it, so that all shards together come out right.
  const size_t all = some.ids.size();
  size_t wanted = std::min<size_t>(all, (all * percent + Random() % 100) / 100);
  size_t kept = 0;
  for (size_t i = 0; i < all && wanted > 0; ++i) {
    if (Random() % (all - i) >= wanted) continue;
    some.ids[kept++] = some.ids[i];
    --wanted;
  }
  some.ids.resize(kept);
  if (kept == 0) return;
  spreads_.push_back(std::move(some));
  drain_looking_ = true;
}

// splitmix64
uint64_t Engine::Random() {
  uint64_t mixed = random_ += 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
  return mixed ^ mixed >> 31;
}

void Engine::CallForNotice(Connection& conn, Connection::NoticeWhy why) {
  if (conn.called_ || conn.state_ != Connection::State::kOpen) return;
  conn.called_ = true;
  conn.notice_why_ = why;
  called_.push_back({.id = conn.handle, .since = drain_looks_});
}

// One that has just been opened.
void Engine::CallNewcomer(Connection& conn) {
  if (draining_) [[unlikely]] {
    for (Spread& spread : spreads_) {
      if (spread.why == Connection::NoticeWhy::kDrain) return spread.ids.push_back(conn.handle);
    }
    return CallForNotice(conn, Connection::NoticeWhy::kDrain);
  }
  if (conn.profile_ < kOwnedProfile && listeners_[profiles_[conn.profile_]->listener]->notify_all) [[unlikely]] {
    CallForNotice(conn, Connection::NoticeWhy::kOperator);
  }
}

// The i-th of n is called when i/n of the time have passed.
void Engine::CallDue() {
  const int64_t now = shard_->now_ms();
  int64_t next_ms = 0;
  for (Spread& spread : spreads_) {
    const int64_t passed = now - spread.began_ms;
    const auto count = static_cast<int64_t>(spread.ids.size());
    const int64_t due = passed >= spread.spread_ms ? count : passed * count / spread.spread_ms + 1;
    for (; spread.next < static_cast<size_t>(std::min(due, count)); ++spread.next) {
      Connection* conn = connections_.Find(spread.ids[spread.next]);
      if (conn != nullptr) CallForNotice(*conn, spread.why);
    }
    if (spread.next == spread.ids.size()) continue;
    const int64_t at = spread.began_ms + static_cast<int64_t>(spread.next) * spread.spread_ms / count;
    if (next_ms == 0 || at < next_ms) next_ms = at;
  }
  std::erase_if(spreads_, [](const Spread& spread) { return spread.next == spread.ids.size(); });
  if (spreads_.empty()) return;
  notice_timer_.call = [](void*) {};  // the end of the turn looks
  shard_->wheel().Arm(&notice_timer_, core::TimerKind::kFunction, std::max(next_ms, now + kNoticeStepMs));
}

// One look at all connections that were called and have not had their notice, but for those that are not read: they
// resume, or are cut. A connection has been read to the end when a Poll that began with its receive armed left nothing
// behind; the look before that Poll is its first, the one after it its second. The kernel hands over a bounded part of
// what it holds in each turn, so a busy shard gets more looks the more connections it has, and then goes on without
// waiting for peers that never stop. Where a Poll brings one block of a connection, a look is as many turns as others
// bring blocks.
void Engine::NoticeTurn() {
  CallDue();
  const bool counts = drain_turns_++ % (Transport::kKernelBatch / transport_->ReceiveBatch()) == 0;
  if (counts) ++drain_looks_;
  const bool to_end = transport_->ReadToEnd();
  drain_looking_ = false;
  size_t kept = 0;
  for (size_t i = 0; i < called_.size(); ++i) {
    Called called = called_[i];
    Connection* conn = connections_.Find(called.id);
    if (conn == nullptr || conn->state_ != Connection::State::kOpen || conn->Has(Connection::kDrainNoticed)) continue;
    if (conn->Has(Connection::kOwned)) continue;  // an owner has its own notice, elsewhere
    if (conn->Has(Connection::kReadingOff | Connection::kPaused)) {
      // Nobody looks at it now. What it holds back comes in the first few turns that read it again.
      called.looks = std::min<uint8_t>(called.looks, kDrainLooks - kDrainLooksAgain);
    } else {
      if (called.looks < 2 || (counts && called.looks < kDrainLooks)) ++called.looks;
      const bool enough =
          called.looks >= kDrainLooks && drain_looks_ - called.since > kDrainLooks + live() / kDrainLooks;
      if (called.looks < 2 || (!to_end && !enough)) {
        drain_looking_ = true;  // look again at once
      } else {
        Notice(*conn);
        // Or a task will hear it from its next read.
        if (conn->Has(Connection::kDrainNoticed | Connection::kDrainDue)) continue;
        // Not ready: it waits for its peer. The next turn in which something happens looks again.
      }
    }
    called_[kept++] = called;
  }
  called_.resize(kept);
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
  spreads_.clear();
  called_.clear();
  drain_looking_ = false;
  shard_->wheel().Cancel(&notice_timer_);
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
