// SPDX-License-Identifier: Apache-2.0
// CancelScope: what one chain of tasks is waiting for, and whether it was told to stop. Eight bytes.
//
// A chain of tasks (a root and the children it awaits) waits in one place at a time, so a scope needs one pointer: to
// the wait itself, or to the inner scope that holds it. Cancel sets a flag and completes that wait through the shard's
// run queue, never inline; every later wait in the scope completes at once with "cancelled", again through the queue.
//
//   outer scope ──> inner scope (WithDeadline) ──> wait point (Sleep), or a connection (Read, Writable)
//
// Threads:  one shard.
// Owns:     nothing. The wait outlives its entry here: a completed wait ignores Cancel.
#ifndef MOORING_CORE_CANCEL_SCOPE_H_
#define MOORING_CORE_CANCEL_SCOPE_H_

#include <coroutine>
#include <cstdint>

namespace mooring::core {

// A wait whose state lives in its awaiter. `cancel` completes it through the run queue unless it is complete already.
struct WaitPoint {
  void (*cancel)(WaitPoint* self);
  std::coroutine_handle<> handle;
};

class CancelScope {
 public:
  CancelScope() = default;
  CancelScope(const CancelScope&) = delete;

  bool cancelled() const { return (state_ & kCancelled) != 0; }
  void Cancel();

  // What is waited for from now on; the last one said counts. Every wait at a point says Clear when it is over, or when it
  // begins and cannot be cancelled. A wait on a connection need not: who waits there is compared with the scope.
  void WaitAt(WaitPoint* point) { Set(point, kPoint); }
  void WaitAtConnection(void* connection) { Set(connection, kConnection); }
  void EnterInner(CancelScope* inner) { Set(inner, kInner); }
  void Clear() { state_ &= kCancelled; }

 private:
  static constexpr uintptr_t kCancelled = 1, kKinds = 6, kPoint = 0, kConnection = 2, kInner = 4;
  void Set(void* pointer, uintptr_t kind) {
    state_ = reinterpret_cast<uintptr_t>(pointer) | kind | (state_ & kCancelled);
  }

  uintptr_t state_ = 0;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_CANCEL_SCOPE_H_
