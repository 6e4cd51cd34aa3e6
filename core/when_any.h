// SPDX-License-Identifier: Apache-2.0
// WhenAny: several tasks at once, until the first is done; the others are cancelled and joined.
//
//   auto first = co_await WhenAny(ReadReply(&conn), WaitForQuit(&event));
//   if (first.index() == 0) Use(std::get<0>(first));
//
// They start in order, each runs to its first wait before the next starts, and each has a CancelScope of its own;
// cancelling who awaits cancels all. The first that ends decides, also by an exception, which is thrown again. The
// others are then cancelled, and those that have not started never do. It returns when all are done: what a loser
// returned or threw all the same is dropped, so a loser must not be the only one that knows of something it took. It is
// a Task itself: WithDeadline(t, WhenAny(...)).
//
// Threads:  one shard, inside its turn.
// Owns:     the tasks. Without memory for the frame of one none starts: std::bad_alloc.
#ifndef MOORING_CORE_WHEN_ANY_H_
#define MOORING_CORE_WHEN_ANY_H_

#include <cassert>
#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "core/fan_out.h"
#include "core/task.h"

namespace mooring::core {
namespace when_any_internal {

template <class... Ts, std::size_t... I>
std::variant<OrMonostate<Ts>...> Take(std::tuple<TaskBranch<Ts>...>& branches, std::size_t first,
                                      std::index_sequence<I...>) {
  std::optional<std::variant<OrMonostate<Ts>...>> value;
  ((I == first ? static_cast<void>(value.emplace(std::in_place_index<I>, std::get<I>(branches).TakeValue()))
               : static_cast<void>(0)),
   ...);
  return *std::move(value);
}

template <class... Ts>
Task<std::variant<OrMonostate<Ts>...>> Run(std::tuple<Task<Ts>...> tasks) {
  std::tuple<TaskBranch<Ts>...> branches;
  FanOut any(FanOut::CancelOthers::kWhenOneEnds);
  HoldEach(branches, std::move(tasks), &any);
  const Branch* first = co_await any;
  co_return Take(branches, first->index(), std::index_sequence_for<Ts...>());
}

}  // namespace when_any_internal

// What the first returned, at its place in the order of the tasks (index()); std::monostate for a Task<>.
template <class... Ts>
  requires(sizeof...(Ts) > 0)
Task<std::variant<OrMonostate<Ts>...>> WhenAny(Task<Ts>... tasks) {
  return when_any_internal::Run(std::tuple<Task<Ts>...>(std::move(tasks)...));
}

template <class T>
struct FirstDone {
  std::size_t index;  // in the vector
  OrMonostate<T> value;
};

// The same for any number. REQUIRES: one at least.
template <class T>
Task<FirstDone<T>> WhenAny(std::vector<Task<T>> tasks) {
  assert(!tasks.empty());
  std::vector<TaskBranch<T>> branches(tasks.size());
  FanOut any(FanOut::CancelOthers::kWhenOneEnds);
  HoldEach(branches, std::move(tasks), &any);
  const Branch* first = co_await any;
  FirstDone<T> done{first->index(), branches[first->index()].TakeValue()};
  co_return done;
}

}  // namespace mooring::core

#endif  // MOORING_CORE_WHEN_ANY_H_
