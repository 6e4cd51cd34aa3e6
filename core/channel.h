// SPDX-License-Identifier: Apache-2.0
// Channel: values from tasks to tasks of one shard, in order, with a bound.
//
//   Channel<std::string> lines(16);
//   if (const bool sent = co_await lines.Send("hello"); !sent) co_return;  // closed, or cancelled
//   while (auto line = co_await lines.Receive()) Use(*line);               // until closed and empty, or cancelled
//
// A sender waits while `capacity` values are queued, a receiver while none is; each in the order in which they came. A
// channel of capacity 0 queues nothing: a sender waits until a receiver has taken its value.
//
// Cancelling loses nothing and does nothing by halves. A value that was handed to a receiver is given to it, cancelled
// or not; a sender whose value was queued or handed over is told true. A value that was not sent (false) is destroyed
// with the Send that held it. A task that is cancelled before it asks takes nothing out and puts nothing in.
//
// Threads:  one shard, inside its turn.
// Owns:     the queued values; memory for `capacity` of them, taken when it is made (std::bad_alloc).
// Limits:   T moves without throwing. REQUIRES: nobody waits when it is destroyed.
#ifndef MOORING_CORE_CHANNEL_H_
#define MOORING_CORE_CHANNEL_H_

#include <coroutine>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/cancel_scope.h"
#include "core/wait_list.h"

namespace mooring::core {

template <class T>
class Channel {
  static_assert(std::is_nothrow_move_constructible_v<T>);

 public:
  explicit Channel(std::size_t capacity) : slots_(capacity) {}
  Channel(const Channel&) = delete;

  std::size_t size() const { return size_; }  // queued, not counting what senders wait with
  std::size_t capacity() const { return slots_.size(); }
  bool closed() const { return closed_; }

  // Receivers still get what is queued, then nullopt; senders get false, those that wait too. For good.
  void Close() {
    closed_ = true;
    while (!receivers_.empty()) receivers_.Refuse();
    while (!senders_.empty()) senders_.Refuse();
  }

  // False, with `value` untouched, when it is full or closed. A receiver that waits takes it at once.
  bool TrySend(T&& value) {
    if (closed_) return false;
    if (!receivers_.empty()) {
      static_cast<ReceiveAwaiter*>(receivers_.front())->value_.emplace(std::move(value));
      receivers_.Grant();
      return true;
    }
    if (size_ == slots_.size()) return false;
    Push(std::move(value));
    return true;
  }

  // Nullopt when nothing is queued and no sender waits.
  std::optional<T> TryReceive() {
    std::optional<T> value;
    if (size_ != 0) {
      value.emplace(*std::move(slots_[first_]));
      slots_[first_].reset();
      first_ = first_ + 1 == slots_.size() ? 0 : first_ + 1;
      --size_;
      if (!senders_.empty()) Push(GrantSender());  // the room is the first sender's
    } else if (!senders_.empty()) {
      value.emplace(GrantSender());
    }
    return value;
  }

  class [[nodiscard]] SendAwaiter : private Waiter {
   public:
    SendAwaiter(Channel* channel, T&& value) : channel_(channel), value_(std::move(value)) {}
    bool await_ready() const noexcept { return false; }  // the scope is known only below
    template <class P>
    bool await_suspend(std::coroutine_handle<P> task) {
      CancelScope* scope = task.promise().scope();
      if (!scope->cancelled()) {
        if (channel_->closed_) {
          refused_ = true;
          return false;
        }
        if (channel_->TrySend(std::move(value_))) return false;
      }
      channel_->senders_.Wait(this, task, scope);
      return true;
    }
    bool await_resume() noexcept { return End() && !refused_; }

   private:
    friend class Channel;
    Channel* const channel_;
    T value_;
    bool refused_ = false;
  };
  // co_await: true once `value` is queued or handed over; false when the channel is closed or the task cancelled first.
  SendAwaiter Send(T value) { return SendAwaiter(this, std::move(value)); }

  class [[nodiscard]] ReceiveAwaiter : private Waiter {
   public:
    explicit ReceiveAwaiter(Channel* channel) : channel_(channel) {}
    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> task) {
      CancelScope* scope = task.promise().scope();
      if (!scope->cancelled()) {
        if (std::optional<T> value = channel_->TryReceive()) value_.emplace(*std::move(value));
        if (value_.has_value() || channel_->closed_) return false;
      }
      channel_->receivers_.Wait(this, task, scope);
      return true;
    }
    std::optional<T> await_resume() noexcept {
      End();
      return std::move(value_);
    }

   private:
    friend class Channel;
    Channel* const channel_;
    std::optional<T> value_;
  };
  // co_await: the oldest value; nullopt when the channel is closed and empty, or the task was cancelled before there
  // was one.
  ReceiveAwaiter Receive() { return ReceiveAwaiter(this); }

 private:
  void Push(T&& value) {
    const std::size_t end = first_ + size_;
    slots_[end < slots_.size() ? end : end - slots_.size()].emplace(std::move(value));
    ++size_;
  }
  T GrantSender() {
    T value = std::move(static_cast<SendAwaiter*>(senders_.front())->value_);
    senders_.Grant();
    return value;
  }

  std::vector<std::optional<T>> slots_;  // a ring
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  WaitList senders_;    // somebody waits: all slots are full
  WaitList receivers_;  // somebody waits: none is
  bool closed_ = false;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_CHANNEL_H_
