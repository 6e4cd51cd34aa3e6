// SPDX-License-Identifier: Apache-2.0
// SubmitTo and OnEveryShard: running something on another shard and waiting for its answer.
//
//   auto there = [key = std::string(key)] { return Local<Table>().Find(key); };  // named first, for gcc 12
//   if (auto found = co_await SubmitTo(shard_id, std::move(there)); found.ok()) Use(*found);
//   co_await OnEveryShard([] { Local<Table>().Clear(); });
//
// `fn` runs in a turn of that shard, by mail, never inline, on the own shard neither. It returns nothing, a value, or a
// Task<T>, which runs there to its end, in that shard's background scope. What it throws is thrown by the await. It
// runs once, whatever becomes of who waits: cancelling ends the wait (through the run queue, not ok()), and the answer
// is dropped when it comes. So fn must own what it touches; and what it captures and returns crosses shards: no
// Connection&, no Lease, no Local<T>&. It is made and destroyed on the shard that submits, and outlives the task that
// it returns, so it may be a capturing coroutine. Between two shards, functions start in the order of their submission.
//
//   home: state on the heap ──mail──> there: fn, or its task ──mail──> home: the task goes on; the state dies here
//
// The mail holds a bare pointer; the state belongs to its home shard, which destroys what is still away when it goes
// itself. So mail that is never read leaks nothing, whoever destroys it.
//
// Threads:  in a turn of a shard; the control shard can submit, and only itself reaches it by number.
// Owns:     its state, from the home shard's FramePool.
// Limits:   no memory raises std::bad_alloc where SubmitTo is called or, from there, at the await.
#ifndef MOORING_CORE_SUBMIT_TO_H_
#define MOORING_CORE_SUBMIT_TO_H_

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/cancel_scope.h"
#include "core/shard.h"
#include "core/task.h"

namespace mooring::core {

// What SubmitTo gives: the answer, unless the wait was cancelled before it came.
template <class T>
class Submitted {
 public:
  explicit Submitted(std::optional<T> value) : value_(std::move(value)) {}
  bool ok() const { return value_.has_value(); }
  T& operator*() { return *value_; }
  T* operator->() { return &*value_; }

 private:
  std::optional<T> value_;
};
template <>
class Submitted<void> {
 public:
  explicit Submitted(bool ok) : ok_(ok) {}
  bool ok() const { return ok_; }

 private:
  bool ok_;
};

namespace submit_internal {

struct Submission;

// One function on its way, there and back.
struct Call {
  explicit Call(Submission* submission) : of(submission) {}
  Call(const Call&) = delete;
  void SendTo(Shard* to);
  void RunAsTask(Task<> task);  // there
  void Answer();                // there, last: its home may destroy it from now on

  Submission* const of;
  void (*run)(Call* self) = nullptr;
  std::exception_ptr error;
};

// What one await has under way. Touched by its home shard alone, but for `home`.
struct Submission : WaitPoint {
  explicit Submission(void (*destroy_self)(Submission* self));
  ~Submission();
  Submission(const Submission&) = delete;
  static void* operator new(std::size_t bytes);
  static void operator delete(void* memory, std::size_t bytes) { frame::Release(memory, bytes); }

  Shard* Find(uint32_t shard_id) const;  // null: there is no such shard
  // The data shards as `home` sees them: itself, where there are no others.
  uint32_t data_shards() const;
  Shard* data_shard(uint32_t n) const;
  void Wait(std::coroutine_handle<> task, CancelScope* task_scope);
  void OnAnswer();
  // The task goes on. False when some answer is not there: then the task may not look here again.
  bool EndWait();

  Shard* const home;
  void (*const destroy)(Submission* self);
  Submission** link;  // who points here, in the list of what is under way of `home`
  Submission* next;
  CancelScope* scope = nullptr;
  uint32_t away = 0;        // calls that were sent and have not been answered
  bool incomplete = false;  // some could not be sent
  bool woken = false;       // the task is in the run queue
  bool abandoned = false;   // the task has gone on without the answer
};

template <class R>
struct ValueOf {
  using Type = R;
  static constexpr bool kTask = false;
};
template <class T>
struct ValueOf<Task<T>> {
  using Type = T;
  static constexpr bool kTask = true;
};
struct Nothing {};

template <class F>
struct CallOf final : Call {
  using Of = ValueOf<std::invoke_result_t<F&>>;
  using T = typename Of::Type;
  static constexpr bool kVoid = std::is_void_v<T>;
  static_assert(!std::is_reference_v<T>, "what fn returns leaves its shard: return a value");

  template <class G>
  CallOf(Submission* submission, G&& function) : Call(submission), fn(std::forward<G>(function)) {
    run = &Run;
  }

  static void Run(Call* self) {
    auto* call = static_cast<CallOf*>(self);
    if constexpr (Of::kTask) {
      call->RunAsTask(AsTask(call));
    } else {
      try {
        if constexpr (kVoid) {
          call->fn();
        } else {
          call->value.emplace(call->fn());
        }
      } catch (...) {
        call->error = std::current_exception();
      }
      call->Answer();
    }
  }
  static Task<> AsTask(CallOf* call) {
    try {
      if constexpr (kVoid) {
        co_await call->fn();
      } else {
        call->value.emplace(co_await call->fn());
      }
    } catch (...) {
      call->error = std::current_exception();
    }
    call->Answer();
  }

  F fn;
  std::optional<std::conditional_t<kVoid, Nothing, T>> value;
};

template <class F>
struct Single final : Submission {
  template <class G>
  explicit Single(G&& fn)
      : Submission([](Submission* self) { delete static_cast<Single*>(self); }), call(this, std::forward<G>(fn)) {}
  CallOf<F> call;
};

template <class F>
struct Everywhere final : Submission {
  template <class G>
  explicit Everywhere(G&& function)
      : Submission([](Submission* self) { delete static_cast<Everywhere*>(self); }), fn(std::forward<G>(function)) {}
  const F fn;
  std::deque<CallOf<F>> calls;  // by shard
};

}  // namespace submit_internal

// REQUIRES: shard_id < Shards::size(), or the own id. No such shard is an assertion; without assertions fn does not
// run, and the result is not ok().
template <class F>
class [[nodiscard]] SubmitTo {
  using Single = submit_internal::Single<F>;

 public:
  using T = typename submit_internal::CallOf<F>::T;

  template <class G>  // by reference, or the frame of who awaits would hold one more
  SubmitTo(uint32_t shard_id, G&& fn) : shard_id_(shard_id), single_(new Single(std::forward<G>(fn))) {}
  SubmitTo(const SubmitTo&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> task) {
    single_->call.SendTo(single_->Find(shard_id_));
    single_->Wait(task, task.promise().scope());
  }
  Submitted<T> await_resume() {
    if (!single_->EndWait()) {
      if (single_->away != 0) single_.release();  // the answer will find nobody
      if constexpr (std::is_void_v<T>) {
        return Submitted<void>(false);
      } else {
        return Submitted<T>(std::nullopt);
      }
    }
    const std::unique_ptr<Single> done = std::move(single_);
    if (done->call.error) std::rethrow_exception(std::move(done->call.error));
    if constexpr (std::is_void_v<T>) {
      return Submitted<void>(true);
    } else {
      return Submitted<T>(std::move(done->call.value));
    }
  }

 private:
  const uint32_t shard_id_;
  std::unique_ptr<Single> single_;
};
template <class F>
SubmitTo(uint32_t, F) -> SubmitTo<F>;

// A copy of fn on each data shard; waits for all of them. The answers come by shard in a Submitted<std::vector<T>>, or
// Submitted<void>. If several throw, the await throws what the first of them by number threw, once all are done.
template <class F>
class [[nodiscard]] OnEveryShard {
  using Everywhere = submit_internal::Everywhere<F>;
  using Value = typename submit_internal::CallOf<F>::T;

 public:
  using T = typename std::conditional_t<std::is_void_v<Value>, std::type_identity<void>,
                                        std::type_identity<std::vector<Value>>>::type;

  template <class G>
  explicit OnEveryShard(G&& fn) : everywhere_(new Everywhere(std::forward<G>(fn))) {}
  OnEveryShard(const OnEveryShard&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> task) {
    Everywhere* all = everywhere_.get();
    // All copies before the first is sent: one may throw.
    while (all->calls.size() < all->data_shards()) all->calls.emplace_back(all, all->fn);
    for (uint32_t n = 0; n < all->data_shards(); ++n) all->calls[n].SendTo(all->data_shard(n));
    all->Wait(task, task.promise().scope());
  }
  Submitted<T> await_resume() {
    if (!everywhere_->EndWait()) {
      if (everywhere_->away != 0) everywhere_.release();  // the answers will find nobody
      if constexpr (std::is_void_v<T>) {
        return Submitted<void>(false);
      } else {
        return Submitted<T>(std::nullopt);
      }
    }
    const std::unique_ptr<Everywhere> done = std::move(everywhere_);
    for (auto& call : done->calls) {
      if (call.error) std::rethrow_exception(std::move(call.error));
    }
    if constexpr (std::is_void_v<T>) {
      return Submitted<void>(true);
    } else {
      T values;
      values.reserve(done->calls.size());
      for (auto& call : done->calls) values.push_back(std::move(*call.value));
      return Submitted<T>(std::move(values));
    }
  }

 private:
  std::unique_ptr<Everywhere> everywhere_;
};
template <class F>
OnEveryShard(F) -> OnEveryShard<F>;

}  // namespace mooring::core

#endif  // MOORING_CORE_SUBMIT_TO_H_
