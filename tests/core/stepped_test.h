// SPDX-License-Identifier: Apache-2.0
// SteppedTest: a fixture with one root task on a stepped shard, that leaves no frame and no timer behind.
//
// Threads:  one.
#ifndef MOORING_TESTS_CORE_STEPPED_TEST_H_
#define MOORING_TESTS_CORE_STEPPED_TEST_H_

#include <gtest/gtest.h>

#include <exception>
#include <string>
#include <utility>

#include "core/shard.h"
#include "core/sleep.h"
#include "core/task.h"
#include "tests/core/test_port.h"
#include "tests/core/test_root.h"

namespace mooring::core {

class SteppedTest : public ::testing::Test {
 protected:
  ~SteppedTest() override {
    EXPECT_EQ(stepped_.shard.frames().live(), 0u) << "frames or children that never ended";
    EXPECT_EQ(stepped_.shard.wheel().armed(), 0u) << "a timer outlived its wait";
  }

  // Starts the task that `make` returns as the root, again where it is done.
  template <class Make>
  void Start(Make make) {
    root_.done_calls = 0;
    root_.error = nullptr;
    started_ = stepped_.clock.Now();
    Shard::Enter enter(&stepped_.shard);
    ASSERT_TRUE(make().Start(&root_));
  }
  // And turns until nothing is left to do.
  template <class Make>
  void Run(Make make) {
    Start(make);
    Finish();
  }
  void Finish() {
    stepped_.RunUntilIdle(1'000'000);
    EXPECT_EQ(root_.done_calls, 1);
  }
  void Turn() { stepped_.shard.RunTurn(0); }
  void CancelRoot() {
    Shard::Enter enter(&stepped_.shard);
    root_.scope.Cancel();
  }
  // From a timer, `after` from now: behind all that is due earlier or was armed for then before.
  void CancelRootAfter(Nanos after) {
    cancel_timer_.call = [](void* scope) { static_cast<CancelScope*>(scope)->Cancel(); };
    cancel_timer_.argument = &root_.scope;
    stepped_.shard.wheel().Arm(&cancel_timer_, TimerKind::kFunction, (stepped_.clock.Now() + after) / kNanosPerMs);
  }

  // What the root threw; empty where it did not.
  std::string Thrown() {
    if (root_.error == nullptr) return "";
    try {
      std::rethrow_exception(root_.error);
    } catch (const std::exception& error) {
      return error.what();
    }
  }
  // Since Start.
  Nanos Elapsed() { return stepped_.clock.Now() - started_; }

  SteppedShard stepped_;
  TestRoot root_;

 private:
  Nanos started_ = stepped_.clock.Now();
  CallTimer cancel_timer_;
};

}  // namespace mooring::core

#endif  // MOORING_TESTS_CORE_STEPPED_TEST_H_
