// SPDX-License-Identifier: Apache-2.0
#include "net/pool.h"

#include <algorithm>
#include <coroutine>

#include "absl/strings/str_cat.h"
#include "net/engine.h"

namespace mooring::net {

// Someone who waits: is given a connection, or room to make one.
class Pool::Turn final : private core::WaitPoint {
 public:
  enum class End : uint8_t { kConnection, kRoom, kDeadline, kCancelled };

  Turn(Pool* pool, int64_t deadline_ms) : pool_(pool), deadline_ms_(deadline_ms) {}
  Turn(const Turn&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> task) {
    handle = task;
    cancel = [](WaitPoint* self) { static_cast<Turn*>(self)->Finish(End::kCancelled, nullptr); };
    Begin(task.promise().scope());
  }
  End await_resume() {
    scope_->Clear();
    return end_;
  }
  Connection* connection() const { return conn_; }

  void Finish(End end, Connection* conn) {
    if (finished_) return;
    finished_ = true;
    end_ = end;
    conn_ = conn;
    core::Shard* shard = core::Shard::Current();
    if (timer_.armed()) shard->wheel().Cancel(&timer_);
    if (queued_) Unlink();
    shard->MakeRunnable(handle);
  }

 private:
  void Begin(core::CancelScope* scope) {
    scope_ = scope;
    if (scope->cancelled()) return Finish(End::kCancelled, nullptr);
    scope->WaitAt(this);
    queued_ = true;
    before_ = pool_->last_;
    (before_ == nullptr ? pool_->first_ : before_->next_) = this;
    pool_->last_ = this;
    ++pool_->waiting_;
    if (deadline_ms_ == 0) return;
    timer_.argument = this;
    timer_.call = [](void* self) { static_cast<Turn*>(self)->Finish(End::kDeadline, nullptr); };
    core::Shard::Current()->wheel().Arm(&timer_, core::TimerKind::kFunction, deadline_ms_);
  }
  void Unlink() {
    queued_ = false;
    (before_ == nullptr ? pool_->first_ : before_->next_) = next_;
    (next_ == nullptr ? pool_->last_ : next_->before_) = before_;
    --pool_->waiting_;
  }

  Pool* const pool_;
  const int64_t deadline_ms_;
  core::CancelScope* scope_ = nullptr;
  core::CallTimer timer_;
  Turn* before_ = nullptr;
  Turn* next_ = nullptr;
  Connection* conn_ = nullptr;
  End end_ = End::kCancelled;
  bool queued_ = false;
  bool finished_ = false;
};

// Room for one connection, given back unless a connection has come to fill it.
class Pool::Room {
 public:
  explicit Room(Pool* pool) : pool_(pool) {}
  Room(const Room&) = delete;
  ~Room() {
    if (!filled_) pool_->RoomLeft();
  }
  void Filled() { filled_ = true; }

 private:
  Pool* const pool_;
  bool filled_ = false;
};

core::Task<Borrowed> Pool::Borrow(core::Nanos deadline, Take take) {
  if (take == Take::kAny) {
    if (Borrowed now = TryBorrow()) co_return now;
  } else if (taken_ >= options_.connections_max && !idle_.empty()) {
    CloseOneIdle();
  }
  core::Shard* const shard = core::Shard::Current();
  const int64_t deadline_ms = deadline == 0 ? 0 : shard->DeadlineMs(deadline);
  if (taken_ < options_.connections_max) {
    ++taken_;
  } else {
    if (waiting_ >= options_.waiters_max) {
      counters_.Add(PoolCount::kRefused);
      co_return Borrowed(BorrowFailure::kTooManyWait,
                         absl::StrCat(options_.target, ": ", waiting_, " wait already for one of ",
                                      options_.connections_max, " connections: raise connections_max, or ask less"));
    }
    counters_.Add(PoolCount::kWaited);
    Turn turn(this, deadline_ms);
    const Turn::End end = co_await turn;
    switch (end) {
      case Turn::End::kConnection: counters_.Add(PoolCount::kReused); co_return Borrowed(this, turn.connection(), true);
      case Turn::End::kRoom: break;
      case Turn::End::kDeadline:
        counters_.Add(PoolCount::kTimedOut);
        co_return Borrowed(BorrowFailure::kDeadline,
                           absl::StrCat(options_.target, ": none of ", options_.connections_max,
                                        " connections came back in time: raise connections_max, or ask less"));
      case Turn::End::kCancelled:
        co_return Borrowed(BorrowFailure::kCancelled, absl::StrCat(options_.target, ": cancelled"));
    }
  }

  Room room(this);
  ConnectOptions options = options_.connect;
  bool shortened = false;
  if (deadline_ms != 0) {
    const core::Nanos left = std::max<int64_t>(deadline_ms - shard->now_ms(), 1) * core::kNanosPerMs;
    shortened = options.deadline == 0 || left < options.deadline;
    if (shortened) options.deadline = left;
  }
  auto made = co_await Connect(options_.target, options);
  if (made) {
    counters_.Add(PoolCount::kOpened);
    room.Filled();
    co_return Borrowed(this, std::exchange(made.connection.conn_, nullptr), false);
  }
  if (made.failure == ConnectFailure::kCancelled) co_return Borrowed(BorrowFailure::kCancelled, made.Explain());
  if (shortened && made.failure == ConnectFailure::kDeadline) {
    counters_.Add(PoolCount::kTimedOut);
    co_return Borrowed(BorrowFailure::kDeadline, made.Explain());
  }
  counters_.Add(PoolCount::kConnectFailed);
  co_return Borrowed(BorrowFailure::kConnect, made.Explain());
}

Borrowed Pool::TryBorrow() {
  Connection* conn = TakeIdle();
  if (conn == nullptr) return {};
  counters_.Add(PoolCount::kReused);
  return Borrowed(this, conn, true);
}

Pool::~Pool() {
  Engine* engine = Engine::Current();
  if (engine == nullptr) return;  // they have gone with it
  for (Idle& idle : idle_) {
    idle.conn->TakeBack();
    idle.conn->Close();
  }
}

// Nothing of this exchange is left over: what comes next is the answer to what is asked next.
bool Pool::Clean(const Connection& conn) {
  // That a send is under way still says little: the peer's answer to it may be told before its end.
  constexpr uint32_t kUnclean = Connection::kEofSeen | Connection::kShutdownDue | Connection::kPaused |
                                Connection::kResuming | Connection::kWriterResuming | Connection::kAboveHigh;
  if (!conn.open() || conn.Has(kUnclean)) return false;
  if (conn.waiter_or_handler_ != nullptr || conn.writer_) return false;  // somebody else reads or writes on
  return conn.input_ == nullptr || (conn.input_->current.empty() && conn.input_->parked.empty());
}

bool Pool::GiveBack(Connection* conn) {
  Engine* engine = Engine::Current();
  const bool clean = Clean(*conn);
  if (!clean || engine->draining()) {
    counters_.Add(clean ? PoolCount::kClosedInDrain : PoolCount::kClosedUnclean);
    if (!clean && !conn->Has(Connection::kEofSeen)) conn->Abort();
    engine->LetGo(*conn);
    RoomLeft();
    return false;
  }
  engine->DropInput(*conn);
  if (first_ != nullptr) {
    first_->Finish(Turn::End::kConnection, conn);
    return true;
  }
  if (spare_.empty()) {
    spare_.emplace_front(this);
    spare_.front().self = spare_.begin();
  }
  idle_.splice(idle_.begin(), spare_, spare_.begin());
  Idle& idle = idle_.front();
  idle.conn = conn;
  idle.since_ms = core::Shard::Current()->now_ms();
  conn->Unset(Connection::kTask | Connection::kOwned | Connection::kNoReader);
  conn->Lend(&idle);
  engine->MarkDirty(*conn);  // whether it is read depended on its owner
  ArmOldest();
  return true;
}

void Pool::CloseServed(Connection* conn) {
  counters_.Add(PoolCount::kClosedServed);
  Engine::Current()->LetGo(*conn);
  RoomLeft();
}

void Pool::Discard(Connection* conn) {
  counters_.Add(PoolCount::kClosedUnreturned);
  Engine* engine = Engine::Current();
  if (engine == nullptr) return;  // it has gone with its engine
  conn->Abort();
  engine->LetGo(*conn);
  RoomLeft();
}

Connection* Pool::TakeIdle() {
  while (!idle_.empty()) {
    Idle& idle = idle_.front();
    Connection* conn = idle.conn;
    const bool ended = !conn->open();  // a moment ago: it would be told next
    Leave(&idle);
    if (ended) {
      counters_.Add(PoolCount::kClosedByPeer);
      RoomLeft();
      continue;
    }
    Engine::Current()->Own(*conn);
    return conn;
  }
  return nullptr;
}

void Pool::Leave(Idle* idle) {
  idle->conn->TakeBack();
  idle->conn = nullptr;
  spare_.splice(spare_.begin(), idle_, idle->self);
}

// A connection is gone, or did not come about: who waits first may make one in its place.
void Pool::RoomLeft() {
  if (first_ != nullptr) return first_->Finish(Turn::End::kRoom, nullptr);
  --taken_;
}

void Pool::ArmOldest() {
  if (oldest_.armed() || idle_.empty() || options_.idle_max_age == 0) return;
  oldest_.argument = this;
  oldest_.call = [](void* self) { static_cast<Pool*>(self)->CloseOld(); };
  const int64_t due_ms = idle_.back().since_ms + (options_.idle_max_age + core::kNanosPerMs - 1) / core::kNanosPerMs;
  core::Shard::Current()->wheel().Arm(&oldest_, core::TimerKind::kFunction, due_ms);
}

void Pool::CloseOld() {
  const int64_t now_ms = core::Shard::Current()->now_ms();
  const int64_t age_ms = (options_.idle_max_age + core::kNanosPerMs - 1) / core::kNanosPerMs;
  while (!idle_.empty() && idle_.back().since_ms + age_ms <= now_ms) CloseOneIdle();
  ArmOldest();
}

// The one that has been idle for longest.
void Pool::CloseOneIdle() {
  Idle& idle = idle_.back();
  Connection* conn = idle.conn;
  Leave(&idle);
  counters_.Add(PoolCount::kClosedOld);
  conn->Close();
  RoomLeft();
}

void Pool::Idle::OnData(Connection& conn, alloc::Lease) {
  Pool* of = pool;
  of->Leave(this);
  of->counters_.Add(PoolCount::kClosedUnasked);
  conn.Abort();
  of->RoomLeft();
}

void Pool::Idle::OnEof(Connection& conn) {
  Pool* of = pool;
  of->Leave(this);
  of->counters_.Add(PoolCount::kClosedByPeer);
  conn.Close();
  of->RoomLeft();
}

void Pool::Idle::OnDrain(Connection& conn) {
  Pool* of = pool;
  of->Leave(this);
  of->counters_.Add(PoolCount::kClosedInDrain);
  conn.Close();
  of->RoomLeft();
}

void Pool::Idle::OnClose(Connection&, CloseCause cause) {
  Pool* of = pool;
  of->Leave(this);
  const bool peer = cause == CloseCause::kPeerReset || cause == CloseCause::kPeerTimedOut;
  of->counters_.Add(peer ? PoolCount::kClosedByPeer : PoolCount::kClosedOther);
  of->RoomLeft();
}

Borrowed::~Borrowed() {
  if (conn_ != nullptr) pool_->Discard(conn_);
}

void Borrowed::Close() {
  if (conn_ != nullptr) pool_->CloseServed(std::exchange(conn_, nullptr));
}

bool Borrowed::Return() { return conn_ != nullptr && pool_->GiveBack(std::exchange(conn_, nullptr)); }

std::string Borrowed::Explain() const {
  if (conn_ != nullptr) return "borrowed";
  return failure_ == BorrowFailure::kNone ? "none is borrowed" : why_;
}

}  // namespace mooring::net
