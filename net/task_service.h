// SPDX-License-Identifier: Apache-2.0
// TaskService: a service as one coroutine per connection, an adapter over the callback form.
//
// The task starts with the connection and its end closes it. It reads with conn.ReadLine() and the like, so nothing is
// delivered to it by callback; the engine asks Reader instead.
//
// Threads:  one instance per shard.
#ifndef MOORING_NET_TASK_SERVICE_H_
#define MOORING_NET_TASK_SERVICE_H_

#include <utility>

#include "absl/functional/any_invocable.h"
#include "core/task.h"
#include "net/connection.h"
#include "net/handler.h"

namespace mooring::net {

class TaskService final : public Handler {
 public:
  // Kept until the last connection is gone, so a capturing lambda is fine.
  using Function = absl::AnyInvocable<core::Task<>(Connection&)>;
  explicit TaskService(Function service) : service_(std::move(service)) {}

  void OnOpen(Connection& conn) override;
  void OnData(Connection&, alloc::Lease) override {}  // never called: Reader has taken its place
  void OnEof(Connection&) override {}
  void OnDrain(Connection&) override {}

 private:
  Function service_;
};

}  // namespace mooring::net

#endif  // MOORING_NET_TASK_SERVICE_H_
