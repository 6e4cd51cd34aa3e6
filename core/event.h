// SPDX-License-Identifier: Apache-2.0
// Event: something that has happened, or has not yet. Set and reset by hand.
//
//   Event ready;
//   if (const bool set = co_await ready.Wait(); !set) co_return;  // cancelled
//   ...
//   ready.Set();  // elsewhere: everybody who waits goes on, through the run queue
//
// Threads:  one shard, inside its turn.
// Owns:     nothing. REQUIRES: nobody waits when it is destroyed.
#ifndef MOORING_CORE_EVENT_H_
#define MOORING_CORE_EVENT_H_

#include <coroutine>

#include "core/cancel_scope.h"
#include "core/wait_list.h"

namespace mooring::core {

class Event {
 public:
  Event() = default;

  bool set() const { return set_; }
  // Everybody who waits now goes on, in the order in which they came, even if it is reset before they run; who comes
  // later does not wait.
  void Set() {
    set_ = true;
    while (!waiting_.empty()) waiting_.Grant();
  }
  void Reset() { set_ = false; }

  class [[nodiscard]] WaitAwaiter : private Waiter {
   public:
    explicit WaitAwaiter(Event* event) : event_(event) {}
    bool await_ready() const noexcept { return false; }  // the scope is known only below
    template <class P>
    bool await_suspend(std::coroutine_handle<P> task) {
      CancelScope* scope = task.promise().scope();
      if (event_->set_ && !scope->cancelled()) return false;
      event_->waiting_.Wait(this, task, scope);
      return true;
    }
    bool await_resume() noexcept { return End(); }

   private:
    Event* const event_;
  };
  // co_await: true once it is set, at once if it is; false when the task is cancelled.
  WaitAwaiter Wait() { return WaitAwaiter(this); }

 private:
  WaitList waiting_;
  bool set_ = false;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_EVENT_H_
