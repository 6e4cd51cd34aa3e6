// SPDX-License-Identifier: Apache-2.0
// TestRoot: a root task that remembers how it ended, and Yield, which waits for one trip through the run queue.
//
// Threads:  one shard.
#ifndef MOORING_TESTS_CORE_TEST_ROOT_H_
#define MOORING_TESTS_CORE_TEST_ROOT_H_

#include <coroutine>
#include <exception>
#include <utility>

#include "core/shard.h"
#include "core/task.h"

namespace mooring::core {

struct TestRoot : TaskRoot {
  TestRoot() {
    done = [](TaskRoot* self, std::exception_ptr error) {
      auto* root = static_cast<TestRoot*>(self);
      ++root->done_calls;
      root->error = std::move(error);
    };
  }
  int done_calls = 0;
  std::exception_ptr error;
};

struct Yield {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> task) { Shard::Current()->MakeRunnable(task); }
  void await_resume() const noexcept {}
};

}  // namespace mooring::core

#endif  // MOORING_TESTS_CORE_TEST_ROOT_H_
