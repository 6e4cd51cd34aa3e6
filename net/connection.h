// SPDX-License-Identifier: Apache-2.0
// Connection: one peer on one shard, for life, in 128 bytes.
//
// What a waiting connection does not need is not here: received bytes that wait (Input) and bytes to send (Output) are
// made when there are some and go when there are none. Nothing here makes a system call or calls a service: Write,
// Pause, Close and Abort mark, and the engine acts later in the turn.
//
//   kOpen ──Close──> kClosing ──queue sent──> kLingering ──EOF or deadline──> kReleasing ──last operation──> slot free
//     └──────────────── Abort, reset, or EOF already seen: straight to ────────────┘
//
// Before kOpen one that this side began is kConnecting, and an accepted one whose peer is tracked kNaming: what it
// receives meanwhile is parked.
//
// Threads:  one shard, inside its turn.
// Owns:     its Input, its Output and the handler made by New.
#ifndef MOORING_NET_CONNECTION_H_
#define MOORING_NET_CONNECTION_H_

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <new>
#include <string_view>
#include <utility>

#include "alloc/buffer_pool.h"
#include "alloc/shared_bytes.h"
#include "alloc/slab.h"
#include "core/cancel_scope.h"
#include "core/shard.h"
#include "core/task.h"
#include "core/timer_wheel.h"
#include "net/address.h"
#include "net/close_cause.h"
#include "net/connection_state.h"
#include "net/handler.h"
#include "net/lease_queue.h"
#include "net/read_result.h"

namespace mooring::net {

class Engine;
class ReadAwaiter;
class WritableAwaiter;

// The name of a connection in the process: safe to keep; a stale one names nobody. shard:10 | slot:22 | generation:32.
struct ConnectionId {
  uint64_t value = 0;
  uint32_t shard() const { return static_cast<uint32_t>(value >> 54); }
  uint32_t slot() const { return static_cast<uint32_t>(value >> 32) & 0x3fffff; }
  uint32_t generation() const { return static_cast<uint32_t>(value); }
  friend bool operator==(ConnectionId a, ConnectionId b) { return a.value == b.value; }
};

// Bytes received that the service has not taken.
struct Input {
  alloc::Lease current;      // what the reader reads: a receive block, or the carry block of a suspended reader
  LeaseQueue parked;         // what came while nobody could take it
  uint32_t scanned = 0;      // of current, already looked through for a terminator
  int64_t deadline_ms = 0;   // of the read under way; 0 is none
};

// Bytes that the service has written and the kernel has not taken.
struct Output {
  LeaseQueue queue;
  uint32_t taken = 0;         // by the kernel since this Output began, modulo 2^32
  uint32_t acknowledged = 0;  // of them, when last asked
  bool asked = false;         // `acknowledged` is known
  uint32_t stalled_since_s = 0;
};

class Connection {
 public:
  // Writes never block: they queue, and the queue is sent at the end of the turn. False after Close, Abort or the
  // peer's reset, when the queue is over its hard cap, or when there is no memory (each counted); what happens to the
  // connection then is its cause.
  bool Write(std::string_view bytes);            // copies
  bool Write(alloc::Lease lease);                // does not
  bool Write(const alloc::SharedBytes& bytes);   // does not, ever; false too when it has no body
  // Waits until the queue is below the low watermark; ready at once unless it has reached the high one.
  WritableAwaiter Writable();

  // Reads. One at a time; the view of a result lives until the next read. See read_result.h.
  ReadAwaiter Read(ReadOptions options = {});
  ReadAwaiter ReadExactly(uint32_t n, ReadOptions options = {});
  ReadAwaiter ReadLine(ReadOptions options = {});                               // LF or CRLF, not part of the view
  ReadAwaiter ReadUntil(std::string_view terminator, ReadOptions options = {});  // 1 to 4 bytes, not part of the view
  // The bytes that the last read has shown, as a lease: no copy, and still there after the next read. A proxy writes it
  // on. The block behind them stays charged to this connection. REQUIRES: `result` is of the last read, and true.
  alloc::Lease Keep(const ReadResult& result);
  std::string_view Partial() const;  // what is left of an unfinished message, after a read that failed

  // Stops delivery; at most 33 blocks that are under way are kept. Callbacks only: a task pauses by not reading.
  void Pause();
  void Resume();

  // Callbacks only. OnDeadline is called once, `after` from now, rounded up to a whole second. Said again, it is moved; 0
  // is none. One a connection: it costs neither memory nor a timer of its own.
  void SetDeadline(core::Nanos after);
  // Callbacks only. The slot stays taken, and this object with it, when OnClose has returned, until ReleaseSlot: a task of
  // the service still names it.
  void HoldSlot();
  void ReleaseSlot();
  // Callbacks only. From here on the connection is served by `task`, as if its listener had a coroutine; `unread` is what
  // it reads first. Handlers made by New go, without OnClose. The task runs to its first wait inside. False, and nothing
  // has changed, when the connection is not open, or the task has found no memory. REQUIRES: no HoldSlot.
  bool TakeOver(core::Task<> task, alloc::Lease unread);

  void ShutdownWrite();  // FIN once the queue is sent; reading goes on
  void Close();          // sends the queue, then FIN, waits for the peer's, and is gone. Ends reading
  void Close(CloseCause cause);  // the same, for a cause that the service knows: kIdle, kTooLong, ...
  void Abort();          // drops the queue and sends RST

  // Makes a handler of its own for this connection, which gets all further callbacks and is destroyed after OnClose.
  // Null when there is no memory. From OnOpen only.
  template <class T, class... A>
  T* New(A&&... arguments);

  ConnectionId id() const;
  // Who is at the other end, until the slot is released; where it was connected to, if this side did. Empty without
  // ServiceOptions::track_peers, for a Unix socket, and where the kernel or memory has none to give.
  const Address& peer() const;
  CloseCause cause() const { return cause_; }
  // With cause kConnectFailed: the errno of connecting.
  int connect_error() const { return cause_ == CloseCause::kConnectFailed ? static_cast<int>(read_parameter_) : 0; }
  bool open() const { return state_ == State::kOpen; }
  bool was_opened() const { return Has(kOpened); }  // OnOpen was called
  uint64_t queued_bytes() const { return output_ == nullptr ? 0 : output_->queue.bytes(); }
  // The listener or profile that it came by. Inside its shard's turn.
  uint16_t listener() const;
  // It has got a drain's notice: because the server drains, or its listener, or because somebody asked for it.
  bool draining() const { return Has(kDrainNoticed); }
  // It is open, and its queue has not reached the high watermark, or has fallen to the low one since.
  bool writable() const { return open() && !Has(kAboveHigh); }

  alloc::SlabHandle handle;  // set by the slab

 private:
  friend class ConnectionSet;
  friend class Engine;
  friend class Reader;
  friend class ReadAwaiter;
  friend class WritableAwaiter;
  friend class TaskService;
  friend class ConnectAttempt;
  friend class Pool;

  using State = ConnectionState;
  // Why it gets a drain's notice, and so what it ends with when it closes after it.
  enum class NoticeWhy : uint8_t { kDrain, kOperator, kMaxAge };
  enum Flag : uint32_t {
    kDirty = 1u << 0,           // in the engine's list for the end of this turn
    kPaused = 1u << 1,          // the service said Pause
    kNoReader = 1u << 2,        // a task that is not in a read
    kReadingOff = 1u << 3,      // the transport was told
    kEofSeen = 1u << 4,         // the receive has ended
    kEofDue = 1u << 5,          // ... and the service has not been told
    kSending = 1u << 6,         // a Send is in flight
    kFirstAttempt = 1u << 7,    // ... the turn's first one, which completes in the next Poll
    kBlocked = 1u << 8,         // an attempt did not take all: what is queued waits for the peer
    kAboveHigh = 1u << 9,       // the queue reached the high watermark and has not been at the low one since
    kShutdownDue = 1u << 10,    // ShutdownWrite was asked
    kShutdownSent = 1u << 11,
    kTask = 1u << 12,           // the service is a task that is not done
    kOwnHandler = 1u << 13,
    kDrainNoticed = 1u << 14,
    kDrainDue = 1u << 15,       // a draining notice for a reader that has something begun, or is elsewhere
    kTransportDone = 1u << 16,  // OnReleased came
    kClosedTold = 1u << 17,     // OnClose has returned
    kResuming = 1u << 18,       // the reader is in the run queue
    kTransportClosing = 1u << 19,  // Close or Abort went to the transport
    kOutbound = 1u << 20,
    kAbortDue = 1u << 21,
    kOutQueueAsked = 1u << 22,
    kPressed = 1u << 23,        // in the list of connections that wait for the shard's retained blocks to fall
    kStarted = 1u << 24,        // OnClose is owed
    kOpened = 1u << 25,         // OnOpen was called
    kMember = 1u << 26,         // of a ConnectionSet
    kWriterResuming = 1u << 27,  // the waiting writer is in the run queue
    kOwned = 1u << 28,          // a coroutine that is not its service owns it, see OwnedConnection; kTask is set too
    kLentHandler = 1u << 29,    // waiter_or_handler_ is a handler that somebody lent for a while
    kFullDuplex = 1u << 30,     // see ServiceOptions::full_duplex
    kSlotHeld = 1u << 31,       // HoldSlot
  };
  bool Has(uint32_t flags) const { return (flags_ & flags) != 0; }
  void Set(uint32_t flags) { flags_ |= flags; }
  void Unset(uint32_t flags) { flags_ &= ~flags; }
  // Its queue is so long that what it has received must wait.
  bool ReadsHeld() const { return (flags_ & (kAboveHigh | kFullDuplex)) == kAboveHigh; }

  bool PrepareWrite();
  bool Queue(alloc::Lease lease);  // no block: no memory
  void NoteWritten();
  Handler* own_handler() const { return reinterpret_cast<Handler*>(waiter_or_handler_); }
  // All callbacks go to `handler` until TakeBack. REQUIRES: no task and no handler of its own.
  void Lend(Handler* handler) {
    waiter_or_handler_ = handler;
    Set(kLentHandler);
  }
  void TakeBack() {
    waiter_or_handler_ = nullptr;
    Unset(kLentHandler);
  }

  // Touched per completion.
  alignas(8) unsigned char area_[32] = {};  // the transport's
  core::Timer timer_;                       // one for every deadline: armed at the nearest, looked at when it fires
  Input* input_ = nullptr;
  Output* output_ = nullptr;
  void* waiter_or_handler_ = nullptr;       // the reading task, or the handler made by New or lent
  std::coroutine_handle<> writer_;          // the task that waits in Writable
  core::CancelScope scope_;                 // of the service's task
  uint32_t flags_ = 0;
  uint32_t last_activity_s_ = 0;            // since the engine began
  uint32_t read_max_ = 0;                   // of the read under way; of SetDeadline: its second; while lingering: when it began
  uint32_t read_parameter_ = 0;             // its count or terminator; while lingering: bytes discarded
  uint16_t profile_ = 0;                    // what it is served by: of the engine's profiles
  State state_ : 3 = State::kConnecting;
  bool heard_ : 1 = false;                  // its peer has sent something
  ReadMode read_mode_ : 4 = ReadMode::kNone;
  CloseCause cause_ = CloseCause::kNone;
  ReadReason read_reason_ : 3 = ReadReason::kNone;  // of the completed read
  NoticeWhy notice_why_ : 2 = NoticeWhy::kDrain;
  bool called_ : 1 = false;                 // a notice is due, or was given
  uint16_t retained_ = 0;  // receive blocks charged to it, those of its parked leases too; at most all there are
};
static_assert(sizeof(Connection) == 128, "the memory budget of an idle connection");

// The task that waits in a read or in Writable holds one pointer; the connection holds the rest.
class [[nodiscard]] ReadAwaiter {
 public:
  ReadAwaiter(Connection* conn, bool ready) : conn_(reinterpret_cast<uintptr_t>(conn) | (ready ? 1 : 0)) {}
  // A cancelled scope is known only here, so it is here that a result which is there already ends the wait.
  bool await_ready() const noexcept { return false; }
  template <std::derived_from<core::TaskPromiseBase> P>
  bool await_suspend(std::coroutine_handle<P> task) {
    core::CancelScope* scope = task.promise().scope();
    if ((conn_ & 1) != 0 && !scope->cancelled()) return false;
    Suspend(task, scope);
    return true;
  }
  ReadResult await_resume();

 private:
  Connection* conn() const { return reinterpret_cast<Connection*>(conn_ & ~uintptr_t{1}); }
  void Suspend(std::coroutine_handle<> task, core::CancelScope* scope);

  const uintptr_t conn_;
};

class [[nodiscard]] WritableAwaiter {
 public:
  explicit WritableAwaiter(Connection* conn) : conn_(conn) {}
  bool await_ready() const noexcept { return false; }
  template <std::derived_from<core::TaskPromiseBase> P>
  bool await_suspend(std::coroutine_handle<P> task) {
    core::CancelScope* scope = task.promise().scope();
    if (await_resume() && !scope->cancelled()) return false;
    Suspend(task, scope);
    return true;
  }
  // True when there is room; false when the connection is closed, or the wait was cancelled before there was any.
  bool await_resume() const { return conn_->writable(); }

 private:
  void Suspend(std::coroutine_handle<> task, core::CancelScope* scope);

  Connection* const conn_;
};

template <class T, class... A>
T* Connection::New(A&&... arguments) {
  // Its own class, so that deleting a Handler gives the memory back to the pool with the right size.
  struct Own final : T {
    using T::T;
    static void* operator new(std::size_t bytes) noexcept { return core::frame::Acquire(bytes); }
    static void operator delete(void* memory, std::size_t bytes) noexcept { core::frame::Release(memory, bytes); }
  };
  T* handler = new Own(std::forward<A>(arguments)...);
  if (handler == nullptr) return nullptr;
  waiter_or_handler_ = static_cast<Handler*>(handler);
  Set(kOwnHandler);
  return handler;
}

}  // namespace mooring::net

#endif  // MOORING_NET_CONNECTION_H_
