// SPDX-License-Identifier: Apache-2.0
// FanOut: several tasks that one task awaits at once; what WhenAll and WhenAny have in common.
//
// Each task is a TaskBranch in the frame of who awaits: it has a CancelScope of its own, and its result stays there. The
// awaiting task waits in the FanOut, which passes a cancellation on to every branch, and goes on when the last has ended,
// in that one's place, as it would behind a single child.
//
//   TaskBranch<A> ─┐                           ┌─ the first that throws (WhenAll) or ends (WhenAny) cancels the others
//   TaskBranch<B> ─┼─ FanOut <── one awaiting ─┤
//   TaskBranch<C> ─┘                           └─ cancelled: all are
//
// Threads:  one shard, inside its turn.
// Owns:     a branch its task, until that is done. A frame that has started is never destroyed before that.
#ifndef MOORING_CORE_FAN_OUT_H_
#define MOORING_CORE_FAN_OUT_H_

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "core/cancel_scope.h"
#include "core/task.h"

namespace mooring::core {

class FanOut;

// What a FanOut knows of each.
class Branch {
 public:
  Branch(const Branch&) = delete;
  std::size_t index() const { return index_; }  // in the order of Add

 protected:
  Branch(TaskParent* result, void (*start)(Branch*)) : result_(result), start_(start) {}
  ~Branch() = default;
  std::coroutine_handle<> Ended();

 private:
  friend class FanOut;

  CancelScope scope_;
  FanOut* fan_out_ = nullptr;
  Branch* next_ = nullptr;
  TaskParent* const result_;
  void (*const start_)(Branch*);
  std::size_t index_ = 0;
};

class [[nodiscard]] FanOut : private WaitPoint {
 public:
  enum class CancelOthers : uint8_t { kWhenOneThrows, kWhenOneEnds };

  explicit FanOut(CancelOthers when) : when_(when) {}
  FanOut(const FanOut&) = delete;

  // In the order in which they start. Without a frame (there was no memory for it) none starts.
  void Add(Branch* branch, bool has_frame);

  // Awaited once. Gives the branch that cancelled the others (null: none did), or throws what it threw. A branch behind
  // one that decides at once does not start. Throws std::bad_alloc, and none has started, when a frame was missing.
  bool await_ready() const noexcept { return first_ == nullptr || frame_missing_; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> task) {
    handle = task;
    return Begin(task.promise().scope());
  }
  Branch* await_resume();

 private:
  friend class Branch;
  bool Begin(CancelScope* outer);
  std::coroutine_handle<> Ended(Branch* branch);
  void CancelUnended();

  const CancelOthers when_;
  bool frame_missing_ = false;
  Branch* first_ = nullptr;
  Branch* last_ = nullptr;
  std::size_t running_ = 0;  // and one while they are being started
  Branch* decided_ = nullptr;
  CancelScope* outer_ = nullptr;
};

// A value of a task, which may have none.
template <class T>
using OrMonostate = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
class TaskBranch final : public task_internal::Result<T>, public Branch {
 public:
  TaskBranch()
      : Branch(this, [](Branch* self) { static_cast<TaskBranch*>(self)->Start(); }) {}
  ~TaskBranch() {
    if (handle_) handle_.destroy();  // never started
  }

  void Hold(Task<T> task, FanOut* fan_out) {
    handle_ = std::exchange(task.handle_, nullptr);
    fan_out->Add(this, static_cast<bool>(handle_));
  }
  // REQUIRES: it has ended without throwing.
  OrMonostate<T> TakeValue() {
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return this->Take();
    }
  }

 private:
  void Start() {
    this->ended = [](TaskParent* self) {
      auto* branch = static_cast<TaskBranch*>(self);
      std::exchange(branch->handle_, nullptr).destroy();
      return branch->Ended();
    };
    handle_.promise().link_ = reinterpret_cast<uintptr_t>(static_cast<TaskParent*>(this));
    handle_.resume();
  }

  typename Task<T>::Handle handle_;
};

template <class... Ts>
void HoldEach(std::tuple<TaskBranch<Ts>...>& branches, std::tuple<Task<Ts>...> tasks, FanOut* fan_out) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (std::get<I>(branches).Hold(std::move(std::get<I>(tasks)), fan_out), ...);
  }(std::index_sequence_for<Ts...>());
}
// REQUIRES: as many branches as tasks.
template <class T>
void HoldEach(std::vector<TaskBranch<T>>& branches, std::vector<Task<T>> tasks, FanOut* fan_out) {
  for (std::size_t i = 0; i < tasks.size(); ++i) branches[i].Hold(std::move(tasks[i]), fan_out);
}

}  // namespace mooring::core

#endif  // MOORING_CORE_FAN_OUT_H_
