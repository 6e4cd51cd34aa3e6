// SPDX-License-Identifier: Apache-2.0
// Semaphore: a number of permits, handed out first come first served.
//
//   Semaphore slots(16);
//   if (const bool mine = co_await slots.Acquire(); !mine) co_return;  // cancelled
//   ...
//   slots.Release();
//
// A permit that is released while somebody waits is theirs from that moment, before they run: nobody who comes later,
// TryAcquire included, gets in front, so nobody starves.
//
// Threads:  one shard, inside its turn.
// Owns:     nothing. REQUIRES: nobody waits when it is destroyed.
#ifndef MOORING_CORE_SEMAPHORE_H_
#define MOORING_CORE_SEMAPHORE_H_

#include <coroutine>
#include <cstddef>

#include "core/cancel_scope.h"
#include "core/clock.h"
#include "core/sleep.h"
#include "core/wait_list.h"

namespace mooring::core {

class Semaphore {
 public:
  explicit Semaphore(std::size_t permits) : available_(permits) {}

  std::size_t available() const { return available_; }  // none while somebody waits
  bool TryAcquire() {
    if (available_ == 0) return false;
    --available_;
    return true;
  }
  // Any number, whoever acquired them and also more than there were at first.
  void Release(std::size_t permits = 1) {
    for (; permits != 0 && !waiting_.empty(); --permits) waiting_.Grant();
    available_ += permits;
  }

  class [[nodiscard]] AcquireAwaiter : private Waiter {
   public:
    explicit AcquireAwaiter(Semaphore* semaphore) : semaphore_(semaphore) {}
    bool await_ready() const noexcept { return false; }  // the scope is known only below
    template <class P>
    bool await_suspend(std::coroutine_handle<P> task) {
      CancelScope* scope = task.promise().scope();
      if (!scope->cancelled() && semaphore_->TryAcquire()) return false;
      semaphore_->waiting_.Wait(this, task, scope);
      return true;
    }
    bool await_resume() noexcept { return End(); }

   private:
    Semaphore* const semaphore_;
  };
  // co_await: true with a permit, at once if there is one; false, and without, when the task is cancelled before there
  // was one. A permit that won the race against a cancellation is the task's: true.
  AcquireAwaiter Acquire() { return AcquireAwaiter(this); }

  class [[nodiscard]] AcquireForAwaiter : private Waiter {
   public:
    AcquireForAwaiter(Semaphore* semaphore, Nanos limit) : semaphore_(semaphore), deadline_(limit) {}
    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> task) {
      CancelScope* scope = task.promise().scope();
      if (!scope->cancelled() && semaphore_->TryAcquire()) return false;
      deadline_.Begin(scope);
      semaphore_->waiting_.Wait(this, task, deadline_.scope());
      return true;
    }
    bool await_resume() {
      deadline_.End();
      return End();
    }

   private:
    Semaphore* const semaphore_;
    DeadlineScope deadline_;
  };
  // The same, for at most `limit`, which rounds up as Sleep does; false as well when that is over.
  AcquireForAwaiter AcquireFor(Nanos limit) { return AcquireForAwaiter(this, limit); }

 private:
  WaitList waiting_;
  std::size_t available_;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_SEMAPHORE_H_
