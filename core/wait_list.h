// SPDX-License-Identifier: Apache-2.0
// WaitList: the tasks that wait for one thing, first come first served.
//
// A Waiter is a part of its task's frame, so a wait takes no memory. Whoever has what is waited for grants it to the
// front; a wait that is cancelled leaves the list. Either way the task goes on through the run queue, once, and what
// came first stands: a grant that is under way is not taken back by a cancellation.
//
//   Wait ──> in the list ──Grant──> in the run queue: End() is true
//     │           └─────Cancel────> in the run queue: End() is false
//     └─ in a cancelled scope ────> in the run queue: End() is false
//
// Threads:  one shard, inside its turn.
// Owns:     nothing. REQUIRES: nobody waits when it is destroyed.
#ifndef MOORING_CORE_WAIT_LIST_H_
#define MOORING_CORE_WAIT_LIST_H_

#include <cassert>
#include <coroutine>

#include "core/cancel_scope.h"
#include "core/task.h"

namespace mooring::core {

class WaitList;

class Waiter : private WaitPoint {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;

  // In await_resume: whether it was granted; true as well when it never waited.
  bool End() noexcept {
    if (scope_ == nullptr) return true;
    scope_->Clear();
    return granted_;
  }

 private:
  friend class WaitList;
  void Leave() noexcept {
    previous_->next_ = next_;
    next_->previous_ = previous_;
    next_ = nullptr;
  }
  void Complete(bool granted) noexcept {
    granted_ = granted;
    frame::MakeRunnable([](void* address) { std::coroutine_handle<>::from_address(address).resume(); },
                        handle.address());
  }

  Waiter* previous_ = nullptr;
  Waiter* next_ = nullptr;  // null: not in a list
  CancelScope* scope_ = nullptr;
  bool granted_ = false;
};

class WaitList {
 public:
  WaitList() { ends_.previous_ = ends_.next_ = &ends_; }
  WaitList(const WaitList&) = delete;
  ~WaitList() { assert(empty()); }

  bool empty() const { return ends_.next_ == &ends_; }

  // At the end of the line. REQUIRES: `scope` is the innermost of `task`, which is suspended.
  void Wait(Waiter* waiter, std::coroutine_handle<> task, CancelScope* scope) noexcept {
    waiter->handle = task;
    waiter->scope_ = scope;
    if (scope->cancelled()) {
      scope->Clear();
      return waiter->Complete(false);
    }
    waiter->cancel = [](WaitPoint* self) {
      auto* cancelled = static_cast<Waiter*>(self);
      if (cancelled->next_ == nullptr) return;  // it has what it waited for
      cancelled->Leave();
      cancelled->Complete(false);
    };
    scope->WaitAt(waiter);
    waiter->previous_ = ends_.previous_;
    waiter->next_ = &ends_;
    ends_.previous_->next_ = waiter;
    ends_.previous_ = waiter;
  }

  // REQUIRES: !empty().
  Waiter* front() { return ends_.next_; }

  // The front leaves the line: with what it waited for, or without. REQUIRES: !empty().
  void Grant() noexcept { Front(true); }
  void Refuse() noexcept { Front(false); }

 private:
  void Front(bool granted) noexcept {
    Waiter* waiter = front();
    waiter->Leave();
    waiter->Complete(granted);
  }

  Waiter ends_;  // before the first and after the last
};

}  // namespace mooring::core

#endif  // MOORING_CORE_WAIT_LIST_H_
