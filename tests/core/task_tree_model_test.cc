// SPDX-License-Identifier: Apache-2.0
// Random trees of WhenAll, WhenAny, Scoped, WithDeadline and exceptions over sleeping leaves, against a model that knows
// only when each leaf must end: a tree that is cancelled at t ends at t, and nothing of it runs on.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/scope.h"
#include "core/shard.h"
#include "core/sleep.h"
#include "core/when_all.h"
#include "core/when_any.h"
#include "tests/core/stepped_test.h"

namespace mooring::core {
namespace {

using TaskTreeModel = SteppedTest;
using Ms = int64_t;
constexpr Ms kNever = INT64_MAX;

enum class Kind { kLeaf, kAll, kAny, kScoped, kSequence, kDeadline, kCatch };

struct Node {
  Kind kind = Kind::kLeaf;
  Ms duration = 0;      // of a leaf, of a deadline
  bool throws = false;  // a leaf, when its time is up; not when it is cancelled
  std::vector<Node*> children;
  // When the leaf ended, or -1 where it never ran: as it was, and as the model says.
  Ms ended = -1;
  Ms expected = -1;
};

class Tree {
 public:
  explicit Tree(uint64_t seed) : random_(seed) { root_ = Grow(4); }
  Node* root() { return root_; }
  std::deque<Node>& nodes() { return nodes_; }
  // Of a range in which two of the same are not to be expected: what ends first is then no matter of the queue's order.
  Ms Duration() { return std::uniform_int_distribution<Ms>(1, 1'000'000'000)(random_); }
  uint64_t Roll(uint64_t sides) { return random_() % sides; }

 private:
  Node* Grow(int depth) {
    nodes_.emplace_back();
    Node* node = &nodes_.back();
    node->kind = depth == 0 ? Kind::kLeaf : static_cast<Kind>(Roll(7));
    node->duration = Duration();
    size_t children = 0;
    switch (node->kind) {
      case Kind::kLeaf: node->throws = Roll(4) == 0; break;
      case Kind::kAll:
      case Kind::kAny:
      case Kind::kScoped: children = 1 + Roll(4); break;
      case Kind::kSequence: children = 2; break;
      case Kind::kDeadline:
      case Kind::kCatch: children = 1; break;
    }
    for (size_t i = 0; i < children; ++i) node->children.push_back(Grow(depth - 1));
    return node;
  }

  std::mt19937_64 random_;
  std::deque<Node> nodes_;
  Node* root_;
};

// What is tested.

struct Thrown : std::exception {};

Task<> RunNode(Node* node, Nanos begin);

std::vector<Task<>> RunAll(Node* node, size_t from, Nanos begin) {
  std::vector<Task<>> tasks;
  for (size_t i = from; i < node->children.size(); ++i) tasks.push_back(RunNode(node->children[i], begin));
  return tasks;
}
Task<> RunTwo(Node* node, Nanos begin) {
  if (node->children.size() == 2) {  // the form for a fixed number
    auto both = co_await WhenAll(RunNode(node->children[0], begin), RunNode(node->children[1], begin));
    static_cast<void>(both);
  } else {
    co_await WhenAll(RunAll(node, 0, begin));
  }
}
Task<> RunAny(Node* node, Nanos begin) {
  if (node->children.size() == 2) {
    auto first = co_await WhenAny(RunNode(node->children[0], begin), RunNode(node->children[1], begin));
    static_cast<void>(first);
  } else {
    auto first = co_await WhenAny(RunAll(node, 0, begin));
    static_cast<void>(first);
  }
}
Task<> RunScoped(Node* node, Nanos begin) {
  auto body = [node, begin](Scope& scope) -> Task<> {
    for (Task<>& child : RunAll(node, 1, begin)) {
      const bool spawned = scope.Spawn(std::move(child));
      EXPECT_TRUE(spawned);
    }
    co_await RunNode(node->children[0], begin);
  };
  co_await Scoped(body);
}

Task<> RunNode(Node* node, Nanos begin) {
  switch (node->kind) {
    case Kind::kLeaf: {
      const Woken woken = co_await Sleep(Millis(node->duration));
      node->ended = (Shard::Current()->now() - begin) / kNanosPerMs;
      if (node->throws && woken == Woken::kTimer) throw Thrown();
      break;
    }
    case Kind::kAll: co_await RunTwo(node, begin); break;
    case Kind::kAny: co_await RunAny(node, begin); break;
    case Kind::kScoped: co_await RunScoped(node, begin); break;
    case Kind::kSequence:
      co_await RunNode(node->children[0], begin);
      co_await RunNode(node->children[1], begin);
      break;
    case Kind::kDeadline: {
      const Deadlined<void> result = co_await WithDeadline(Millis(node->duration), RunNode(node->children[0], begin));
      static_cast<void>(result);
      break;
    }
    case Kind::kCatch:
      try {
        co_await RunNode(node->children[0], begin);
      } catch (const Thrown&) {
      }
      break;
  }
}

// The model.

struct End {
  Ms at;
  bool threw;
};

void Forget(Node* node) {
  node->expected = -1;
  for (Node* child : node->children) Forget(child);
}

End Expect(Node* node, Ms start, Ms cancelled_at) {
  Forget(node);
  switch (node->kind) {
    case Kind::kLeaf: {
      const bool in_time = start + node->duration <= cancelled_at;
      node->expected = in_time ? start + node->duration : std::max(start, cancelled_at);
      return {node->expected, node->throws && in_time};
    }
    case Kind::kAll:
    case Kind::kAny:
    case Kind::kScoped: {
      // Who decides is not touched by the others; they are cancelled when it does.
      const bool any = node->kind == Kind::kAny;
      Node* decides = nullptr;
      End decision = {kNever, false};
      for (Node* child : node->children) {
        const End end = Expect(child, start, cancelled_at);
        if ((any || end.threw) && end.at < decision.at) {
          decides = child;
          decision = end;
        }
      }
      Ms last = 0;
      for (Node* child : node->children) {
        const End end = child == decides ? decision : Expect(child, start, std::min(cancelled_at, decision.at));
        last = std::max(last, end.at);
      }
      return {last, decides != nullptr && decision.threw};
    }
    case Kind::kSequence: {
      const End first = Expect(node->children[0], start, cancelled_at);
      return first.threw ? first : Expect(node->children[1], first.at, cancelled_at);
    }
    case Kind::kDeadline: return Expect(node->children[0], start, std::min(cancelled_at, start + node->duration));
    case Kind::kCatch: return {Expect(node->children[0], start, cancelled_at).at, false};
  }
  return {};
}

TEST_F(TaskTreeModel, EachLeafEndsWhenItMust) {
  int threw = 0;
  int cancelled = 0;
  for (uint64_t seed = 1; seed <= 4'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Tree tree(seed);
    TestRoot root;
    const Nanos begin = stepped_.clock.Now();
    Ms cancel_at = kNever;
    CallTimer cancel;
    if (tree.Roll(2) == 0) {
      cancel_at = tree.Duration();
      cancel.call = [](void* scope) { static_cast<CancelScope*>(scope)->Cancel(); };
      cancel.argument = &root.scope;
      stepped_.shard.wheel().Arm(&cancel, TimerKind::kFunction, begin / kNanosPerMs + cancel_at);
    }
    const End expected = Expect(tree.root(), 0, cancel_at);
    {
      Shard::Enter enter(&stepped_.shard);
      ASSERT_TRUE(RunNode(tree.root(), begin).Start(&root));
    }
    for (int turn = 0; turn < 1'000 && root.done_calls == 0; ++turn) stepped_.shard.RunTurn();
    ASSERT_EQ(root.done_calls, 1);
    if (expected.at < cancel_at) stepped_.shard.wheel().Cancel(&cancel);
    EXPECT_EQ(root.error != nullptr, expected.threw);
    for (const Node& node : tree.nodes()) {
      if (node.kind == Kind::kLeaf) {
        EXPECT_EQ(node.ended, node.expected);
        cancelled += node.ended >= 0 && node.ended == cancel_at;
      }
    }
    ASSERT_EQ(stepped_.shard.frames().live(), 0u);
    ASSERT_EQ(stepped_.shard.wheel().armed(), 0u);
    ASSERT_FALSE(HasFailure());
    threw += expected.threw;
  }
  EXPECT_GT(threw, 200);  // the trees are not all tame
  EXPECT_GT(cancelled, 200);
}

}  // namespace
}  // namespace mooring::core
