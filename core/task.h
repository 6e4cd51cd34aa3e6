// SPDX-License-Identifier: Apache-2.0
// Task: a lazy coroutine that one parent awaits.
//
// A child keeps one pointer to where it reports: the awaiter in its parent's frame, which holds the result, or the root
// it was started by. So a frame costs its locals plus 24 bytes. A child that ends without suspending resumes its parent
// by returning, not by a call, so a loop over a million such children runs on a flat stack with every compiler.
//
// Frames come from the shard's FramePool. A child whose frame finds no memory raises std::bad_alloc where it is
// awaited, as operator new would; a root says so by Start() == false.
//
// Threads:  one shard, inside its turn.
// Owns:     its frame until it has started; a frame that has started ends by itself, never by ~Task.
#ifndef MOORING_CORE_TASK_H_
#define MOORING_CORE_TASK_H_

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <utility>

#include "core/cancel_scope.h"

namespace mooring::core {

class TaskPromiseBase;

// What every awaiter of a child has in common.
struct TaskParent {
  std::coroutine_handle<> continuation;  // null: one of several children that are awaited at once (core/fan_out.h)
  union {
    TaskPromiseBase* promise = nullptr;  // of the awaiting coroutine: the way up to the scope
    std::coroutine_handle<> (*ended)(TaskParent* self);  // of several, each with a scope: destroys the child; who goes on
  };
  CancelScope* scope = nullptr;        // set where this await begins a scope of its own (WithDeadline)
  std::exception_ptr error;
  bool child_done = false;
  bool starting = false;
};

// The owner of a root task. `done` is called once, after the frame is gone.
struct TaskRoot {
  CancelScope scope;
  void (*done)(TaskRoot* self, std::exception_ptr error);
};

// What a task needs of the shard it runs on (core/shard.cc).
namespace frame {
void* Acquire(std::size_t bytes) noexcept;  // from the current shard's FramePool
void Release(void* memory, std::size_t bytes) noexcept;
void MakeRunnable(void (*run)(void*), void* argument);  // later in this turn or in the next
void ServiceDone(CancelScope* scope, std::exception_ptr error);
std::exception_ptr& RootError();  // one a shard: a root's exception is reported before anything else runs
}  // namespace frame

class TaskPromiseBase {
 public:
  static void* operator new(std::size_t bytes) noexcept { return frame::Acquire(bytes); }
  static void operator delete(void* memory, std::size_t bytes) noexcept { frame::Release(memory, bytes); }

  std::suspend_always initial_suspend() noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> self) noexcept {
      TaskPromiseBase& promise = self.promise();
      TaskParent* parent = promise.parent();
      if (parent == nullptr) {
        const uintptr_t link = promise.link_;
        std::exception_ptr error = std::exchange(frame::RootError(), nullptr);
        self.destroy();
        if (link & kService) {
          frame::ServiceDone(reinterpret_cast<CancelScope*>(link & ~kTags), std::move(error));
        } else {
          auto* root = reinterpret_cast<TaskRoot*>(link & ~kTags);
          root->done(root, std::move(error));
        }
        return std::noop_coroutine();
      }
      parent->child_done = true;
      if (parent->starting) return std::noop_coroutine();  // the parent's await_suspend goes on by returning false
      if (!parent->continuation) return parent->ended(parent);
      return parent->continuation;
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }

  void unhandled_exception() noexcept {
    TaskParent* up = parent();
    (up != nullptr ? up->error : frame::RootError()) = std::current_exception();
  }

  // Who awaits this; null at a root.
  TaskParent* parent() const { return (link_ & kTags) ? nullptr : reinterpret_cast<TaskParent*>(link_); }
  // The innermost scope that this coroutine runs in.
  CancelScope* scope() const;

 private:
  template <class T>
  friend class Task;
  template <class T>
  friend class TaskBranch;
  static constexpr uintptr_t kRoot = 1, kService = 2, kTags = 7;

  uintptr_t link_ = 0;  // a TaskParent, a TaskRoot with kRoot, or the CancelScope of a connection with kService
};

inline CancelScope* TaskPromiseBase::scope() const {
  const TaskPromiseBase* promise = this;
  for (;;) {
    if (promise->link_ & kService) return reinterpret_cast<CancelScope*>(promise->link_ & ~kTags);
    if (promise->link_ & kRoot) return &reinterpret_cast<TaskRoot*>(promise->link_ & ~kTags)->scope;
    const TaskParent* up = promise->parent();
    if (up->scope != nullptr) return up->scope;
    promise = up->promise;
  }
}

// The innermost scope of a task that waits. REQUIRES: the handle is a Task's; all of them have this base at the same place.
inline CancelScope* ScopeOf(std::coroutine_handle<> task) {
  return std::coroutine_handle<TaskPromiseBase>::from_address(task.address()).promise().scope();
}

template <class T = void>
class [[nodiscard]] Task;
template <class T>
class TaskBranch;

namespace task_internal {

template <class T>
struct Result : TaskParent {
  std::optional<T> value;
  T Take() { return std::move(*value); }
};
template <>
struct Result<void> : TaskParent {
  void Take() {}
};

template <class T>
class Promise final : public TaskPromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  static Task<T> get_return_object_on_allocation_failure() noexcept;
  template <class U>
  void return_value(U&& value) {
    if (TaskParent* up = parent()) static_cast<Result<T>*>(up)->value.emplace(std::forward<U>(value));
  }
};
template <>
class Promise<void> final : public TaskPromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  static Task<void> get_return_object_on_allocation_failure() noexcept;
  void return_void() noexcept {}
};

}  // namespace task_internal

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = task_internal::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();  // never started: Start and co_await take the handle away
  }

  bool has_frame() const { return static_cast<bool>(handle_); }  // false: there was no memory for one

  // Runs it as a root until its first suspension or its end; root->done is called at its end, maybe before Start
  // returns. False, and nothing happens, when there was no memory for its frame.
  bool Start(TaskRoot* root) && { return StartWith(reinterpret_cast<uintptr_t>(root) | TaskPromiseBase::kRoot); }
  // The same for the service of a connection, which is known by its scope: the shard's OnServiceDone is called.
  bool StartService(CancelScope* scope) && {
    return StartWith(reinterpret_cast<uintptr_t>(scope) | TaskPromiseBase::kService);
  }

  class Awaiter : public task_internal::Result<T> {
   public:
    explicit Awaiter(Handle handle) : handle_(handle) {}
    Awaiter(const Awaiter&) = delete;
    ~Awaiter() {
      if (handle_) handle_.destroy();
    }
    bool await_ready() const noexcept { return !handle_; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> parent) {
      this->continuation = parent;
      this->promise = &parent.promise();
      handle_.promise().link_ = reinterpret_cast<uintptr_t>(static_cast<TaskParent*>(this));
      this->starting = true;
      handle_.resume();
      this->starting = false;
      return !this->child_done;
    }
    T await_resume() {
      if (!handle_) throw std::bad_alloc();
      // The frame goes before the result is looked at, so that a loop of children holds one frame, not two.
      std::exchange(handle_, nullptr).destroy();
      if (this->error) std::rethrow_exception(std::move(this->error));
      return this->Take();
    }

   private:
    Handle handle_;
  };
  Awaiter operator co_await() && { return Awaiter(std::exchange(handle_, nullptr)); }

 private:
  friend promise_type;
  friend class TaskBranch<T>;
  explicit Task(Handle handle) : handle_(handle) {}
  bool StartWith(uintptr_t link) {
    if (!handle_) return false;
    Handle handle = std::exchange(handle_, nullptr);
    handle.promise().link_ = link;
    handle.resume();
    return true;
  }

  Handle handle_;
};

namespace task_internal {

template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  static_assert(alignof(Promise) == alignof(TaskPromiseBase), "ScopeOf finds the promise behind any handle");
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
template <class T>
Task<T> Promise<T>::get_return_object_on_allocation_failure() noexcept {
  return Task<T>();
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object_on_allocation_failure() noexcept { return Task<void>(); }

}  // namespace task_internal
}  // namespace mooring::core

#endif  // MOORING_CORE_TASK_H_
