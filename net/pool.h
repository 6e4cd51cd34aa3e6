// SPDX-License-Identifier: Apache-2.0
// Pool: a shard's outbound connections to one target, lent to one exchange after the other.
//
//   struct Upstream { Pool pool{{.target = "db.example:5432", .connections_max = 8}}; };      // PerShard<Upstream>()
//
//   auto db = co_await Local<Upstream>().pool.Borrow(Seconds(2));
//   if (!db) co_return Refuse(conn, db.Explain());
//   db->Write(request);
//   auto answer = co_await db->ReadLine();
//   if (!answer) co_return;             // not returned: closed, whatever it still had to say
//   conn.Write(*answer);
//   db.Return();                        // the exchange is complete: the next one may have it
//
// A connection goes back only by Return(), so one whose borrower was cancelled, threw or gave up in mid-answer is
// closed. Idle ones are watched: one that the peer closes, or says something unasked on, or that nobody has borrowed for
// idle_max_age, is closed. The one returned last is borrowed first, so that a pool too large shrinks. In a drain idle
// ones are closed at once and borrowed ones when they come back; borrowing still works, for what is being answered.
//
//   Borrow ─┬─ an idle one ─────────────────────────┐          ┌── Return, clean ──> the first who waits, or idle
//           ├─ room: Connect ───────────────────────┴─ lent ───┤
//           └─ full: wait, first come first served ─┘          └── destroyed, or not clean: closed, its room goes on
//
// Threads:  one shard, inside its turn; counters from any. Made before its first turn, destroyed after the drain.
// Owns:     idle connections. Outlives what is borrowed.
// Limits:   connections_max at once, those being connected too; waiters_max who wait.
#ifndef MOORING_NET_POOL_H_
#define MOORING_NET_POOL_H_

#include <cstdint>
#include <iterator>
#include <list>
#include <string>
#include <string_view>
#include <utility>

#include "core/cancel_scope.h"
#include "core/clock.h"
#include "core/count_table.h"
#include "core/counters.h"
#include "core/shard.h"
#include "core/task.h"
#include "net/connect.h"
#include "net/connection.h"
#include "net/handler.h"

namespace mooring::net {

struct PoolOptions {
  std::string target;             // HOST:PORT, looked up for each new connection
  uint32_t connections_max = 16;  // of this shard. PostgreSQL takes 100 of all its clients together (max_connections)
  uint32_t waiters_max = 1024;    // who finds so many waiting is refused at once: they are some seconds late already
  // Idle for so long. Below the 60 s after which load balancers commonly close idle connections (nginx: 75 s).
  core::Nanos idle_max_age = 50 * core::kNanosPerSecond;
  ConnectOptions connect = {.deadline = 5 * core::kNanosPerSecond};  // of each new connection
};

enum class PoolCount : uint8_t {
  kOpened,            // connects that succeeded
  kReused,            // borrowed again, from among the idle or handed on
  kWaited,            // Borrows that found the pool full
  kTimedOut,          // Borrows whose deadline passed, waiting or connecting
  kRefused,           // Borrows that found waiters_max waiting
  kConnectFailed,
  kClosedUnreturned,  // the borrower went without Return
  kClosedUnclean,     // at Return: unread bytes, much that is not sent, or it had ended
  kClosedServed,      // by Borrowed::Close
  kClosedByPeer,      // while idle: EOF, reset
  kClosedUnasked,     // while idle: the peer said something
  kClosedOld,         // idle for idle_max_age
  kClosedInDrain,
  kClosedOther,       // while idle: the bounds of `connect`, the cut
  kCount
};
inline constexpr std::string_view kPoolCountNames[] = {
    "opened", "reused", "waited", "timed_out", "refused", "connect_failed", "closed_unreturned",
    "closed_unclean", "closed_served", "closed_by_peer", "closed_unasked", "closed_old", "closed_in_drain",
    "closed_other",
};
static_assert(std::size(kPoolCountNames) == static_cast<size_t>(PoolCount::kCount));

enum class BorrowFailure : uint8_t {
  kNone,
  kDeadline,     // passed
  kCancelled,    // the scope was
  kTooManyWait,  // waiters_max
  kConnect,      // a new connection failed
};

class Pool;

// What Borrow gives: a connection, or why not.
class [[nodiscard]] Borrowed {
 public:
  Borrowed() = default;
  Borrowed(Borrowed&& other) noexcept
      : pool_(other.pool_), conn_(std::exchange(other.conn_, nullptr)), reused_(other.reused_),
        failure_(other.failure_), why_(std::move(other.why_)) {}
  Borrowed& operator=(Borrowed&& other) noexcept {
    Borrowed taken(std::move(other));
    std::swap(pool_, taken.pool_);
    std::swap(conn_, taken.conn_);
    std::swap(reused_, taken.reused_);
    std::swap(failure_, taken.failure_);
    std::swap(why_, taken.why_);
    return *this;
  }
  ~Borrowed();  // without Return: aborts it. The peer need not finish an answer that nobody reads

  explicit operator bool() const { return conn_ != nullptr; }
  Connection* operator->() const { return conn_; }
  Connection& operator*() const { return *conn_; }
  // It has served before. Its peer may close it in the very moment in which it is borrowed: a request that ends without
  // a byte of an answer may be worth another connection, where it does no harm twice.
  bool reused() const { return reused_; }

  // The exchange is complete; views of its reads end. True when the pool keeps it; false when it had to be closed: it
  // has ended, it has bytes that nobody has read, much that is not sent, or the server drains.
  bool Return();
  // The exchange is complete, and it was the connection's last one, because both sides agreed so: closed with a good end.
  void Close();

  BorrowFailure failure() const { return failure_; }
  // Why there is none and what to do about it, in a line.
  std::string Explain() const;

 private:
  friend class Pool;
  Borrowed(Pool* pool, Connection* conn, bool reused) : pool_(pool), conn_(conn), reused_(reused) {}
  Borrowed(BorrowFailure failure, std::string why) : failure_(failure), why_(std::move(why)) {}

  Pool* pool_ = nullptr;
  Connection* conn_ = nullptr;
  bool reused_ = false;
  BorrowFailure failure_ = BorrowFailure::kNone;
  std::string why_;
};

class Pool {
 public:
  explicit Pool(PoolOptions options) : options_(std::move(options)) {}
  ~Pool();
  Pool(const Pool&) = delete;

  // Who has just found out that idle ones were stale takes none of them: a new one goes in an idle one's place.
  enum class Take : uint8_t { kAny, kNotIdle };
  // `deadline` from now, for waiting and connecting together; 0 is none but connect's own.
  core::Task<Borrowed> Borrow(core::Nanos deadline = 10 * core::kNanosPerSecond, Take take = Take::kAny);
  // An idle one now, or none.
  Borrowed TryBorrow();

  uint32_t idle() const { return static_cast<uint32_t>(idle_.size()); }
  uint32_t open() const { return taken_; }  // idle, borrowed and being connected
  uint32_t waiting() const { return waiting_; }
  const PoolOptions& options() const { return options_; }
  const core::CounterSet<PoolCount>& counters() const { return counters_.set(); }

 private:
  friend class Borrowed;
  class Turn;
  class Room;

  // An idle connection, which tells of what happens to it.
  struct Idle final : Handler {
    explicit Idle(Pool* p) : pool(p) {}
    void OnData(Connection&, alloc::Lease) override;
    void OnEof(Connection&) override;
    void OnDrain(Connection&) override;
    void OnClose(Connection&, CloseCause) override;

    Pool* const pool;
    Connection* conn = nullptr;
    int64_t since_ms = 0;
    std::list<Idle>::iterator self;
  };

  static bool Clean(const Connection& conn);
  bool GiveBack(Connection* conn);
  void CloseServed(Connection* conn);
  void Discard(Connection* conn);
  Connection* TakeIdle();
  void Leave(Idle* idle);  // the list; its connection is nobody's
  void RoomLeft();
  void ArmOldest();
  void CloseOld();
  void CloseOneIdle();

  const PoolOptions options_;
  uint32_t taken_ = 0;    // of connections_max
  uint32_t waiting_ = 0;
  Turn* first_ = nullptr;
  Turn* last_ = nullptr;
  std::list<Idle> idle_;   // the one returned last comes first
  std::list<Idle> spare_;  // entries for those to come
  core::CallTimer oldest_;
  core::SharedCounts<PoolCount> counters_{"pool", options_.target, kPoolCountNames};
};

}  // namespace mooring::net

#endif  // MOORING_NET_POOL_H_
