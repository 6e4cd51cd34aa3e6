// SPDX-License-Identifier: Apache-2.0
// Scope: tasks that run beside the one that started them, and are joined.
//
//   Task<> Serve(Scope& scope) {
//     if (!scope.Spawn(Refresh(&cache))) co_return;  // no memory for it
//     ...
//   }
//   co_await Scoped(Serve);  // Serve and Refresh are done, however Serve ended
//
// A child is a root of its own: it has its own CancelScope, starts at once and runs to its first wait inside Spawn. What
// is known of it is 48 bytes of the shard's FramePool, beside its frame.
//
//   Spawn ──> running ──> done: the last one wakes Join
//                ^
//   Cancel, a sibling that throws, the joining task cancelled: the wait under way completes with "cancelled"
//
// Threads:  one shard, inside its turn.
// Owns:     its children, until they are done. A frame that has started is never destroyed before that.
#ifndef MOORING_CORE_SCOPE_H_
#define MOORING_CORE_SCOPE_H_

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/cancel_scope.h"
#include "core/task.h"

namespace mooring::core {

class Scope {
 public:
  // What becomes of the others when a child throws.
  enum class WhenThrown : uint8_t {
    kCancelAll,  // they are cancelled, and Join throws the first exception again
    kGoOn,       // they go on; it is counted and forgotten
  };

  Scope() = default;
  explicit Scope(WhenThrown when_thrown) : when_thrown_(when_thrown) {}
  // REQUIRES: empty(). Where assertions are off, children that are left run on and are joined by nobody.
  ~Scope();
  Scope(const Scope&) = delete;

  // Starts a child, which runs here until its first wait; it may be done when this returns. In a cancelled scope it is
  // cancelled from the start. False, and nothing has run, when there was no memory for it.
  bool Spawn(Task<> task);
  // The same with a function that returns the task; it is kept until the task is done, so a lambda may capture.
  template <std::invocable F>
    requires std::same_as<std::invoke_result_t<F&>, Task<>>
  bool Spawn(F fn) {
    return Spawn(Keep(std::move(fn)));
  }

  // Cancels every child that runs, through the run queue, and every one that is spawned later. For good: a scope is not
  // used again after it.
  void Cancel();
  bool cancelled() const { return cancelled_; }

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }      // children that are not done
  uint64_t failed() const { return failed_; }     // children that threw, ever

  // Calls fn(argument) once, through the run queue, when no child is left; soon, when there is none now. One at a time.
  // Who spawns meanwhile is no reason not to call: look at empty() there.
  void OnEmpty(void (*fn)(void*), void* argument);

  // As if a child had thrown `error`.
  void Fail(std::exception_ptr error);

  class JoinAwaiter;
  // co_await: until no child is left; at once when there is none. Cancelling who waits here cancels the children, and
  // does not end the wait before they are done. Throws the first exception of a child again, once. One at a time.
  JoinAwaiter Join();

 private:
  struct Child;
  template <class T>
  friend class ScopeBody;

  template <class F>
  static Task<> Keep(F fn) {
    co_await fn();
  }
  void LinkLast(Child* child);
  void Unlink(Child* child);
  void BecameEmpty();
  friend class Shard;
  void LeaveLive();  // the children that are left will never run again

  Child* first_ = nullptr;  // in the order of Spawn
  Child* last_ = nullptr;
  std::size_t size_ = 0;
  JoinAwaiter* joiner_ = nullptr;
  CancelScope* body_ = nullptr;  // of Scoped: what throws in a child ends its wait too
  void (*on_empty_)(void*) = nullptr;
  void* on_empty_argument_ = nullptr;
  std::exception_ptr error_;
  uint64_t failed_ = 0;
  const WhenThrown when_thrown_ = WhenThrown::kCancelAll;
  bool cancelled_ = false;
};

class [[nodiscard]] Scope::JoinAwaiter : private WaitPoint {
 public:
  explicit JoinAwaiter(Scope* scope) : scope_(scope) {}
  JoinAwaiter(const JoinAwaiter&) = delete;

  bool await_ready() const noexcept { return scope_->empty(); }
  template <class P>
  void await_suspend(std::coroutine_handle<P> task) {
    handle = task;
    Begin(task.promise().scope());
  }
  void await_resume();

 private:
  friend class Scope;
  void Begin(CancelScope* outer);
  void Wake();  // through the run queue

  Scope* const scope_;
  CancelScope* outer_ = nullptr;
  bool waking_ = false;
};

inline Scope::JoinAwaiter Scope::Join() { return JoinAwaiter(this); }

// Awaits the task inside Scoped, in a CancelScope of its own: an outer cancellation reaches it and the children alike.
template <class T>
class [[nodiscard]] ScopeBody : private WaitPoint {
 public:
  ScopeBody(Scope* scope, Task<T> task) : scope_(scope), awaiter_(std::move(task).operator co_await()) {}
  ScopeBody(const ScopeBody&) = delete;

  bool await_ready() const noexcept { return awaiter_.await_ready(); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    outer_ = parent.promise().scope();
    cancel = [](WaitPoint* self) { static_cast<ScopeBody*>(self)->CancelBoth(); };
    outer_->WaitAt(this);
    if (outer_->cancelled()) CancelBoth();
    scope_->body_ = &body_;
    awaiter_.scope = &body_;
    return awaiter_.await_suspend(parent);
  }
  T await_resume() {
    if (outer_ != nullptr) {
      scope_->body_ = nullptr;
      outer_->Clear();
    }
    return awaiter_.await_resume();
  }

 private:
  void CancelBoth() {
    body_.Cancel();
    scope_->Cancel();
  }

  Scope* const scope_;
  CancelScope body_;
  CancelScope* outer_ = nullptr;
  typename Task<T>::Awaiter awaiter_;
};

namespace scope_internal {

template <class T, class F>
Task<T> Run(F fn) {
  Scope scope;
  std::optional<T> value;
  try {
    value.emplace(co_await ScopeBody<T>(&scope, fn(scope)));
  } catch (...) {
    scope.Fail(std::current_exception());
  }
  co_await scope.Join();
  co_return std::move(*value);
}
template <class F>
Task<> RunVoid(F fn) {
  Scope scope;
  try {
    co_await ScopeBody<void>(&scope, fn(scope));
  } catch (...) {
    scope.Fail(std::current_exception());
  }
  co_await scope.Join();
}

template <class R>
struct TaskValue;
template <class T>
struct TaskValue<Task<T>> {
  using Type = T;
};

}  // namespace scope_internal

// Runs fn(Scope&), which returns a Task<T>, and joins the scope's children on every way out: gives what it returned, or
// throws what was thrown first, by it or by a child. When fn throws, the children are cancelled; when a child throws,
// its siblings and fn are; when the awaiting task is cancelled, all are. fn is kept until the end, so a lambda may
// capture (for gcc 12: name it first, if it captures objects).
template <class F>
auto Scoped(F fn) -> std::invoke_result_t<F&, Scope&> {
  using T = typename scope_internal::TaskValue<std::invoke_result_t<F&, Scope&>>::Type;
  if constexpr (std::is_void_v<T>) {
    return scope_internal::RunVoid<F>(std::move(fn));
  } else {
    return scope_internal::Run<T, F>(std::move(fn));
  }
}

}  // namespace mooring::core

#endif  // MOORING_CORE_SCOPE_H_
