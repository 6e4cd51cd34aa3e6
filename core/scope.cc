// SPDX-License-Identifier: Apache-2.0
#include "core/scope.h"

#include <cassert>
#include <new>

namespace mooring::core {

struct Scope::Child : TaskRoot {
  explicit Child(Scope* in) : TaskRoot{.scope = {}, .done = &Child::Done}, owner(in) {}
  static void Done(TaskRoot* root, std::exception_ptr error);

  Scope* owner;  // null: the scope has gone before
  Child* previous = nullptr;
  Child* next = nullptr;
};

Scope::~Scope() {
  assert(empty());
  LeaveLive();
}

void Scope::LeaveLive() {
  while (first_ != nullptr) {
    Child* child = first_;
    Unlink(child);
    child->owner = nullptr;
  }
}

void Scope::LinkLast(Child* child) {
  child->previous = last_;
  (last_ != nullptr ? last_->next : first_) = child;
  last_ = child;
  ++size_;
}

void Scope::Unlink(Child* child) {
  (child->previous != nullptr ? child->previous->next : first_) = child->next;
  (child->next != nullptr ? child->next->previous : last_) = child->previous;
  --size_;
}

bool Scope::Spawn(Task<> task) {
  if (!task.has_frame()) return false;
  void* memory = frame::Acquire(sizeof(Child));
  if (memory == nullptr) return false;
  Child* child = new (memory) Child(this);
  LinkLast(child);
  if (cancelled_) child->scope.Cancel();
  return std::move(task).Start(child);
}

void Scope::Child::Done(TaskRoot* root, std::exception_ptr error) {
  Child* child = static_cast<Child*>(root);
  Scope* scope = child->owner;
  if (scope != nullptr) scope->Unlink(child);
  child->~Child();
  frame::Release(child, sizeof(Child));
  if (scope == nullptr) return;
  if (error != nullptr) scope->Fail(std::move(error));
  if (scope->empty()) scope->BecameEmpty();
}

void Scope::Fail(std::exception_ptr error) {
  ++failed_;
  if (when_thrown_ == WhenThrown::kGoOn) return;
  if (error_ == nullptr) error_ = std::move(error);
  Cancel();
  if (body_ != nullptr) body_->Cancel();
}

void Scope::Cancel() {
  if (cancelled_) return;
  cancelled_ = true;
  // Nothing runs meanwhile: a wait is completed through the run queue.
  for (Child* child = first_; child != nullptr; child = child->next) child->scope.Cancel();
}

void Scope::OnEmpty(void (*fn)(void*), void* argument) {
  assert(on_empty_ == nullptr);
  if (empty()) return frame::MakeRunnable(fn, argument);
  on_empty_ = fn;
  on_empty_argument_ = argument;
}

void Scope::BecameEmpty() {
  if (joiner_ != nullptr) joiner_->Wake();
  if (on_empty_ != nullptr) frame::MakeRunnable(std::exchange(on_empty_, nullptr), on_empty_argument_);
}

void Scope::JoinAwaiter::Begin(CancelScope* outer) {
  assert(scope_->joiner_ == nullptr && "one Join at a time");
  scope_->joiner_ = this;
  outer_ = outer;
  cancel = [](WaitPoint* self) { static_cast<JoinAwaiter*>(self)->scope_->Cancel(); };
  outer->WaitAt(this);
  if (outer->cancelled()) scope_->Cancel();
}

void Scope::JoinAwaiter::Wake() {
  if (std::exchange(waking_, true)) return;
  frame::MakeRunnable(
      [](void* self) {
        auto* join = static_cast<JoinAwaiter*>(self);
        join->waking_ = false;
        if (join->scope_->empty()) join->handle.resume();  // else somebody spawned meanwhile, and its end wakes again
      },
      this);
}

void Scope::JoinAwaiter::await_resume() {
  if (outer_ != nullptr) {
    scope_->joiner_ = nullptr;
    outer_->Clear();
  }
  if (scope_->error_ != nullptr) std::rethrow_exception(std::exchange(scope_->error_, nullptr));
}

}  // namespace mooring::core
