// SPDX-License-Identifier: Apache-2.0
// KindsAndSeeds: the fixture of tests over the simulated kernel that run on every transport, from a few seeds each.
//
//   class SimBounds : public KindsAndSeeds {};
//   TEST_P(SimBounds, AListenersCapIsExact) { SimServer server(seed(), Over({.shards = 3})); ... }
//   INSTANTIATE_TEST_SUITE_P(KindsAndSeeds, SimBounds, OfKindsAndSeeds(4), KindAndSeed);
//
// MOORING_SEED=n replays one seed.
#ifndef MOORING_TESTS_NET_KINDS_AND_SEEDS_H_
#define MOORING_TESTS_NET_KINDS_AND_SEEDS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string>
#include <tuple>

#include "tests/net/sim_server.h"

namespace mooring::net {

class KindsAndSeeds : public testing::TestWithParam<std::tuple<TransportKind, uint64_t>> {
 protected:
  uint64_t seed() const { return Seed(std::get<1>(GetParam())); }
  static TransportKind kind() { return std::get<0>(GetParam()); }
  SimServer::Options Over(SimServer::Options options = {}) const {
    options.transport = kind();
    return options;
  }
};

inline auto OfKindsAndSeeds(uint64_t seeds) {
  return testing::Combine(testing::ValuesIn(kTransportKinds), testing::Range<uint64_t>(1, seeds + 1));
}

inline std::string KindAndSeed(const testing::TestParamInfo<std::tuple<TransportKind, uint64_t>>& info) {
  std::string name(Name(std::get<0>(info.param)));
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name + "_" + std::to_string(std::get<1>(info.param));
}

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_KINDS_AND_SEEDS_H_
