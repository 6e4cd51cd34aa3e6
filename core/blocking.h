// SPDX-License-Identifier: Apache-2.0
// Blocking: runs a function that may sleep on a helper thread, and gives its result on the shard.
//
//   auto look_up = [name] { return LookUp(name); };      // owns what it touches; a name of its own, for gcc 12
//   if (auto found = co_await Blocking(std::move(look_up)); found.ok()) Use(*found);
//
// The function is run once, on a thread that is no shard's, or not at all. What it captures and what it returns may
// outlive the wait, so they own what they touch and belong to no shard: no view, Connection, lease or Local. What it
// throws is thrown where it is awaited.
//
// A wait that is cancelled ends at once; the function, if it has begun, runs on, and its result is dropped when it
// comes. A function that has not begun by then is not run.
//
//   await ──> queued ──> running ──> answered ──> done
//     │          └─────────┴── cancelled: the task goes on, the job ends by itself
//     └ refused: no runner, its queue is full, or there is no memory
//
// Threads:  one shard, inside its turn; the function on another.
// Owns:     one heap object a job: the runner's from Submit until it has run, then the shard's. Function and result are
//           destroyed in a turn of the shard, or, once the shard has ended, where they are.
// Limits:   the runner's queue (BlockingPool).
#ifndef MOORING_CORE_BLOCKING_H_
#define MOORING_CORE_BLOCKING_H_

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/cancel_scope.h"
#include "core/job_runner.h"
#include "core/shard.h"

namespace mooring::core {

enum class JobEnd : uint8_t {
  kDone,       // there is a value
  kCancelled,  // the task's scope was, before the answer came
  kRefused,    // not run: too many wait, there is no memory, no runner, or the runner has ended
};

// What Blocking gives.
template <class T>
class Blocked {
 public:
  explicit Blocked(JobEnd end) : end_(end) {}
  explicit Blocked(T value) : value_(std::move(value)), end_(JobEnd::kDone) {}
  bool ok() const { return end_ == JobEnd::kDone; }
  JobEnd end() const { return end_; }
  T& operator*() { return *value_; }  // REQUIRES: ok()
  T* operator->() { return &*value_; }

 private:
  std::optional<T> value_;
  JobEnd end_;
};
template <>
class Blocked<void> {
 public:
  explicit Blocked(JobEnd end) : end_(end) {}
  bool ok() const { return end_ == JobEnd::kDone; }
  JobEnd end() const { return end_; }

 private:
  JobEnd end_;
};

// A job without its function.
class BlockingJob : private Job, private Answer, private WaitPoint {
 public:
  BlockingJob();
  virtual ~BlockingJob() = default;
  BlockingJob(const BlockingJob&) = delete;

  // `task` is made runnable once, at the end of the wait.
  void Begin(std::coroutine_handle<> task, CancelScope* scope);
  JobEnd end() const { return end_; }
  // The task goes on. True when the job is the caller's; false when somebody else has it, and will destroy it.
  bool Leave();

 private:
  virtual void Call() = 0;
  void Run();
  void GiveBack();
  void Taken();
  void Cancel();
  void Complete(JobEnd end);

  // The shard's.
  CancelScope* scope_ = nullptr;
  JobEnd end_ = JobEnd::kRefused;
  bool over_ = false;       // end_ says how
  bool left_ = false;       // by its task
  bool submitted_ = false;
  bool answered_ = false;
  // The runner's from Submit on, the shard's again with the answer.
  std::shared_ptr<Answers> answers_;
  bool called_ = false;
  // Nobody waits any more; from the shard to the runner.
  std::atomic<bool> unwanted_{false};
};

template <class F>
class BlockingCall final : public BlockingJob {
 public:
  using Result = std::invoke_result_t<F>;
  static_assert(!std::is_reference_v<Result>, "a result owns what it is");

  template <class Function>
  explicit BlockingCall(Function&& function) : function_(std::forward<Function>(function)) {}

  Blocked<Result> Take() {  // REQUIRES: it has ended with kDone
    if (error_) std::rethrow_exception(std::move(error_));
    if constexpr (std::is_void_v<Result>) {
      return Blocked<void>(JobEnd::kDone);
    } else {
      return Blocked<Result>(std::move(*value_));
    }
  }

 private:
  struct Nothing {};
  void Call() override {
    try {
      if constexpr (std::is_void_v<Result>) {
        std::move(function_)();
      } else {
        value_.emplace(std::move(function_)());
      }
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  F function_;
  std::optional<std::conditional_t<std::is_void_v<Result>, Nothing, Result>> value_;
  std::exception_ptr error_;
};

template <class F>
class [[nodiscard]] Blocking {
 public:
  template <class Function>
  explicit Blocking(Function&& function)
      : job_(new (std::nothrow) BlockingCall<F>(std::forward<Function>(function))) {}
  Blocking(const Blocking&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> task) {
    if (job_ == nullptr) {
      Shard::Current()->MakeRunnable(task);
    } else {
      job_->Begin(task, task.promise().scope());
    }
  }
  Blocked<std::invoke_result_t<F>> await_resume() {
    using Result = Blocked<std::invoke_result_t<F>>;
    if (job_ == nullptr) return Result(JobEnd::kRefused);
    const JobEnd end = job_->end();
    if (!job_->Leave()) (void)job_.release();
    return end == JobEnd::kDone ? job_->Take() : Result(end);
  }

 private:
  std::unique_ptr<BlockingCall<F>> job_;  // so that a waiting frame holds eight bytes of it
};
template <class Function>
Blocking(Function&&) -> Blocking<std::decay_t<Function>>;

}  // namespace mooring::core

#endif  // MOORING_CORE_BLOCKING_H_
