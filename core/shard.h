// SPDX-License-Identifier: Apache-2.0
// Shard: one thread's turn, and everything that thread owns.
//
// A turn delivers mail, expires timers, runs what became runnable, lets the engine flush, and then sleeps in the event
// port, which delivers what happened. now() is read once a turn, after the sleep; once more, before it, is for TurnTimes.
// The turn can be stepped: RunTurn does one, so a test can run many shards on one thread.
//
//   mail, answers -> timers -> run queue -> turn end (flush) -> port: submit, wait, read the clock, deliver -> again
//
// Threads:  one runs the turns. Post and Stop may be called from any, and Shard outlives every caller.
// Owns:     wheel, mailbox, answers, run queue, frame and buffer pools, accounting, locals, background tasks. Not the
//           port.
// Limits:   a turn delivers at most kMailPerTurn pieces of mail and expires at most kTimersPerTurn timers; what is left
//           over is done next turn, without a wait.
#ifndef MOORING_CORE_SHARD_H_
#define MOORING_CORE_SHARD_H_

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <exception>
#include <list>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "alloc/accounting.h"
#include "alloc/buffer_pool.h"
#include "alloc/frame_pool.h"
#include "core/answers.h"
#include "core/cancel_scope.h"
#include "core/clock.h"
#include "core/count_table.h"
#include "core/counters.h"
#include "core/event_port.h"
#include "core/locals.h"
#include "core/mailbox.h"
#include "core/scope.h"
#include "core/timer_wheel.h"
#include "core/turn_times.h"

namespace mooring::core {

class JobRunner;
class Shards;

enum class ShardCount : uint8_t { kTurns, kMailDelivered, kMailFull, kMailWaited, kTimersExpired, kResumed, kCount };

// A timer that calls a function when it expires: TimerKind::kFunction.
struct CallTimer : Timer {
  void (*call)(void* argument) = nullptr;
  void* argument = nullptr;
};

class Shard final : private EventPort::Sleeper {
 public:
  static constexpr unsigned kMailPerTurn = 256;
  static constexpr unsigned kTimersPerTurn = 1024;
  static constexpr int64_t kTrimIntervalMs = 2000;

  struct Options {
    uint32_t id = 0;  // below 1,024: ConnectionId has ten bits for it
    Clock* clock = nullptr;
    uint32_t mailbox_capacity = 1024;
    uint32_t frames_max = 1u << 22;  // coroutine frames of each size class
    uint32_t receive_blocks_max = 8192;
  };

  // What the layer above hangs into the turn.
  class TurnEnd {
   public:
    // Flushes what the turn produced. True when there is more to do: the port must not wait.
    virtual bool OnTurnEnd() = 0;
    // The root task of a connection is done; `error` when it threw.
    virtual void OnServiceDone(CancelScope* scope, std::exception_ptr error) = 0;
    // Completes a wait on a connection with "cancelled", through the run queue. Nothing where no task waits there in this
    // very scope: the wait may be over, and the connection, or all that is left is its memory.
    virtual void OnCancelWait(void* connection, const CancelScope* scope) = 0;
    // Gives memory back that nothing uses; true when some waits for the next call.
    virtual bool OnTrim() = 0;
    // The name of the listener that turns().Doing was told of, or empty.
    virtual std::string_view ListenerName(uint32_t /*listener*/) const { return {}; }

   protected:
    ~TurnEnd() = default;
  };

  explicit Shard(const Options& options);
  ~Shard();
  Shard(const Shard&) = delete;

  // The shard whose turn this thread is in, or null. The one thread_local of the process.
  static Shard* Current() { return current_; }

  // Before the first turn.
  void SetPort(EventPort* port) { port_ = port; }
  void SetTurnEnd(TurnEnd* turn_end) { turn_end_ = turn_end; }
  void SetShards(Shards* shards) { shards_ = shards; }
  void SetJobRunner(JobRunner* runner) { job_runner_ = runner; }

  void RunTurn(Nanos longest_wait = EventPort::kForever);
  void Run();   // turns until Stop; the last it takes
  void Stop();  // any thread
  bool stopping() const { return stop_.load(std::memory_order_acquire); }

  // Makes Current() be this shard for a scope outside a turn: set-up and teardown on the shard's own thread.
  class Enter {
   public:
    explicit Enter(Shard* shard) : before_(std::exchange(current_, shard)) {}
    ~Enter() { current_ = before_; }
    Enter(const Enter&) = delete;

   private:
    Shard* const before_;
  };

  // Runs `mail` in a turn of this shard. From any thread; false, with `mail` untouched, when the box is full (counted at
  // this shard's next turn).
  bool Post(Mail&& mail);
  // From a turn of this shard to `to`: never lost, in order; waits here while the other's box is full, and holds no
  // third shard's mail up.
  void PostAlways(Shard* to, Mail mail);
  // Where other threads give back what they were asked for (core/blocking.h). They may hold it longer than the shard
  // lives.
  const std::shared_ptr<Answers>& answers() const { return answers_; }

  // Next turn, or later in this one. No duplicates are looked for.
  void MakeRunnable(std::coroutine_handle<> handle) {
    MakeRunnable([](void* address) { std::coroutine_handle<>::from_address(address).resume(); }, handle.address());
  }
  void MakeRunnable(void (*run)(void*), void* argument) { runnable_.push_back({run, argument}); }

  // Something was released; pages that stay unused are given back about two and four seconds from now.
  void ArmTrim() {
    if (!trim_timer_.armed()) wheel_.Arm(&trim_timer_, TimerKind::kFunction, now_ms() + kTrimIntervalMs);
  }

  uint32_t id() const { return id_; }
  Nanos now() const { return now_; }                     // of this turn
  int64_t now_ms() const { return now_ / 1'000'000; }
  // `duration` from now in the wheel's time, rounded up to a whole millisecond; "for ever" is the end of the clock.
  int64_t DeadlineMs(Nanos duration) const;
  EventPort* port() const { return port_; }
  TurnEnd* turn_end() const { return turn_end_; }
  Shards* shards() const { return shards_; }           // null: this one is alone
  JobRunner* job_runner() const { return job_runner_; }  // null: there is none
  Locals& locals() { return locals_; }
  TimerWheel& wheel() { return wheel_; }
  alloc::FramePool& frames() { return frames_; }
  alloc::BufferPool& buffers() { return buffers_; }
  alloc::Accounting& accounting() { return accounting_; }
  const CounterSet<ShardCount>& counters() const { return counters_; }
  TurnTimes& turns() { return turns_; }
  const TurnTimes& turns() const { return turns_; }
  CountTable& counts() { return counts_; }  // of what its objects count
  std::exception_ptr& root_error() { return root_error_; }
  // For tasks that belong to the shard and not to a connection: tickers, start hooks, what other shards asked for. One
  // that throws ends alone and is counted (Scope::failed). Whoever ends the shard cancels and joins it.
  Scope& background() { return background_; }

 private:
  friend class Answers;
  struct Runnable {
    void (*run)(void*);
    void* argument;
  };
  struct Waiting {
    Shard* to;
    std::deque<Mail> mail;
  };

  void OnAwake() override;
  void Trim();
  void DeliverMail();
  void SendWaitingMail();
  bool TryPost(Mail& mail);
  void Knock();  // any thread: there are answers
  void ExpireTimers();
  void RunRunnable();
  Nanos WaitBound(Nanos longest_wait) const;

  static thread_local constinit Shard* current_;

  const uint32_t id_;
  Clock* const clock_;
  EventPort* port_ = nullptr;
  TurnEnd* turn_end_ = nullptr;
  Shards* shards_ = nullptr;
  JobRunner* job_runner_ = nullptr;
  Nanos now_;

  alloc::Accounting accounting_;
  alloc::FramePool frames_;
  alloc::BufferPool buffers_;
  TimerWheel wheel_;
  Mailbox mailbox_;
  const std::shared_ptr<Answers> answers_;
  std::vector<Runnable> runnable_;
  std::vector<Runnable> running_;
  std::list<Waiting> waiting_mail_;  // a queue for each shard whose box was full, in the order they came up
  CallTimer trim_timer_;
  CountTable counts_;
  Locals locals_;  // after what they may use
  std::exception_ptr root_error_;
  Scope background_{Scope::WhenThrown::kGoOn};
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> mail_refused_{0};  // by any thread, since the last turn; counters_ has one writer
  CounterSet<ShardCount> counters_;
  TurnTimes turns_;
};

[[noreturn]] void MissingLocal();

// The T of the shard whose turn this is. REQUIRES: Locals::Emplace<T> (Server::PerShard<T>); ends the process with a line
// that says so if it was not, because no answer would be right.
template <class T>
T& Local() {
  T* object = Shard::Current()->locals().Find<T>();
  if (object == nullptr) MissingLocal();
  return *object;
}

}  // namespace mooring::core

#endif  // MOORING_CORE_SHARD_H_
