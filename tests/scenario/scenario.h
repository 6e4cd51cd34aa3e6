// SPDX-License-Identifier: Apache-2.0
// Scenario: the fixture of tests on real sockets, which run in several worlds: on every transport, on this kernel as it
// is and with faults put into it (fault_kernel.h).
//
//   class Drain : public Scenario {};
//   TEST_P(Drain, OfNobodyEndsByItself) { LoopbackServer server(Callbacks<EchoCallbacks>(), In({.shards = 2})); ... }
//   INSTANTIATE_TEST_SUITE_P(Worlds, Drain, EveryWorld(), WorldName());
//
// A transport that this kernel lacks is skipped, and a run in which everything was skipped fails.
#ifndef MOORING_TESTS_SCENARIO_SCENARIO_H_
#define MOORING_TESTS_SCENARIO_SCENARIO_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <ostream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "net/transport.h"
#include "tests/scenario/loopback_server.h"

namespace mooring::scenario {

struct World {
  net::TransportKind transport;
  Faults faults = Faults::kNone;
};

// Every transport that there is, as it is and on a kernel that has a bad day. This is the one list of them.
inline constexpr World kWorlds[] = {
    {net::TransportKind::kUring},
    {net::TransportKind::kUringBase},
    {net::TransportKind::kEpoll},
    {net::TransportKind::kUring, Faults::kGentle},
    {net::TransportKind::kUringBase, Faults::kGentle},
    {net::TransportKind::kEpoll, Faults::kGentle},
};

inline std::string Name(const World& world) {
  std::string name(net::Name(world.transport));
  std::replace(name.begin(), name.end(), '-', '_');  // as GoogleTest wants it
  if (world.faults != Faults::kNone) name += "_faults";
  return name;
}
inline void PrintTo(const World& world, std::ostream* out) { *out << Name(world); }

inline auto EveryWorld() { return testing::ValuesIn(kWorlds); }

// Without faults, for what those must change.
inline auto PlainWorlds() {
  std::vector<World> plain;
  std::copy_if(std::begin(kWorlds), std::end(kWorlds), std::back_inserter(plain),
               [](const World& world) { return world.faults == Faults::kNone; });
  return testing::ValuesIn(plain);
}

inline auto FaultyWorlds() {
  std::vector<World> faulty;
  std::copy_if(std::begin(kWorlds), std::end(kWorlds), std::back_inserter(faulty),
               [](const World& world) { return world.faults != Faults::kNone; });
  return testing::ValuesIn(faulty);
}

// For what only that one has, and for more than 15,000 connections at once: for each of them the others take one of the
// process's descriptors.
inline auto ModernOnly() { return testing::Values(World{net::TransportKind::kUring}); }

inline auto WorldName() {
  return [](const testing::TestParamInfo<World>& info) { return Name(info.param); };
}

// Why this machine has no such transport, and what to type; empty when it has.
std::string Lacks(net::TransportKind transport);

// What both fixtures have: In() puts a server into the test's world.
template <class Parameter>
class ScenarioBase : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override {
    if (const std::string why = Lacks(world().transport); !why.empty()) GTEST_SKIP() << Name(world()) << ": " << why;
  }

  static World world() {
    if constexpr (std::is_same_v<Parameter, World>) {
      return testing::TestWithParam<Parameter>::GetParam();
    } else {
      return std::get<0>(testing::TestWithParam<Parameter>::GetParam());
    }
  }

  static LoopbackOptions In(LoopbackOptions options = {}) {
    options.transport = world().transport;
    options.faults = world().faults;
    return options;
  }
};

using Scenario = ScenarioBase<World>;

// With further parameters: ScenarioOf<int> has Param<0>().
template <class... More>
class ScenarioOf : public ScenarioBase<std::tuple<World, More...>> {
 protected:
  template <size_t i = 0>
  static auto Param() {
    return std::get<i + 1>(testing::TestWithParam<std::tuple<World, More...>>::GetParam());
  }
};

// Names the cases of a ScenarioOf<int>: WorldAnd(+[](int form) { return EchoForms(form).name; }).
template <class R, class... More>
auto WorldAnd(R (*name)(More...)) {
  return [name](const testing::TestParamInfo<std::tuple<World, More...>>& info) {
    return std::apply(
        [&](const World& world, const More&... more) { return Name(world) + "_" + std::string(name(more...)); },
        info.param);
  };
}

}  // namespace mooring::scenario

#endif  // MOORING_TESTS_SCENARIO_SCENARIO_H_
