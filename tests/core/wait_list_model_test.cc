// SPDX-License-Identifier: Apache-2.0
// Scopes, channels, semaphores and events under random scripts, against a model of plain queues. Who goes on, with what
// and in which order, is compared to the last entry; so is what is left in the channels and semaphores.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/channel.h"
#include "core/event.h"
#include "core/scope.h"
#include "core/semaphore.h"
#include "core/shard.h"
#include "tests/core/stepped_test.h"

namespace mooring::core {
namespace {

constexpr int kEach = 3;  // channels (of capacity 0, 1 and 2), semaphores, events, scopes

enum class Verb { kSend, kReceive, kAcquire, kAcquireFor, kWait, kYield };
struct Step {
  Verb verb;
  size_t which;
  std::string value;  // of kSend
};
using Script = std::vector<Step>;
struct Entry {
  int task;
  std::string what;
  bool operator==(const Entry&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Entry& entry) { return out << entry.task << ":" << entry.what; }

// What is tested.
struct World {
  std::array<Channel<std::string>, kEach> channels{Channel<std::string>(0), Channel<std::string>(1),
                                                   Channel<std::string>(2)};
  std::array<Semaphore, kEach> semaphores{Semaphore(0), Semaphore(1), Semaphore(2)};
  std::array<Event, kEach> events;
  std::array<std::unique_ptr<Scope>, kEach> scopes;
  std::vector<Entry> log;
};

Task<> RunScript(World* world, int task, Script script) {
  for (Step& step : script) {
    std::string what = "yielded";
    switch (step.verb) {
      case Verb::kSend: {
        const bool sent = co_await world->channels[step.which].Send(std::move(step.value));
        what = sent ? "sent" : "not sent";
        break;
      }
      case Verb::kReceive: {
        std::optional<std::string> value = co_await world->channels[step.which].Receive();
        what = value ? "got " + *value : "got nothing";
        break;
      }
      case Verb::kAcquire: {
        const bool mine = co_await world->semaphores[step.which].Acquire();
        what = mine ? "acquired" : "not acquired";
        break;
      }
      case Verb::kAcquireFor: {
        const bool mine = co_await world->semaphores[step.which].AcquireFor(Seconds(3'600));
        what = mine ? "acquired" : "not acquired";
        break;
      }
      case Verb::kWait: {
        const bool set = co_await world->events[step.which].Wait();
        what = set ? "set" : "not set";
        break;
      }
      case Verb::kYield: co_await Yield(); break;
    }
    world->log.push_back({task, what});
  }
  world->log.push_back({task, "done"});
}

// The model.
class Model {
 public:
  struct Runner {
    int id = 0;
    size_t scope = 0;
    Script script;
    size_t at = 0;
    bool cancelled = false;
    std::deque<Runner*>* line = nullptr;  // where it waits
  };

  void Spawn(int id, size_t scope, Script script) {
    runners_.push_back(std::make_unique<Runner>());
    Runner* runner = runners_.back().get();
    *runner = {.id = id, .scope = scope, .script = std::move(script), .at = 0, .cancelled = cancelled[scope],
               .line = nullptr};
    live[scope].push_back(runner);
    Advance(runner);
  }
  void Cancel(size_t scope) {
    if (cancelled[scope]) return;
    cancelled[scope] = true;
    for (Runner* runner : live[scope]) {
      runner->cancelled = true;
      if (runner->line == nullptr) continue;
      std::erase(*runner->line, runner);
      Wake(runner, Refusal(runner->script[runner->at].verb));
    }
  }
  void Turn() {
    for (auto& [runner, what] : std::exchange(queue_, {})) {
      Log(runner, what);
      Advance(runner);
    }
  }
  bool TrySend(size_t which, const std::string& value) {
    if (closed[which]) return false;
    if (!receivers[which].empty()) {
      Wake(Pop(&receivers[which]), "got " + value);
      return true;
    }
    if (values[which].size() == which) return false;  // its capacity
    values[which].push_back(value);
    return true;
  }
  std::optional<std::string> TryReceive(size_t which) {
    std::deque<std::string>& queued = values[which];
    if (!senders[which].empty()) {  // the first sender's value is behind what is queued
      Runner* sender = Pop(&senders[which]);
      queued.push_back(sender->script[sender->at].value);
      Wake(sender, "sent");
    }
    if (queued.empty()) return std::nullopt;
    std::string value = queued.front();
    queued.pop_front();
    return value;
  }
  void Close(size_t which) {
    closed[which] = true;
    while (!receivers[which].empty()) Wake(Pop(&receivers[which]), "got nothing");
    while (!senders[which].empty()) Wake(Pop(&senders[which]), "not sent");
  }
  void Release(size_t which, size_t permits) {
    for (; permits > 0; --permits) {
      if (acquirers[which].empty()) {
        ++available[which];
      } else {
        Wake(Pop(&acquirers[which]), "acquired");
      }
    }
  }
  void Set(size_t which) {
    set[which] = true;
    while (!waiters[which].empty()) Wake(Pop(&waiters[which]), "set");
  }

  std::array<std::deque<std::string>, kEach> values;
  std::array<bool, kEach> closed{};
  std::array<size_t, kEach> available{0, 1, 2};
  std::array<bool, kEach> set{};
  std::array<std::vector<Runner*>, kEach> live;
  std::array<bool, kEach> cancelled{};
  std::vector<Entry> log;

 private:
  static std::string Refusal(Verb verb) {
    switch (verb) {
      case Verb::kSend: return "not sent";
      case Verb::kReceive: return "got nothing";
      case Verb::kAcquire:
      case Verb::kAcquireFor: return "not acquired";
      case Verb::kWait: return "not set";
      case Verb::kYield: break;
    }
    return "yielded";
  }
  static Runner* Pop(std::deque<Runner*>* line) {
    Runner* runner = line->front();
    line->pop_front();
    return runner;
  }
  void Wake(Runner* runner, std::string what) {
    runner->line = nullptr;
    queue_.emplace_back(runner, std::move(what));
  }
  void Wait(Runner* runner, std::deque<Runner*>* line) {
    runner->line = line;
    line->push_back(runner);
  }
  void Log(Runner* runner, const std::string& what) {
    log.push_back({runner->id, what});
    ++runner->at;
  }
  // From its next step until it waits or is done.
  void Advance(Runner* runner) {
    for (; runner->at < runner->script.size();) {
      const Step& step = runner->script[runner->at];
      if (step.verb == Verb::kYield || runner->cancelled) return Wake(runner, Refusal(step.verb));
      switch (step.verb) {
        case Verb::kSend:
          if (closed[step.which]) {
            Log(runner, "not sent");
          } else if (TrySend(step.which, step.value)) {
            Log(runner, "sent");
          } else {
            return Wait(runner, &senders[step.which]);
          }
          break;
        case Verb::kReceive:
          if (const auto value = TryReceive(step.which)) {
            Log(runner, "got " + *value);
          } else if (closed[step.which]) {
            Log(runner, "got nothing");
          } else {
            return Wait(runner, &receivers[step.which]);
          }
          break;
        case Verb::kAcquire:
        case Verb::kAcquireFor:
          if (available[step.which] == 0) return Wait(runner, &acquirers[step.which]);
          --available[step.which];
          Log(runner, "acquired");
          break;
        case Verb::kWait:
          if (!set[step.which]) return Wait(runner, &waiters[step.which]);
          Log(runner, "set");
          break;
        case Verb::kYield: break;
      }
    }
    log.push_back({runner->id, "done"});
    std::erase(live[runner->scope], runner);
  }

  std::array<std::deque<Runner*>, kEach> senders, receivers, acquirers, waiters;
  std::vector<std::pair<Runner*, std::string>> queue_;
  std::vector<std::unique_ptr<Runner>> runners_;
};

class Play {
 public:
  Play(uint64_t seed, Shard* shard) : random_(seed), shard_(shard) {
    for (auto& scope : world_.scopes) scope = std::make_unique<Scope>();
  }

  void Run(int steps) {
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      One();
      Compare();
    }
    for (size_t i = 0; i < kEach; ++i) {
      world_.scopes[i]->Cancel();
      model_.Cancel(i);
    }
    for (int turn = 0; turn < 20; ++turn) Turn();
    Compare();
    for (size_t i = 0; i < kEach; ++i) EXPECT_TRUE(world_.scopes[i]->empty());
    for (const Entry& entry : world_.log) ++met_[entry.what.substr(0, 5)];
  }
  const std::map<std::string, int>& met() const { return met_; }

 private:
  size_t Below(size_t n) { return static_cast<size_t>(random_() % n); }

  Script NewScript() {
    Script script;
    for (size_t i = 1 + Below(4); i > 0; --i) {
      script.push_back({static_cast<Verb>(Below(6)), Below(kEach), "value " + std::to_string(next_value_++)});
    }
    return script;
  }

  void One() {
    const size_t which = Below(kEach);
    switch (Below(20)) {
      case 0: case 1: case 2: case 3: case 4: case 5: {
        const Script script = NewScript();
        ASSERT_TRUE(world_.scopes[which]->Spawn(RunScript(&world_, next_task_, script)));
        model_.Spawn(next_task_++, which, script);
        break;
      }
      case 6: case 7: case 8: case 9: case 10: Turn(); break;
      case 11: case 12: {
        const size_t permits = Below(3);
        world_.semaphores[which].Release(permits);
        model_.Release(which, permits);
        break;
      }
      case 13:
        EXPECT_EQ(world_.semaphores[which].TryAcquire(), model_.available[which] > 0);
        if (model_.available[which] > 0) --model_.available[which];
        break;
      case 14: {
        std::string value = "tried " + std::to_string(next_value_++);
        const bool sent = model_.TrySend(which, value);
        EXPECT_EQ(world_.channels[which].TrySend(std::move(value)), sent);
        break;
      }
      case 15: EXPECT_EQ(world_.channels[which].TryReceive(), model_.TryReceive(which)); break;
      case 16:
        world_.events[which].Set();
        model_.Set(which);
        break;
      case 17:
        world_.events[which].Reset();
        model_.set[which] = false;
        break;
      case 18:
        world_.scopes[which]->Cancel();
        model_.Cancel(which);
        break;
      case 19:  // rarely for good
        if (Below(40) == 0) {
          world_.channels[which].Close();
          model_.Close(which);
        }
        break;
    }
    for (size_t i = 0; i < kEach; ++i) {  // one that is done with makes place for the next
      if (!world_.scopes[i]->cancelled() || !world_.scopes[i]->empty()) continue;
      world_.scopes[i] = std::make_unique<Scope>();
      EXPECT_TRUE(model_.live[i].empty());
      model_.cancelled[i] = false;
    }
  }

  void Turn() {
    shard_->RunTurn(0);
    model_.Turn();
  }

  void Compare() {
    ASSERT_EQ(world_.log, model_.log);
    for (size_t i = 0; i < kEach; ++i) {
      ASSERT_EQ(world_.channels[i].size(), model_.values[i].size());
      ASSERT_EQ(world_.semaphores[i].available(), model_.available[i]);
      ASSERT_EQ(world_.scopes[i]->size(), model_.live[i].size());
    }
  }

  std::mt19937_64 random_;
  Shard* const shard_;
  World world_;
  Model model_;
  int next_task_ = 0;
  int next_value_ = 0;
  std::map<std::string, int> met_;
};

using WaitListModel = SteppedTest;

TEST_F(WaitListModel, EveryWaitEndsAsThePlainQueuesSay) {
  std::map<std::string, int> met;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Shard::Enter enter(&stepped_.shard);
    Play play(seed, &stepped_.shard);
    play.Run(400);
    ASSERT_FALSE(HasFailure());
    for (const auto& [what, count] : play.met()) met[what] += count;
  }
  for (const char* what : {"sent", "not s", "got v", "got t", "got n", "acqui", "not a", "set", "done"}) {
    EXPECT_GT(met[what], 200) << what;
  }
}

}  // namespace
}  // namespace mooring::core
