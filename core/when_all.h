// SPDX-License-Identifier: Apache-2.0
// WhenAll: several tasks at once, until all are done.
//
//   auto [user, rights] = co_await WhenAll(LoadUser(&db, id), LoadRights(&db, id));
//   std::vector<Row> rows = co_await WhenAll(std::move(tasks));  // std::vector<Task<Row>>
//
// They start in order, each runs to its first wait before the next starts, and each has a CancelScope of its own;
// cancelling who awaits cancels all. When one throws, the others are cancelled (those that have not started never do),
// and once all are done the first exception is thrown again. It is a Task itself: WithDeadline(t, WhenAll(...)).
//
// Threads:  one shard, inside its turn.
// Owns:     the tasks. Without memory for the frame of one none starts: std::bad_alloc.
#ifndef MOORING_CORE_WHEN_ALL_H_
#define MOORING_CORE_WHEN_ALL_H_

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/fan_out.h"
#include "core/task.h"

namespace mooring::core {
namespace when_all_internal {

template <class... Ts, std::size_t... I>
std::tuple<OrMonostate<Ts>...> Take(std::tuple<TaskBranch<Ts>...>& branches, std::index_sequence<I...>) {
  return std::tuple<OrMonostate<Ts>...>(std::get<I>(branches).TakeValue()...);
}

template <class... Ts>
Task<std::tuple<OrMonostate<Ts>...>> Run(std::tuple<Task<Ts>...> tasks) {
  std::tuple<TaskBranch<Ts>...> branches;
  FanOut all(FanOut::CancelOthers::kWhenOneThrows);
  HoldEach(branches, std::move(tasks), &all);
  co_await all;
  co_return Take(branches, std::index_sequence_for<Ts...>());
}

}  // namespace when_all_internal

// The results, in the order of the tasks; std::monostate for a Task<>.
template <class... Ts>
  requires(sizeof...(Ts) > 0)
Task<std::tuple<OrMonostate<Ts>...>> WhenAll(Task<Ts>... tasks) {
  return when_all_internal::Run(std::tuple<Task<Ts>...>(std::move(tasks)...));
}

// The same for any number; none is done at once.
template <class T>
Task<std::vector<T>> WhenAll(std::vector<Task<T>> tasks) {
  std::vector<TaskBranch<T>> branches(tasks.size());
  FanOut all(FanOut::CancelOthers::kWhenOneThrows);
  HoldEach(branches, std::move(tasks), &all);
  co_await all;
  std::vector<T> values;
  values.reserve(branches.size());
  for (TaskBranch<T>& branch : branches) values.push_back(branch.TakeValue());
  co_return values;
}
inline Task<> WhenAll(std::vector<Task<>> tasks) {
  std::vector<TaskBranch<void>> branches(tasks.size());
  FanOut all(FanOut::CancelOthers::kWhenOneThrows);
  HoldEach(branches, std::move(tasks), &all);
  co_await all;
}

}  // namespace mooring::core

#endif  // MOORING_CORE_WHEN_ALL_H_
