// SPDX-License-Identifier: Apache-2.0
// Sleep and WithDeadline: waiting for time, and bounding a task by it.
//
//   if (const Woken woken = co_await Sleep(Millis(50)); woken == Woken::kCancelled) co_return;
//   if (auto r = co_await WithDeadline(Millis(500), Load(&pool, id)); r.ok()) Use(*r);
//
// Both round up to a whole millisecond. WithDeadline cancels the task at the deadline and then waits for its end, so
// nothing of it runs on afterwards; a result that the task returned all the same is kept.
//
// Threads:  one shard, inside its turn.
#ifndef MOORING_CORE_SLEEP_H_
#define MOORING_CORE_SLEEP_H_

#include <coroutine>
#include <cstdint>
#include <optional>
#include <utility>

#include "core/cancel_scope.h"
#include "core/shard.h"
#include "core/task.h"
#include "core/timer_wheel.h"

namespace mooring::core {

enum class Woken : uint8_t { kTimer, kCancelled };

class [[nodiscard]] Sleep : private WaitPoint {
 public:
  explicit Sleep(Nanos duration) : duration_(duration) {}
  Sleep(const Sleep&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> task) {
    handle = task;
    cancel = [](WaitPoint* self) { static_cast<Sleep*>(self)->Complete(Woken::kCancelled); };
    Begin(task.promise().scope());
  }
  Woken await_resume() noexcept {
    scope_->Clear();
    return woken_;
  }

 private:
  struct SleepTimer : Timer {
    Sleep* sleep;
  };
  friend void RegisterSleep(Shard* shard);
  void Begin(CancelScope* scope);
  void Complete(Woken woken);

  const Nanos duration_;
  CancelScope* scope_ = nullptr;
  SleepTimer timer_;
  bool complete_ = false;
  Woken woken_ = Woken::kTimer;
};

// What WithDeadline gives: the task's result, if it returned one, and whether the deadline had passed.
template <class T>
class Deadlined {
 public:
  Deadlined(std::optional<T> value, bool expired) : value_(std::move(value)), expired_(expired) {}
  bool ok() const { return !expired_; }
  bool expired() const { return expired_; }
  T& operator*() { return *value_; }
  T* operator->() { return &*value_; }

 private:
  std::optional<T> value_;
  bool expired_;
};
template <>
class Deadlined<void> {
 public:
  explicit Deadlined(bool expired) : expired_(expired) {}
  bool ok() const { return !expired_; }
  bool expired() const { return expired_; }

 private:
  bool expired_;
};

// A scope that is cancelled at its deadline.
class DeadlineScope {
 public:
  explicit DeadlineScope(Nanos duration) : duration_(duration) {}
  void Begin(CancelScope* outer);  // also cancelled when `outer` is
  void End();
  bool expired() const { return expired_; }
  CancelScope* scope() { return &scope_; }

 private:
  const Nanos duration_;
  CancelScope scope_;
  CancelScope* outer_ = nullptr;
  CallTimer timer_;
  bool expired_ = false;
};

template <class T>
class [[nodiscard]] WithDeadline {
 public:
  WithDeadline(Nanos duration, Task<T> task) : deadline_(duration), awaiter_(std::move(task).operator co_await()) {}
  WithDeadline(const WithDeadline&) = delete;

  bool await_ready() const noexcept { return awaiter_.await_ready(); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    deadline_.Begin(parent.promise().scope());
    awaiter_.scope = deadline_.scope();
    return awaiter_.await_suspend(parent);
  }
  Deadlined<T> await_resume() {
    deadline_.End();
    const bool expired = deadline_.expired();
    if constexpr (std::is_void_v<T>) {
      awaiter_.await_resume();
      return Deadlined<void>(expired);
    } else {
      return Deadlined<T>(std::optional<T>(awaiter_.await_resume()), expired);
    }
  }

 private:
  DeadlineScope deadline_;
  typename Task<T>::Awaiter awaiter_;
};
template <class T>
WithDeadline(Nanos, Task<T>) -> WithDeadline<T>;

// Makes the shard's wheel expire sleeps; the shard's constructor calls it.
void RegisterSleep(Shard* shard);

}  // namespace mooring::core

#endif  // MOORING_CORE_SLEEP_H_
